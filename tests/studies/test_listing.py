"""The list of studies, read in the pages' text: it says what the pages say when they are imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from underhood import studies
from underhood.studies import PAGES, listing

PAGE = """
from underhood.lab import Scale, Study
TITLE = "A title"
ENTRY = Study(
    name="a-page", title=TITLE, theme="Tests",
    scales={"smoke": Scale("small", 1, time="5 s", **MORE), "quick": Scale("large", seeds=2)},
)
"""


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_the_same_read_and_imported(page):
    text = Path(studies.__file__).with_name(f"{page}.py").read_text(encoding="utf-8")
    assert listing.in_source(text) == listing.imported(page)


def test_words_and_constants_are_read():
    assert listing.in_source(PAGE) == listing.Listed("a-page", "A title", "Tests", {"smoke": "5 s"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('TITLE = "A title"', 'TITLE = "A title"\nTITLE = TITLE.lower()'),
        ('TITLE = "A title"', 'TITLE = "A " + "title"'),
        ('TITLE = "A title"', 'TITLE = "A title"\nfrom elsewhere import TITLE'),
        ('TITLE = "A title"', "from elsewhere import TITLE"),
        ('TITLE = "A title"', "from underhood.studies.elsewhere import TITLE"),
        ('TITLE = "A title"', "from underhood.studies.occlusion.report import DEPTHS as TITLE"),
        ('"A title"', '"A title"\ndef rename():\n    global TITLE\n    TITLE = "Another"'),
        ('name="a-page", ', 'name="a-page", **MORE, '),
        ("title=TITLE", "title=f'{TITLE}!'"),
        ("ENTRY = Study(", "ENTRY = made("),
        ('"quick": Scale("large", seeds=2)', "**more_scales()"),
        ('Scale("large", seeds=2)', "LARGE"),
        ('Scale("large", seeds=2)', 'Scale("large", seeds=2, **MORE)'),
        ('Scale("large", seeds=2)', 'Scale("large", 2, {}, None, "1 h")'),
        ('Scale("large", seeds=2)', "Scale(*LARGE)"),
        ('time="5 s"', "time=TIMES[0]"),
    ],
)
def test_what_is_said_in_another_way_is_not_guessed(old, new):
    assert old in PAGE
    with pytest.raises(listing.UnreadableError):
        listing.in_source(PAGE.replace(old, new))


def test_a_page_that_cannot_be_read_is_imported(monkeypatch):
    def unreadable(source):
        raise listing.UnreadableError

    monkeypatch.setattr(listing, "in_source", unreadable)
    assert listing._of("quickstart") == listing.imported("quickstart")


def test_to_list_the_studies_loads_nothing_that_they_compute_with():
    code = "from underhood.cli import main; main(['studies']); import sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pydantic", "numba", "torch", "underhood.studies.quickstart"} & set(done.stderr.split())
