"""The search for the smallest change that fits: its order, what it leaves out, and what it says."""

import pytest

from underhood.errors import BadInput
from underhood.instruments.memory.smallest import Change, Search, in_passes, leaner_optimizer, passes

A, B = Change({"a": True}, "the same"), Change({"b": 3}, "nearly")


def search(limit, peaks, *, leaner=None):
    """Peaks by the names of what is changed; what is not listed is as high as without it."""

    def peak_of(changed):
        if changed.get("accumulate") == 8:
            raise BadInput("too few")
        return min((peak for names, peak in peaks.items() if set(names) <= changed.keys()), default=100)

    found = Search(limit, peak_of)
    found.run([A, B], [in_passes(count, images) for count, images in passes(10)], leaner)
    return found


def test_a_batch_is_cut_by_halves_down_to_its_images():
    assert list(passes(10)) == [(2, 5), (4, 3), (8, 2)]
    assert list(passes(10, 3)) == [(6, 2)]
    assert list(passes(1)) == []


def test_nothing_is_changed_where_it_fits():
    assert search(100, {}).chosen.settings == {}
    assert search(100, {}).chosen.name == "as it is"


def test_what_does_not_help_is_left_out():
    found = search(60, {("b",): 50})
    assert found.chosen.settings == {"b": 3}
    assert [each.name for each in found.tried] == ["as it is", "a = true", "b = 3"]


def test_each_goes_on_top_of_what_helped():
    found = search(30, {("a",): 90, ("a", "b"): 80, ("a", "b", "accumulate"): 30})
    assert found.chosen.settings == {"a": True, "b": 3, "accumulate": 2}
    assert (
        found.chosen.numbers
        == "equal but for rounding; BatchNorm, if there is one, sees 5 images at a time; nearly; the same"
    )


def test_with_another_optimiser_the_passes_begin_anew():
    found = search(10, {("accumulate",): 50, ("optimizer", "accumulate"): 10}, leaner=leaner_optimizer("sgd"))
    assert found.chosen is None  # alone it helps nothing
    found = search(
        10, {("accumulate",): 50, ("optimizer",): 60, ("optimizer", "accumulate"): 10}, leaner=leaner_optimizer("sgd")
    )
    assert found.chosen.settings == {"optimizer": "sgd", "accumulate": 2}
    assert found.chosen.name == "optimizer = sgd without momentum, accumulate = 2"


def test_what_fits_nowhere_has_every_peak_said():
    found = search(10, {("a",): 90})
    assert found.chosen is None
    assert found.peaks.startswith(
        "as it is: 0.0 MB; a = true: 0.0 MB; a = true, b = 3: 0.0 MB; a = true, accumulate = 2"
    )
    assert found.peaks.endswith("accumulate = 8: cannot be")


def test_a_training_that_cannot_be_predicted_is_an_error():
    def peak_of(changed):
        raise BadInput("unknown layer")

    with pytest.raises(BadInput, match="unknown layer"):
        Search(10, peak_of).run([A], [], None)
