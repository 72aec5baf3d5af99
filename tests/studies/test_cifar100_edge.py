"""cifar100-edge: ceilings run at smoke, and words that are true of whatever came out."""

import pytest

import underhood
from tests.studies.made_up import results
from tests.studies.test_resnet20 import noise
from underhood.report.several import DIVERGED, document_of
from underhood.studies.cifar100_edge import ENTRY

pytestmark = pytest.mark.processes  # a trial's memory is that of its process, and this one has run other tests


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edge")
    return underhood.run("cifar100-edge", "smoke", set={"data.name": noise(folder)}, runs=folder, parallel=1)


def found(error, **more):
    return {"test_error": error, "train_loss": 2.0, "seconds": 60.0, "parameters": 1000} | more


def report(*errors_by_ceiling, **what):
    return document_of(ENTRY, results(ENTRY, *errors_by_ceiling, **what))


@pytest.mark.slow
def test_every_ceiling_is_held_and_its_peak_told(run):
    assert run.state == "finished", [trial.reason for trial in run.trials]
    document = document_of(ENTRY, run.results)
    wide, narrow = run.results.groups
    assert [group.settings["memory_limit"] for group in (wide, narrow)] == ["8GB", "4GB"]
    assert [group.settings["batch_size"] for group in (wide, narrow)] == [64, 32]
    table = next(section for section in document.sections if section.title == "Memory").blocks[0]
    for row, group in zip(table.rows, (wide, narrow), strict=True):
        (trial,) = group.counted
        assert 0 < trial.result["peak_memory"] < 4e9
        assert row["peak_memory"].mean == pytest.approx(trial.result["peak_memory"] / 1e6)
        assert f"**{100 - 100 * trial.result['test_error']:.2f} %** of the test images" in document.answer
    assert document.answer.count("which is within its ceiling") == 2


def test_a_ceiling_brings_its_network_and_batch_along():
    (alone,) = results(ENTRY, [found(0.5)], sets={"memory_limit": "512MB"}).groups
    assert (alone.settings["batch_size"], alone.settings["network"]["widths"]) == (32, [32, 64, 128])


def test_both_of_the_sheet_s_rows_are_the_measure():
    document = report([found(0.55), found(0.60), found(0.61)], [found(0.75), found(0.70), found(0.779)])
    first, second = document.answer.split("\n\n")
    assert first.startswith("Under 1GB, 10 epochs of batches of 256: **41.33 ± 7.99 %** of the test images")
    assert (
        "22.1 % of 10 epochs: **in every one of 3 seeds**; more than the sheet's 38.0 % of 50 epochs: **in every"
        in first
    )
    assert "60 % aimed at: in none of 3 seeds" in first
    assert "22.1 % of 10 epochs: **in 2 of 3 seeds**; more than the sheet's 38.0 % of 50 epochs: **in none" in second
    assert first.endswith("Its peak memory was not measured.")
    table = document.sections[0].blocks[0]
    assert [(row["batch"], row["epochs"], row["loss"], row["accuracy"]) for row in table.rows[:2]] == [
        (4, 10, 4.38, 0.221),
        (4, 50, 3.95, 0.380),
    ]


def test_one_seed_is_one_seed_and_equal_is_not_more():
    first, second = report([found(0.62)], [found(0.39)]).answer.split("\n\n")
    assert "over 1 seed. " in first
    assert "38.0 % of 50 epochs: **no**" in first
    assert "60 % aimed at: yes" in second


def test_the_peak_is_held_against_the_ceiling_that_was_given():
    memory = {"peak_memory": 512_000_001, "predicted_peak": 400e6}
    first, second = report([found(0.5, **memory)], [found(0.5, **memory)]).answer.split("\n\n")
    assert "held 512.0 MB at most, where 400.0 MB were predicted, which is within its ceiling" in first
    assert "which is **beyond** its ceiling" in second


def test_diverged_seeds_are_said_and_all_diverged_is_no_number():
    lost = {"diverged": True}
    assert "1 of 2 seeds diverged" in report([found(0.5), lost], [found(0.5)]).answer
    assert report([lost], [lost]).answer == DIVERGED
    assert report([lost], [found(0.5)]).answer.startswith("Under 512MB")


def test_without_a_ceiling_none_is_claimed():
    made = results(ENTRY, [found(0.5)], sets={"memory_limit": None})
    said = document_of(ENTRY, made).answer
    assert said.startswith("Without a ceiling")
    assert "its ceiling" not in said
