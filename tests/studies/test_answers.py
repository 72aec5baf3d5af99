"""Answers in words follow from what was measured, whatever came out; each case once said something untrue."""

import json
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest

import underhood
from underhood.figures.theme import COLOURS
from underhood.lab import Group, Results
from underhood.report.several import document_of
from underhood.studies import find
from underhood.tables import Table


def results(*found: dict, settings: dict | None = None) -> Results:
    """One group with a trial for each of these results."""
    trials = tuple(
        SimpleNamespace(
            result=result,
            seed=seed,
            seconds=1.0,
            settings=settings or {},
            state="finished",
            diverged=False,
            answers=lambda: None,
        )
        for seed, result in enumerate(found)
    )
    return Results((Group("all", {}, settings or {}, trials),))


def words(document) -> str:
    """All texts of a document, notes of equations too."""
    blocks = [block for section in document.sections for block in section.blocks]
    return "\n".join([document.answer, *(b if isinstance(b, str) else getattr(b, "note", "") for b in blocks)])


def table(document, name: str) -> Table:
    return next(b for s in document.sections for b in s.blocks if isinstance(b, Table) and b.name == name)


# layer-profile


def profile(settled: int, two_threads: float = 50.0) -> dict:
    def numbers(median: float) -> list[float]:
        return [median, median - 1, median + 1, 20, settled]

    def run(median: float) -> dict:
        layer = {"forward": numbers(median / 2), "backward": numbers(median / 2)}
        return {"layers": {"a": layer}, "forward": numbers(median), "backward": numbers(median), "about": "…"}

    shapes = [{"layer": "a", "type": "Linear", "output": [[8, 3]], "rule": "4 → 3"}]
    return {"shapes": shapes, "cpu": {"1": run(100.0), "2": run(two_threads)}, "gpu": None, "gpu_reason": "none here"}


PROFILED = {"network": "x", "batch": 8, "input": [4], "warmup": 1, "repeats": 20, "seconds": 1.0}


def test_unsettled_medians_lead_to_no_conclusion_on_threads():
    study = find("layer-profile")
    unsure = document_of(study, results(profile(settled=0), settings=PROFILED)).answer
    assert unsure.startswith("**Not settled:** 4 of the forward medians")
    assert "times as fast" not in unsure
    assert "What threads do is not concluded" in unsure
    sure = document_of(study, results(profile(settled=1), settings=PROFILED)).answer
    assert "Not settled" not in sure
    assert "2 threads 50 µs (quartiles 49–51) (2.00 times as fast)" in sure


def test_the_profile_speaks_of_shapes_and_of_the_whole_s_quartiles():
    document = document_of(find("layer-profile"), results(profile(settled=1), settings=PROFILED))
    assert "The shapes go [N, 4] → [N, 3]." in document.answer
    assert table(document, "layers").rows[-1]["spread"] == "99.0–101.0"
    assert "thread(s)" not in document.answer + str(table(document, "layers"))
    several = document_of(find("layer-profile"), results(*[profile(1, t) for t in (40.0, 60.0)], settings=PROFILED))
    assert "± 127 µs" in several.answer  # t(0.975, 1) · 10 √2 / √2 = 12.706 · 10
    assert several.headline["forward, 2 threads (µs)"].n == 2


# simple-conv-net


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    def document(name: str):
        run = underhood.run(name, "smoke", runs=tmp_path_factory.mktemp("runs"), parallel=1)
        return document_of(find(name), run.results), run.results.groups[0].counted[0].result

    return {name: document(name) for name in ("simple-conv-net-forward", "simple-conv-net-backward")}


def test_the_loss_is_a_mean_and_every_delta_has_its_n(by_hand):
    document, result = by_hand["simple-conv-net-backward"]
    equations = "\n".join(b.latex for s in document.sections for b in s.blocks if hasattr(b, "latex"))
    assert r"E = -\frac{1}{N} \sum_{n=1}^{N}" in equations
    assert r"\frac{1}{1}\,(y_{n,k} - t_{n,k})" in equations
    for name in ("input", "conv", "pool", "reshape", "fc1", "relu", "fc2"):
        assert rf"\delta^{{(\mathrm{{{name}}})}}_" in equations
    for name in ("conv", "fc1", "fc2"):
        assert rf"\partial b^{{(\mathrm{{{name}}})}}" in equations
    assert result["example"]["conv.bias"][0] == pytest.approx(2 / (np.e + 1))


