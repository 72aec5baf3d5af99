"""The study `data-parallel`: its answers from made-up measurements whose numbers are known, and once from real ones."""

from dataclasses import replace

import pytest

import underhood
from tests.instruments.scaling.made_up import GROWTH, found, times
from tests.studies.made_up import results
from underhood.errors import BadInput
from underhood.instruments.scaling import Question
from underhood.instruments.scaling.result import Grown
from underhood.studies import find
from underhood.studies.data_parallel import DataParallelSettings
from underhood.studies.scaling import answers
from underhood.trials import Context

STUDY = find("data-parallel")


def document(result, gpus=0):
    stored = {"scaling": result.stored(), "gpus": gpus, "torch": "9.9"}
    return STUDY.report(results(STUDY, [stored], scale="quick"))


def blocks(made, title):
    return next(section.blocks for section in made.sections if section.title == title)


def test_the_answer_has_the_best_speedups():
    """128 images: 128 ms alone, 133 ms with two, 143 ms with four; at 32, 5 of 37 ms and 15 of 47 are communication."""
    said = document(found()).answer
    assert "a-network trains **1.92 times** as fast with 2 workers at batch 128" in said
    assert "**3.58 times** as fast with 4 workers at batch 128" in said
    assert "Communication weighs most at batch 32 with 4 workers: 32% of a step" in said
    assert "oversubscribed" not in said


def test_workers_that_share_processors_are_told():
    said = document(found(cores=2)).answer
    assert "3.58 times** as fast with 4 workers at batch 128 each, oversubscribed" in said
    assert "4 workers are oversubscribed" in said
    assert "with 2 workers: 14% of a step" in said  # 5 of 37 ms: nothing is concluded from four


def test_what_is_lost_in_the_spread_is_not_concluded():
    said = document(found(devices=(1, 2), batches=(128,), apart=0.3)).answer
    assert "does not show above the spread" in said
    assert "Not settled: the quartiles of 1 worker at batch 128, 2 workers at batch 128 are more than 20%" in said


def test_a_step_that_was_quicker_for_communicating_shows_how_much_is_noise():
    """Batch 128's 5 of 133 ms are lost where batch 32's step takes 37 ms with synchronisation and 45 ms without."""

    def said(apart):
        group = found(devices=(1, 2)).group(2)
        result = found(devices=(1, 2))
        without = {"apart": times(apart)}
        cells = tuple(replace(cell, ways=cell.ways | without) if cell.batch == 32 else cell for cell in group.cells)
        return answers.answer(replace(result, workers=(result.group(1), replace(group, cells=cells))))

    assert "weighs most at batch 32 with 2 workers: 14% of a step" in said(0.032)
    assert "weighs most at batch 128 with 2 workers: 4% of a step" in said(0.0371)
    assert "does not show above the spread" in said(0.045)


def test_all_three_tables_stand_under_their_questions():
    made = document(found(growth=GROWTH))
    names = {section.title: [b.name for b in section.blocks if hasattr(b, "rows")] for section in made.sections}
    assert names["Table 1: time and speed-up"] == ["table-1", "growth"]
    assert names["Table 2: computation and communication"] == ["table-2"]
    assert names["Table 3: the all-reduce and its bandwidth"] == ["table-3", "link"]
    assert names["Which scaling"] == ["strong-scaling"]
    assert names["Past this machine"] == ["prediction"]


def test_which_scaling_and_whether_the_other_looks_worse():
    said = " ".join(block for block in blocks(document(found()), "Which scaling") if isinstance(block, str))
    assert "Table 1 measures weak scaling" in said
    assert "worse in every case" in said
    assert "2 workers, batch 128: 1.92 weak, 1.86 strong" in said


def test_another_outcome_gives_another_answer():
    """Workers that take three times as long: slower than one, and strong scaling no better."""
    said = document(found(devices=(1, 2), slower=3.0)).answer
    assert "**0.66 times** as fast with 2 workers at batch 128" in said


