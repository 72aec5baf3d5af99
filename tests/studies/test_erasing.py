"""erasing: three trainings a seed from one start, differences by pairs of seeds, worked by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import underhood
from underhood.lab import Group, Results
from underhood.studies.erasing import ENTRY


def test_all_three_start_from_the_same_weights_on_the_same_images(tmp_path):
    run = underhood.run("erasing", "smoke", runs=tmp_path, parallel=1)
    assert run.state == "finished"
    errors = [group.summary("test_error").mean for group in run.results.groups]
    assert len({group.summary("test_loss").mean for group in run.results.groups}) == 3
    assert max(errors) < 0.5
    assert len({group.settings["network"]["name"] for group in run.results.groups}) == 1
    answer = ENTRY.report(run.results).answer
    assert all(f"{100 * error:.2f} %" in answer for error in errors)
    assert answer.count("one seed cannot say whether that is luck") == 2


def group(way, errors, first=0):
    steps = [{"name": way}] if way else []
    settings = {"data": {"augmentation": steps}}
    trials = [
        SimpleNamespace(seed=seed, state="finished", diverged=False, result={"test_error": e}, metric=lambda name: {})
        for seed, e in enumerate(errors, first)
    ]
    return Group(way or "no augmentation", {"data.augmentation": steps}, settings, tuple(trials))


def test_differences_are_of_pairs_of_seeds():
    """Seeds differ by far more than hiding does, and all the same it shows."""
    plain, erased = [0.10, 0.20, 0.30, 0.40], [0.08, 0.19, 0.28, 0.37]
    results = Results((group("", plain), group("erase", erased), group("cutout", [0.5, 0.2], first=2)))
    document = ENTRY.report(results)
    apart = 100 * (np.array(erased) - np.array(plain))
    low, high = stats.t.interval(0.95, 3, apart.mean(), stats.sem(apart))
    assert f"**erase** changes the error by -2.00 points [{low:+.2f}, {high:+.2f}] over 4 pairs of seeds: it helps" in (
        document.answer
    )
    assert "**cutout** changes the error by +0.00 points [-2" in document.answer
    table = document.sections[0].blocks[1]
    assert [(row["way"], row["n"]) for row in table.rows] == [("erase", 4), ("cutout", 2)]
    assert table.rows[0]["low"] == pytest.approx(low)


def test_without_plain_images_there_is_nothing_to_compare():
    answer = ENTRY.report(Results((group("erase", [0.1]),))).answer
    assert answer.endswith("It takes a seed that finished with plain images and with hidden ones to compare them.")


def test_harm_is_called_harm():
    answer = ENTRY.report(Results((group("", [0.1, 0.2, 0.3]), group("erase", [0.2, 0.31, 0.4])))).answer
    assert "it harms" in answer