def test_the_column_forms_differ_on_two_channels(by_hand):
    document, result = by_hand["simple-conv-net-forward"]
    columns = np.array(result["columns"]["columns"])
    assert columns.shape == (2, 4, 4)  # channels, K·K, windows
    assert result["columns"]["gap"] == 0
    z = sum(w @ x for w, x in zip(np.array(result["columns"]["weights"]), columns, strict=True))
    assert (z + np.array(result["columns"]["bias"])[:, None]).tolist() == result["columns"]["z"]
    text = words(document)
    for said in ("25 \\times 576", "conv2d_scalar", "pool2d_vector", "fc_layer_scalar", "C·K·K", "$1 \\le n \\le N$"):
        assert said in text + "\n".join(b.latex for s in document.sections for b in s.blocks if hasattr(b, "latex"))


def test_blue_is_positive_and_orange_negative_wherever_a_sign_has_a_colour(by_hand, tmp_path):
    blue, orange = COLOURS[:2]
    pages = [document for document, _ in by_hand.values()]
    run = underhood.run("conv-arithmetic", "smoke", runs=tmp_path, parallel=1)
    pages.append(document_of(find("conv-arithmetic"), run.results))
    specs = [json.dumps(b.spec) for page in pages for s in page.sections for b in s.blocks if hasattr(b, "spec")]
    signed = [spec for spec in specs if "datum.value < 0" in spec]
    assert len(signed) >= 2
    rule = f'{{"condition": {{"test": "datum.value < 0", "value": "{orange}"}}, "value": "{blue}"}}'
    assert all(spec.count("datum.value < 0") == spec.count(rule) for spec in signed)


@pytest.mark.parametrize("name", ["simple-conv-net-forward", "simple-conv-net-backward"])
def test_differences_are_the_largest_of_all_seeds(by_hand, name):
    result, worse = by_hand[name][1], deepcopy(by_hand[name][1])
    at = worse["layers"][3] if name.endswith("forward") else worse["differences"]["fc1"]
    at["scalar"] = 0.25
    settings = find(name).settings().model_dump(mode="json")
    one, two = (find(name).report(results(*each, settings=settings)) for each in ([result], [result, worse]))
    tables = [[b for s in d.sections for b in s.blocks if getattr(b, "foot", None)] for d in (one, two)]
    assert "0.25" not in str(tables[0])
    rows = [row for b in tables[1] for row in b.rows if row.get("scalar") == 0.25]
    assert len(rows) == 1
    assert "The largest over 2 seeds." in str(tables[1])


def test_numbers_that_differ_are_not_called_the_same(by_hand):
    _, result = by_hand["simple-conv-net-forward"]
    settings = find("simple-conv-net-forward").settings().model_dump(mode="json")
    document = find("simple-conv-net-forward").report(results({**result, "largest": 0.3}, settings=settings))
    assert document.answer.startswith("**Not the same numbers.**")
    assert "rounding" not in document.answer


# the others


def test_the_softmax_s_jacobian_is_explained_by_the_right_sums(tmp_path):
    run = underhood.run("backprop-by-hand", "smoke", runs=tmp_path, parallel=1)
    jacobian = np.array(run.trials[0].result["jacobian"])
    np.testing.assert_allclose([jacobian.sum(0), jacobian.sum(1)], 0, atol=1e-15)
    said = words(document_of(find("backprop-by-hand"), run.results))
    assert "Each **column** adds up to 0, because the probabilities always add up to 1" in said
    assert "Each **row** adds up to 0, because the softmax ignores a constant" in said


def test_the_gradient_s_error_is_the_largest_of_all_seeds(tmp_path):
    run = underhood.run("linear-backward", "full", set={"sizes": [2, 3, 4, 2]}, seeds=3, runs=tmp_path, parallel=1)
    found = [dict(trial.result) for trial in run.trials]
    found[1]["gaps"] = {**found[1]["gaps"], "PyTorch": {"X": 0.25, "W": 0.0, "b": 0.0}}
    assert "to **0.2** of the largest number over 3 seeds" in find("linear-backward").report(results(*found)).answer


