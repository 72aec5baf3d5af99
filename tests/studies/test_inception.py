"""Inception modules: the sheet's figures, and any other filters."""

import pytest

import underhood
from underhood.studies import find
from underhood.studies.inception import InceptionSettings, _summary, _times, output_words, stacked_module


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("inception", "quick", runs=tmp_path_factory.mktemp("runs"), parallel=1)


def table(document, name):
    return next(b for s in document.sections for b in s.blocks if getattr(b, "name", "") == name)


def test_output_sizes_and_operations(run):
    naive, reduced = run.results.groups
    assert [group.summary("channels").mean for group in (naive, reduced)] == [672, 480]
    assert [group.summary("macs").mean for group in (naive, reduced)] == [1_115_684_864, 354_418_688]


def test_the_channels_are_added_up_in_words():
    words = output_words(InceptionSettings(channels=7, one=10, three=20, five=30, projection=3, size=5))
    assert "10 + 20 + 30 + 7 (the pool hands on all its channels) = 67, so the output is 5×5×67" in words
    assert "10 + 20 + 30 + 3 = 63, so 5×5×63" in words


def test_every_convolution_s_sum(run):
    document = find("inception").report(run.results)
    places = 32 * 32
    naive = [256 * 128, 9 * 256 * 192, 25 * 256 * 96]
    reduced = [256 * 128, 256 * 64, 9 * 64 * 192, 256 * 64, 25 * 64 * 96, 256 * 64]
    for form, terms in (("naive", naive), ("reduced", reduced)):
        rows = table(document, f"operations-{form}").rows
        assert [row["macs"] for row in rows] == [*(term * places for term in terms), sum(terms) * places]
    assert "**3.15 times fewer, 68 % saved**" in document.answer
    assert all(row["agrees"] for row in table(document, "checks").rows)


@pytest.mark.parametrize(("channels", "is_said"), [(256, True), (65, True), (64, False), (32, False)])
def test_a_summary_is_claimed_only_of_more_channels(channels, is_said):
    assert ("summary of the channels" in _summary(InceptionSettings(channels=channels))) == is_said


def test_modules_in_a_row_agree_with_the_counted_first_one():
    settings = InceptionSettings()
    assert stacked_module(settings, "naive", 256) == (1_115_684_864, 672)
    assert stacked_module(settings, "reduced", 256) == (354_418_688, 480)
    assert stacked_module(settings, "naive", 672)[1] == 672 + 416


def test_filters_are_options(tmp_path):
    sets = {"one": 4, "three": 6, "five": 2, "reduce_three": 3, "reduce_five": 2, "projection": 5}
    run = underhood.run("inception", "smoke", set=sets, runs=tmp_path, parallel=1)
    naive, reduced = run.results.groups
    assert naive.summary("channels").mean == 4 + 6 + 2 + 32
    assert reduced.summary("channels").mean == 4 + 6 + 2 + 5
    assert naive.summary("macs").mean == 64 * 32 * (4 + 9 * 6 + 25 * 2)
    assert reduced.summary("macs").mean == 64 * (32 * (4 + 3 + 2 + 5) + 9 * 3 * 6 + 25 * 2 * 2)
    assert "8×8×44" in find("inception").report(run.results).answer


@pytest.mark.parametrize(
    ("naive", "reduced", "said"),
    [
        (100, 100, "as many"),
        (100, 125, "1.25 times as many, 25 % more"),
        (100, 25, "4.00 times fewer, 75 % saved"),
        (100, 99, "1.01 times fewer, 1 % saved"),
    ],
)
def test_what_a_reduction_does_to_a_count(naive, reduced, said):
    assert _times(naive, reduced) == said