def test_the_formula_is_held_against_the_measured_all_reduce():
    said = next(iter(answers.bandwidth(found(devices=(1, 4)))))
    assert "8.000 MB of gradients take 12.600 ms alone, 1.00 times the formula's 12.600 ms" in said
    assert "bus bandwidth 0.952 GB/s, 95%" in said
    whole = found(devices=(1, 4))
    group = whole.group(4)
    slow = tuple(replace(each, seconds=times(2 * each.seconds.median)) for each in group.all_reduce)
    said = next(iter(answers.bandwidth(replace(whole, workers=(whole.group(1), replace(group, all_reduce=slow))))))
    assert "take 25.200 ms alone, 2.00 times the formula's 12.600 ms" in said
    assert "bus bandwidth 0.476 GB/s, 48%" in said


def test_memory_ends_where_it_was_predicted_to():
    said = " ".join(answers.one_worker(found(growth=GROWTH)))
    assert "up to batch 128" in said
    assert "which trained with 1,500 MB." in said
    assert "Batch 512 is predicted not to fit: tried in a process of its own, it ended with: not enough memory." in said


def test_memory_that_ends_elsewhere_is_told():
    def said(*growth):
        return " ".join(answers.one_worker(found(growth=growth)))

    full = "not enough memory"
    failed = said(Grown(32, 400, True), Grown(128, 1600, True, None, full), Grown(512, 6400, False, None, full))
    assert "Batch 128 is predicted to fit; tried in a process of its own, it ended with: not enough memory." in failed
    assert "go up to" not in failed
    trained = said(Grown(32, 400, True, 500_000_000), Grown(128, 1600, False, 900_000_000))
    assert "go up to batch 32 of those tried, which trained with 500 MB." in trained
    assert "Batch 128 is predicted not to fit, yet it trained." in trained
    nothing = said(Grown(32, 4000, False, None, full))
    assert "Batch 32 is predicted not to fit: tried in a process of its own" in nothing


def test_a_worker_that_fails_is_a_failed_trial(monkeypatch, tmp_path):
    """With what it said; the numbers of workers before it are kept for when the command is given again."""

    def workers(asked, count):
        if count == 2:
            raise BadInput("scaling: 2 workers failed: Connection closed by peer")
        return found(batches=(4,)).group(count)

    monkeypatch.setattr(Question, "workers", workers)
    events = STUDY.trial(DataParallelSettings(**STUDY.scale("smoke").set), 0, Context(None, None, lambda: False))
    kept = next(events)
    assert [group["devices"] for group in kept.state["scaling"]["workers"]] == [1]
    with pytest.raises(BadInput, match="2 workers failed: Connection closed by peer"):
        next(events)


def test_the_prediction_is_checked_at_two_and_four():
    result = found()
    said = list(answers.prediction(result, result.model()))
    assert "Checked with 2 workers: predicted 1.94, measured 1.92 (+1%)." in said
    assert "Checked with 4 workers: predicted 3.80, measured 3.58 (+6%)." in said


def test_no_gpu_is_said():
    said = " ".join(answers.conditions(found(), 0, "9.9"))
    assert "PyTorch 9.9 sees no GPU here: there is no GPU column" in said


def test_one_worker_alone_has_no_speedup_to_tell():
    assert "no speed-up" in document(found(devices=(1,))).answer


@pytest.mark.slow
def test_smoke(tmp_path):
    run = underhood.run("data-parallel", "smoke", runs=tmp_path)
    assert run.exit_code == 0
    stored = run.trials[0].result["scaling"]
    assert [group["devices"] for group in stored["workers"]] == [1, 2]
    assert all(cell["ways"]["synchronised"]["median"] > 0 for group in stored["workers"] for cell in group["cells"])
    assert stored["workers"][1]["cells"][0]["ddp"]["communication"] > 0
    assert (run.path / "report.html").is_file()
