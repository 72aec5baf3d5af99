"""Fractions of weights near zero, and which penalty leaves more of them: from weights that are made up."""

from types import SimpleNamespace

import numpy as np
import pytest

from underhood.lab import Group, Results
from underhood.studies import l1_vs_l2
from underhood.studies.l1_vs_l2 import near_zero, penalty


def layers(small, large=100):
    """Of 100 weights so many are near zero by either measure."""
    return {"fc": np.array([0.0001] * small + [1.0] * (large - small))}


@pytest.fixture
def group(monkeypatch):
    """group(label, {seed: weights}): a setting whose trials kept these weights; None for a seed that diverged."""
    kept = {}
    monkeypatch.setattr(l1_vs_l2, "weights", kept.__getitem__)

    def make(label, seeds, l1=0.0, l2=0.0):
        trials = []
        for seed, weights in seeds.items():
            kept[label, seed] = weights
            trials.append(
                SimpleNamespace(
                    seed=seed,
                    state="finished",
                    diverged=weights is None,
                    result={},
                    artefact=lambda file, key=(label, seed): key,
                )
            )
        settings = {"penalty": {"l1": l1}, "optimizer": {"weight_decay": l2}}
        return Group(label, {}, settings, tuple(trials))

    return make


def test_a_weight_is_near_zero_by_its_size_or_by_its_layer_s_largest():
    w = {"a": np.array([0.0009, -0.0009, 0.001, -0.5, 2.0]), "b": np.array([0.0002, -0.0002, 0.01])}
    small, relative = near_zero(w)
    assert small == pytest.approx(4 / 8)  # 0.001 itself is not below 0.001
    assert relative == pytest.approx(3 / 8)  # below 0.02 in the first layer, below 0.0001 in the second
    assert near_zero({"a": np.array([0.5, 0.005, 0.00499])}) == pytest.approx((0, 1 / 3))


def test_a_penalty_is_called_by_its_strength(group):
    assert penalty(group("", {}, l1=0.001)) == "L1 0.001"
    assert penalty(group("", {}, l2=0.01)) == "L2 0.01"
    assert penalty(group("", {}, 0.1, 0.2)) == "L1 0.1 and L2 0.2"
    assert penalty(group("", {})) == "no penalty"
    assert penalty(SimpleNamespace(settings={"penalty": {"l1": 0.0}, "optimizer": {"name": "adam"}})) == "no penalty"


@pytest.mark.parametrize(
    ("l1", "l2", "said"),
    [
        ({0: 50, 1: 52}, {0: 10, 1: 11}, "+40.5 points under L1 0.1 against L2 0.1 [+34.1, +46.9], **sparser**."),
        ({0: 10, 1: 11}, {0: 50, 1: 52}, "-40.5 points under L1 0.1 against L2 0.1 [-46.9, -34.1], **less sparse**."),
        ({0: 10, 1: 50}, {0: 50, 1: 10}, "**not told apart**."),
        ({0: 10, 1: 10}, {0: 10, 1: 10}, "+0.0 points under L1 0.1 against L2 0.1 [+0.0, +0.0], **not told apart**."),
        ({0: 50}, {0: 10}, "+40.0 points under L1 0.1 against L2 0.1 (one seed)."),
        ({0: 50, 1: 20}, {0: 10, 2: 0}, "+40.0 points under L1 0.1 against L2 0.1 (one seed)."),
        ({0: 50}, {1: 10}, "No seed finished under both penalties"),
        ({}, {0: 10}, "No seed finished under both penalties"),
    ],
)
def test_which_is_sparser_is_told_seed_by_seed(l1, l2, said, group):
    groups = [group(f"L{n} 0.1", {s: layers(k) for s, k in of.items()}) for n, of in ((1, l1), (2, l2))]
    found = l1_vs_l2._sparser(Results(tuple(groups)))
    assert said in found
    if "points" in said:
        assert found.startswith("Weights below 0.001: ")
        assert "Weights below 1 % of the largest: " in found


def test_one_training_under_each_is_needed(group):
    one, two = group("L1 0.1", {0: layers(1)}), group("L2 0.1", {0: layers(1)})
    for some in ([one], [two], [one, two, group("L2 0.2", {})], [group("L1 0.1 and L2 0.1", {}), two]):
        assert "One training under each penalty is needed" in l1_vs_l2._sparser(Results(tuple(some)))
    beside = group("L1 0.1 and L2 0.1", {0: layers(1)})
    assert "points under" in l1_vs_l2._sparser(Results((one, two, beside)))


def test_the_table_has_every_layer_and_all_together(group):
    w = [{"a": np.array([0.0001, 1.0]), "b": np.array([0.0001] * 3 + [1.0])}, {"a": np.ones(2), "b": np.ones(4)}]
    found = l1_vs_l2._fractions(Results((group("L1 0.1", dict(enumerate(w))), group("lost", {0: None}))))
    rows = [(row["penalty"], row["layer"], row["small"].mean, row["relative"].mean) for row in found.rows]
    assert rows == [
        ("L1 0.1", "a", 0.25, 0.25),
        ("L1 0.1", "b", 0.375, 0.375),
        ("L1 0.1", "all", 2 / 6, 2 / 6),
    ]


def test_histograms_are_of_the_first_seed_that_counts(group):
    groups = [group("L1 0.1", {0: None, 1: layers(2), 2: layers(9)}), group("lost", {0: None})]
    (figure,) = l1_vs_l2._histograms(Results(tuple(groups)))
    assert figure.title == "Weights of fc"
    assert figure.name == "histogram-fc"


def test_layers_are_in_the_order_of_their_numbers():
    names = ["conv10", "conv9", "fc", "conv9.extra"]
    assert sorted(names, key=l1_vs_l2._in_order) == ["conv9", "conv9.extra", "conv10", "fc"]


def test_weights_are_those_of_a_file_without_biases(tmp_path):
    import underhood
    from underhood.weights import save

    path = tmp_path / "model.safetensors"
    tensors = {"fc2.weight": np.ones((2, 3)), "fc10.weight": np.ones((1, 2)), "fc2.bias": np.ones(2)}
    tensors["bn.weight"] = np.ones(3)
    save({name: underhood.tensor(value) for name, value in tensors.items()}, path)
    found = l1_vs_l2.weights(path)
    assert [(name, w.shape) for name, w in found.items()] == [("fc2", (6,)), ("fc10", (2,))]
