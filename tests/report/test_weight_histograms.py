"""The histograms that a training kept are drawn in its report, whatever study it is of."""

import numpy as np
import pytest

import underhood
from tests.in_process import trials_in_process
from underhood.report import weight_histograms
from underhood.service.reporting import document_of
from underhood.training.histograms import histograms
from underhood.weights import load

TITLE = "The weights' histograms"


@pytest.fixture(autouse=True, scope="module")
def _in_process():
    with trials_in_process():
        yield


def drawn(run):
    """The figures of the section, which is the last."""
    section = document_of(run).sections[-1]
    assert section.title == TITLE
    return section.blocks[0], {figure.name: figure.spec["data"]["values"] for figure in section.blocks[1:]}


def test_every_array_of_weights_at_every_epoch_asked_for(tmp_path):
    sets = {"histograms.epochs": [0, 2], "histograms.bins": 7, "optimizer.name": "sgd"}
    run = underhood.run("quickstart", "smoke", set=sets, seeds=1, runs=tmp_path)
    _, figures = drawn(run)
    assert list(figures) == ["weights-1.weight", "weights-3.weight"]
    rows = figures["weights-1.weight"]
    assert {row["of"] for row in rows} == {"epoch 0", "epoch 2"}
    w = load(run.trials[0].artefact("model.safetensors"))["1.weight"].numpy()
    density, edges = np.histogram(w, 7, density=True)
    last = [row for row in rows if row["of"] == "epoch 2"]
    assert [row["density"] for row in last] == pytest.approx(density.tolist(), rel=1e-4)
    assert [row["weight"] for row in last] == pytest.approx(((edges[1:] + edges[:-1]) / 2).tolist(), rel=1e-4)


def test_several_settings_stand_in_one_figure(tmp_path):
    run = underhood.run("quickstart", "smoke", set={"histograms.epochs": 1}, seeds=2, runs=tmp_path)
    said, figures = drawn(run)
    assert {row["of"] for row in figures["weights-3.weight"]} == {f"{g.label}, epoch 1" for g in run.results.groups}
    assert said.startswith("The first seed's.")


def test_where_none_is_asked_for_none_is_drawn(tmp_path):
    run = underhood.run("quickstart", "smoke", seeds=1, runs=tmp_path)
    assert TITLE not in [section.title for section in document_of(run).sections]


def test_the_scale_of_a_normalisation_is_none_of_the_weights():
    kept = histograms(
        {"a.weight": np.ones(3), "a.bias": np.ones(3), "n.weight": np.ones(2), "n.running_mean": np.ones(2)}, 3
    )
    assert list(weight_histograms._weights(kept)) == ["a.weight"]


def test_weights_that_are_not_finite_count_without_a_bin():
    (found,) = histograms({"w": np.array([0.0, 1.0, np.nan, np.inf])}, 2).values()
    assert list(weight_histograms._density(found)) == [(0.25, 0.5), (0.75, 0.5)]
