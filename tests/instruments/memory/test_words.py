"""What is said of a peak, and of what fits: from made-up measures."""

from types import SimpleNamespace

import pytest

from underhood.instruments.memory.ledger import Moment
from underhood.instruments.memory.measures import Choice
from underhood.instruments.memory.tables import peak_text, verdict


@pytest.mark.parametrize(("layer", "said"), [("fc1", "backward, addmm of fc1"), ("", "backward, addmm")])
def test_where_a_peak_is(layer, said):
    assert peak_text(SimpleNamespace(peak=Moment("backward", layer, "addmm", {}))) == said


def choice(name, cost, largest, peak=10**6):
    return Choice(name, cost, largest, peak, True)


def memory(*choices):
    return SimpleNamespace(search=None, choices=choices, steps=[SimpleNamespace(runtime=5 * 10**6, batch=8)])


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ([choice("as it is", 1, 512)], "512 images at a time as it is."),
        (
            [choice("as it is", 1, 512), choice("checkpoints", 1.33, 2048)],
            "512 images at a time as it is; 2,048 at most (checkpoints), in up to 1.33 times the time.",
        ),
        ([choice("as it is", 1, 512), choice("checkpoints", 1.33, 512)], "512 images at a time as it is."),
        (
            [choice("as it is", 1, 0), choice("checkpoints", 1.5, 4), choice("both", 2, 16)],
            "16 at most (both), in up to 2.00 times the time.",
        ),
        (
            [choice("as it is", 1, 0, 3 * 10**6), choice("checkpoints", 1.33, 0, 2 * 10**6)],
            "Nothing fits: the least, with a batch of one, takes 7.0 MB.",
        ),
    ],
)
def test_how_many_images_fit(choices, said):
    assert verdict(memory(*choices)) == said


def test_what_a_search_came_to():
    found = memory()
    found.search = SimpleNamespace(chosen=None, peaks="5 MB, 4 MB")
    assert verdict(found) == "A batch of 8 does not fit. Predicted peaks: 5 MB, 4 MB."
    found.search.chosen = SimpleNamespace(name="in passes", numbers="4 passes of 2")
    assert verdict(found) == "A batch of 8 fits in passes (4 passes of 2). Predicted peaks: 5 MB, 4 MB."
