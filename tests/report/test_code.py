"""A program in a report: as it stands, in every format."""

from underhood.report.document import Code, Document, Section
from underhood.report.html import render_html
from underhood.report.markdown import write_markdown
from underhood.report.pdf import typst_source
from underhood.report.terminal import report_text

PROGRAM = 'for n in range(N):\n    z["<n>"] += 1'
DOCUMENT = Document("T", "Q?", "A.", [Section("S", [Code(PROGRAM, "`z` starts at 0.")])])


def test_its_lines_and_its_note_stand_in_every_format(facts, tmp_path):
    html = render_html(DOCUMENT, facts)
    assert "<code>for n in range(N):\n    z[&#34;&lt;n&gt;&#34;] += 1</code></pre>" in html
    assert "<code>z</code> starts at 0." in html
    assert f"```\n{PROGRAM}\n```\n\n`z` starts at 0." in write_markdown(DOCUMENT, facts, tmp_path).read_text()
    assert '#command("for n in range(N):\\n    z[\\"<n>\\"] += 1")' in typst_source(DOCUMENT, facts, tmp_path)
    assert '    for n in range(N):\n        z["<n>"] += 1' in report_text(DOCUMENT, facts)
