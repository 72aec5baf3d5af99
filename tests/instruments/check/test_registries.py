"""check NAME knows every entry of every registry, and what it can hold it against."""

from dataclasses import dataclass
from math import cos, pi

import numpy as np
import pytest

from underhood import cli
from underhood.data.augmentation import AUGMENTATIONS, Flip
from underhood.engine.optim import OPTIMIZERS
from underhood.errors import BadInput
from underhood.instruments.check import Schedules, check
from underhood.training.schedules import SCHEDULES, Cosine, Moment

KNOWN = Schedules(SCHEDULES, Moment)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule(name):
    found = check(f"schedule:{name}", schedules=KNOWN)
    assert found.agrees
    assert found.rows[0]["verdict"] in ("agrees", "no reference")
    assert ("torch.optim.lr_scheduler" in found.title) == (found.rows[0]["verdict"] == "agrees")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation(name):
    found = check(f"augmentation:{name}")
    assert found.agrees
    against = [row["against"] for row in found.rows]
    assert ("its rule, image by image" in against) != any("not tested" in line for line in found.foot)
    assert "itself on PyTorch" in against


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser(name):
    assert check(name).agrees


@dataclass(frozen=True)
class FullCosine:
    """A whole cosine where half of one is meant."""

    end: float = 0.0

    def rate(self, moment):
        return self.end + (1 - self.end) * (1 + cos(2 * pi * moment.fraction)) / 2

    def reference(self, epochs):
        return Cosine(self.end).reference(epochs)


class Own(FullCosine):
    """One that PyTorch lacks."""

    def reference(self, epochs):
        return None


def test_a_wrong_schedule_is_found_and_an_unknown_one_is_said():
    found = check("cosine", schedules=Schedules({"cosine": FullCosine}, Moment))
    assert not found.agrees
    found = check("mine", schedules=Schedules({"mine": Own}, Moment))
    assert found.rows[0]["verdict"] == "no reference"
    assert "nothing else was tested" in found.foot[0]


@dataclass(frozen=True)
class Falling:
    """1 − k/400 in epoch k, or whatever `at` says of an epoch."""

    at: tuple[tuple[int, float], ...] = ()

    def rate(self, moment):
        return dict(self.at).get(int(moment.epoch), 1 - moment.epoch / 400)

    def reference(self, epochs):
        return None


def test_the_first_rate_and_the_last_are_told():
    (row,) = check("mine", schedules=Schedules({"mine": Falling}, Moment)).rows
    assert (row["epochs"], row["first"], row["last"]) == (200, 1.0, pytest.approx(1 - 199 / 400))


@pytest.mark.parametrize(
    ("epoch", "rate", "fine"),
    [(0, 0.0, True), (199, 0.0, True), (7, -1e-9, False), (0, float("nan"), False), (199, float("inf"), False)],
)
def test_a_schedule_that_pytorch_lacks_gives_rates(epoch, rate, fine):
    found = check("mine", schedules=Schedules({"mine": lambda: Falling(((epoch, rate),))}, Moment))
    assert found.agrees is fine
    assert found.rows[0]["verdict"] == ("no reference" if fine else "rate: not a rate")


def test_a_wrong_augmentation_is_found(monkeypatch):
    class Upside(Flip):
        def apply(self, view, drawn):
            rows = np.arange(view.height)
            return view.moved(np.where(drawn == 1, rows[::-1], rows), None)

    class Forgetful(Flip):
        def draw(self, of):
            return np.zeros((of.images, 1), np.int32)

    for wrong, said in ((Upside, "pixels"), (Forgetful, "same draws")):
        monkeypatch.setitem(AUGMENTATIONS, "flip", wrong)
        found = check("augmentation:flip")
        assert not found.agrees
        assert said in str(found)


def test_names_that_are_not_there():
    with pytest.raises(BadInput, match='no schedule "cosin"; did you mean "cosine"'):
        check("schedule:cosin", schedules=KNOWN)
    with pytest.raises(BadInput, match='did you mean "cutout"'):
        check("cutot")


def test_the_command_knows_the_schedules(capsys):
    assert cli.main(["check", "cosine"]) == 0
    assert "CosineAnnealingLR" in capsys.readouterr().out
    assert cli.main(["check", "cosin"]) == 2
    assert "cosine" in capsys.readouterr().err
