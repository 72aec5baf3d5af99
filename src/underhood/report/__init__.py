"""From results to something one reads.

document.py     what a study reports: question, answer, words, tables, figures, equations
facts.py        how it was run
failures.py     the ends of the logs of trials that failed
html.py         one file for a browser; markdown.py, pdf.py and terminal.py the same elsewhere
prose.py        the few marks of its texts; mathematics.py and formulas.py its LaTeX
progress.py     what one sees while a study runs
comparison.py   one setting held against another
live/           the runs of a folder in the browser
"""
