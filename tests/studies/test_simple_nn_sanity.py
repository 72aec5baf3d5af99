"""SimpleNN's shapes and weights, and that a wrongly built network is found out."""

from dataclasses import replace

import pytest

import underhood
from underhood.networks import NETWORKS
from underhood.studies import find
from underhood.studies.simple_nn_sanity import SanitySettings, trial
from underhood.trials import Context

SHAPES = ["8×28×28", "8×28×28", "8×14×14", "16×12×12", "16×12×12", "16×6×6", "576", "120", "120", "84", "84", "10"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("simple-nn-sanity", "quick", runs=tmp_path_factory.mktemp("runs"), parallel=1)


def table(document, name):
    return next(b for s in document.sections for b in s.blocks if getattr(b, "name", "") == name)


def test_five_images_layer_by_layer(run):
    for group in run.results.groups:
        (trial,) = group.counted
        shapes = ["×".join(map(str, shape[1:])) for shape in trial.result["shapes"].values()]
        assert shapes == SHAPES
        assert len(trial.result["logits"]) == 5
        assert all(len(row) == 10 for row in trial.result["logits"])


def test_the_weight_table(run):
    document = find("simple-nn-sanity").report(run.results)
    *rows, total = table(document, "weights").rows
    assert [(row["layer"], row["shape"], row["weights"]) for row in rows] == [
        ("CONV1", "(8, 3, 5, 5)", 600),
        ("CONV2", "(16, 8, 3, 3)", 1152),
        ("FC1", "(120, 576)", 69_120),
        ("FC2", "(84, 120)", 10_080),
        ("FC3", "(10, 84)", 840),
    ]
    assert (total["weights"], total["biases"]) == (81_792, 238)
    assert "scales" not in str(table(document, "weights"))
    assert rows[0]["sum"] == "8·3·5·5 = 600"
    assert total["sum"] == "600 + 1,152 + 69,120 + 10,080 + 840"


def test_both_back_ends_agree_and_all_checks_hold(run):
    document = find("simple-nn-sanity").report(run.results)
    checks = table(document, "checks").rows
    assert any("both back ends" in row["what"] for row in checks)
    assert all(row["agrees"] for row in checks)
    assert document.answer.startswith("It is built as meant. 5 images of 3×32×32 come out as **(5, 10)**")


def test_a_network_built_otherwise_is_found_out(monkeypatch):
    right = NETWORKS["simple-nn"].build

    def without_a_bias(nn, **arguments):
        network = right(nn, **arguments)
        network.fc2 = nn.Linear(120, 84, bias=False)
        return network

    wrong = replace(NETWORKS["simple-nn"], build=without_a_bias)
    monkeypatch.setitem(NETWORKS, "simple-nn", wrong)
    (result,) = trial(SanitySettings(), 0, Context())
    failed = [one["what"] for one in result.values["cost"]["checks"] if not one["agrees"]]
    assert failed == ["with biases, known"]