@pytest.mark.parametrize(
    ("channels", "said"),
    [(256, "**3.15 times fewer, 68 % saved**"), (32, "**2.02 times as many, 102 % more**")],
)
def test_a_reduction_that_costs_more_is_said_to(channels, said, tmp_path):
    run = underhood.run("inception", "smoke", set={"channels": channels}, runs=tmp_path, parallel=1)
    document = document_of(find("inception"), run.results)
    assert said in document.answer
    text = words(document)
    assert "-" not in "".join(part.split(" % saved")[0][-4:] for part in text.split("\n") if "% saved" in part)
    assert "Assumed, each by option" in text
    figures = [b.title for s in document.sections for b in s.blocks if hasattr(b, "spec")]
    assert {"The module, naive", "The module, reduced"} <= set(figures)


def test_another_network_is_not_called_alexnet(tmp_path):
    run = underhood.run("alexnet-parameters", "smoke", set={"network": "vgg16"}, runs=tmp_path, parallel=1)
    document = document_of(find("alexnet-parameters"), run.results)
    assert document.answer.startswith("vgg16 has **138,357,544** parameters")
    assert "9216" not in words(document)  # AlexNet's own sizes


def test_a_field_is_followed_along_both_axes_and_into_every_block(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n\n\ndef build():\n"
        "    inner = nn.Sequential(nn.Conv2d(4, 4, (5, 1)), nn.ReLU(), nn.MaxPool2d((1, 2)))\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, (3, 7), stride=(1, 2)), inner)\n"
    )
    sets = {"network": f"{file}:build", "input": "1,1,64,64"}
    run = underhood.run("receptive-field", "smoke", set=sets, runs=tmp_path, parallel=1)
    document = document_of(find("receptive-field"), run.results)
    assert "7×9" in document.answer
    rows = next(b for s in document.sections for b in s.blocks if isinstance(b, Table)).rows
    assert [(row["layer"], row["field"], row["stride"]) for row in rows] == [
        ("0", "3×7", "1, 2"),
        ("1.0", "7×7", "1, 2"),
        ("1.2", "7×9", "1, 4"),
    ]
    assert "7 + (2 − 1)·2 = 9" in rows[-1]["how"]


def test_the_pictures_of_the_exercise_are_said_to_be_missing(tmp_path):
    run = underhood.run("conv-arithmetic", "smoke", runs=tmp_path, parallel=1)
    said = words(document_of(find("conv-arithmetic"), run.results))
    assert "Fig. 5, a picture that its text lacks" in said
    assert "--set 'feature_map=[[1,2],[3,4]]'" in said


def mlp(scaling: str, error: float, *more: float, **network) -> Results:
    settings = find("mnist-mlp").settings().model_dump(mode="json")
    settings["network"] |= network
    settings["data"] |= {"scaling": scaling, "test": None}
    values = {"test_loss": 0.1, "parameters": 407_050, "seconds": 1.0, "epochs": 1, "steps": 1}
    found = results(*({**values, "test_error": each} for each in (error, *more)), settings=settings)
    for trial in found.groups[0].trials:
        trial.metric = lambda name: {}
    return found


def test_the_mlp_is_told_in_full():
    document = find("mnist-mlp").report(mlp("unit", 0.0171))
    assert "784–512–10, ReLU: 171 of 10,000" in document.answer
    assert "below 5 % (10 points)" in document.answer
    assert "Below the 2 % aimed at" in document.answer
    assert "normalised" not in words(document)
    assert "in [0, 1]" in words(document)
    assert "less the training set's mean" in words(find("mnist-mlp").report(mlp("normalised", 0.0171)))


def test_other_images_are_no_digits_and_no_band_is_theirs():
    found = mlp("unit", 0.66)
    found.groups[0].settings["data"]["name"] = "cifar10"
    answer = find("mnist-mlp").report(found).answer
    assert "of the test images of cifar10 are misread" in answer
    assert "digits" not in answer
    assert "band" not in answer
    assert "aimed at" not in answer


def test_without_a_hidden_layer_there_is_no_activation():
    document = find("mnist-mlp").report(mlp("unit", 0.0771, hidden=[]))
    assert "784–10, no hidden layer: 771 of 10,000" in document.answer
    assert "ReLU" not in words(document)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ((0.05,), "5 to 10 % (5 points)."),
        ((0.0499,), "below 5 % (10 points)."),
        ((0.3,), "20 % or more (no points)."),
        ((0.04, 0.058), "below 5 % (10 points); the interval reaches over the band's edge."),
    ],
)
def test_the_course_s_bands(errors, said):
    assert f"In the course's bands: {said}" in find("mnist-mlp").report(mlp("unit", *errors)).answer
