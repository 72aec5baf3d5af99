"""Figures: Vega-Lite specifications with their data inside, and four ways to make one.

    lines      a curve a series, with the band of its seeds and its name at its end
    bars       a bar a category, with its interval and its value
    points     a scatter, named or not
    histogram  how values spread

Colours are Okabe & Ito's ("Color Universal Design", 2008), less the yellow that white paper swallows; series
differ in dash or shape too.
"""

from underhood.figures.charts import bars, histogram, lines, points
from underhood.figures.figure import Figure

__all__ = ["Figure", "bars", "histogram", "lines", "points"]
