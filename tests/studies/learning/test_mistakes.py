"""What is misread: the numbers of the trials' answers, summed over the seeds, and pictures of the right images."""

import numpy as np
import pytest

from underhood.figures import Figure
from underhood.figures.pictures import data_url
from underhood.lab import open_run
from underhood.lab.files import read_json
from underhood.lab.store import RUN, RunFolder
from underhood.studies.learning import mistakes
from underhood.studies.learning.mistakes import misread
from underhood.tables import Table
from underhood.training.answers import FILE, Answers

RNG = np.random.default_rng(0)


def answers(classes, wrong, channels=1):
    """Ten images of each class, of which `wrong` = {(truth, prediction): how many} are misread."""
    truth = np.repeat(np.arange(classes), 10).astype(np.int32)
    said = truth.copy()
    for (i, j), count in wrong.items():
        of = np.flatnonzero((truth == i) & (said == i))[:count]
        said[of] = j
    loss = RNG.random(len(truth)).astype(np.float32)
    missed = np.flatnonzero(truth != said)
    worst = missed[np.argsort(-loss[missed])]
    images = RNG.integers(0, 17, (len(worst), channels, 8, 8)).astype(np.uint8)
    names = tuple(f"c{k}" for k in range(classes))
    return Answers(np.arange(len(truth)), truth, said, 1 - loss, loss, names, worst, images, 16.0)


@pytest.fixture
def results(tmp_path):
    """A run of one setting whose trials left these answers."""

    def make(*kept, groups=1):
        folder = RunFolder(tmp_path / "made")
        specs = {}
        for seed, each in enumerate(kept):
            trial = folder.trial(f"t{seed}")
            trial.artefacts.mkdir(parents=True)
            spec = {"id": trial.id, "group": f"g{seed % groups}", "seed": seed // groups}
            specs[trial.id] = spec | {"settings": {"lr": seed % groups}}
            trial.write_state("finished", seconds=1.0)
            trial.write_result({"values": {"test_error": 0.1}})
            if each is not None:
                each.save(trial.artefacts / FILE)
        empty = {name: (kind[0] if isinstance(kind, tuple) else kind)() for name, kind in RUN.items()}
        facts = empty | {"plan": list(specs), "trials": specs}
        folder.write(facts)
        assert read_json(folder.path / "run.json")
        return open_run(folder.path).results

    return make


def test_the_matrix_and_the_classes_are_over_the_seeds(results):
    first, second = answers(3, {(0, 1): 4, (2, 0): 1}), answers(3, {(0, 2): 1})
    figure, table, pictures = misread(results(first, second)).blocks
    cells = {(row["row"], row["column"]): row["value"] for row in figure.spec["data"]["values"]}
    assert cells["c0", "c1"] == 20
    assert cells["c0", "c0"] == 75
    assert cells["c2", "c0"] == cells["c0", "c2"] == 5
    assert cells["c1", "c1"] == 100
    assert [(row["class"], row["images"], row["right"]) for row in table.rows] == [
        ("c0", 20, 0.75),
        ("c2", 20, 0.95),
        ("c1", 20, 1.0),
    ]
    assert isinstance(pictures, Figure)
    shown = [row for row in pictures.spec["data"]["values"] if row["what"] == "picture"]
    assert len(shown) == 5
    worst = max((i for i in range(30) if first.truth[i] != first.prediction[i]), key=lambda i: first.loss[i])
    assert shown[0]["name"] == f"c{first.truth[worst]}: c{first.prediction[worst]}?"
    pixels = np.round(first.images[0, 0] * (255 / 16)).astype(np.uint8)
    assert any(shown[0]["url"] == data_url(pixels, factor) for factor in range(1, 30))


def test_of_many_classes_the_pairs_are_listed_and_pictures_may_be_in_colour(results):
    pairs, classes, pictures = misread(results(answers(30, {(4, 5): 6, (7, 4): 2}, channels=3))).blocks
    assert [row["class"] for row in classes.rows[:3]] == ["c4", "c7", "c0"]
    assert (len(classes.rows), classes.foot) == (
        12,
        ["The hardest 12 of 30 classes, and 18 more are as hard as the last of them."],
    )
    assert isinstance(pairs, Table)
    assert pairs.rows == [
        {"truth": "c4", "prediction": "c5", "fraction": 0.6},
        {"truth": "c7", "prediction": "c4", "fraction": 0.2},
    ]
    assert isinstance(pictures, Figure)


def test_without_mistakes_or_without_answers_it_is_said(results):
    assert misread(results(answers(3, {}))).blocks[-1] == "Seed 0 misread none of the test images."


def test_trials_of_before_left_none(results):
    assert misread(results(None)).blocks == [
        "No trial left its answers to the test images; older ones did not keep them."
    ]


def test_the_first_settings_of_many_are_shown(results):
    blocks = misread(results(*(answers(3, {(0, 1): 1}) for _ in range(5)), groups=5)).blocks
    assert len(blocks) == 3 * 3 + 1
    assert blocks[-1] == "Of the first 3 settings; a run of one setting shows it."
    assert blocks[0].title == "Taken for: lr 0"


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (np.arange(20) / 20, "The hardest 12 of 20 classes"),
        (np.array([0.5] * 15 + [np.nan] * 5), "The hardest 12 of the 15 classes that have test images, and 3 more are"),
        (np.array([0.5] * 10 + [np.nan] * 5), "The 10 classes that have test images"),
        (np.arange(12) / 12, "The hardest class first"),
    ],
)
def test_what_is_listed_is_said_of_classes_with_test_images(right, said):
    assert mistakes._which(right).startswith(said)
