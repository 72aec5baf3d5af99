"""`memory`: predicted beside measured, what fits, and that nothing of the user's is touched."""

import io
import json
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from underhood.errors import BadInput, MissingPiece
from underhood.instruments.devices import device_named, device_names
from underhood.instruments.memory import memory
from underhood.instruments.memory.measures import largest_batch
from underhood.instruments.memory.optimizers import optimizer, optimizers
from underhood.networks import NETWORKS
from underhood.tables import Table

RUNTIME = 100_000_000


@pytest.fixture
def runtime(monkeypatch):
    """The runtime's share without a process to measure it in."""
    monkeypatch.setattr("underhood.instruments.memory.predict.runtime_bytes", lambda *_, **__: RUNTIME)


class Net(nn.Module):
    def __init__(self, fails=False):
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.norm = nn.BatchNorm1d(16)
        self.last = nn.Linear(16, 4)
        self.fails = fails

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        if self.fails:
            raise ValueError("it was told to fail")
        return self.last(x)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_as_it_was(runtime, mode, fails):
    module = Net(fails).train(mode)
    module.last.weight.grad = torch.ones(4, 16)
    module.first.bias.requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    attributes = [sorted(vars(member)) for member in module.modules()]
    stream = torch.get_rng_state()
    if fails:
        with pytest.raises(BadInput, match="it was told to fail"):
            memory(module, (2, 8))
    else:
        memory(module, (2, 8), fit="101MB")
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())
    assert module.training is mode
    assert not any(member._forward_hooks or member._forward_pre_hooks for member in module.modules())
    assert not any(p._post_accumulate_grad_hooks for p in module.parameters())
    assert [sorted(vars(member)) for member in module.modules()] == attributes
    assert torch.equal(module.last.weight.grad, torch.ones(4, 16))
    assert module.first.weight.grad is None
    assert [p.requires_grad for p in module.first.parameters()] == [True, False]
    assert {p.device.type for p in module.parameters()} == {"cpu"}
    assert torch.equal(torch.get_rng_state(), stream)


def test_all_pairs_of_batch_and_optimiser_are_told(runtime):
    found = memory("listing1", batch=[1, 8], optimizer=["sgd", "adam"])
    assert [(step.optimizer, step.batch) for step in found.steps] == [("sgd", 1), ("sgd", 8), ("adam", 1), ("adam", 8)]
    assert all(step.predicted == sum(step.kinds.values()) for step in found.steps)
    assert all(step.runtime == 100_000_000 and step.error is None for step in found.steps)
    assert sum(row.weights for row in found.layers) == 4 * 21840


@pytest.mark.slow
def test_the_prediction_is_near_a_process_of_its_own():
    found = memory("simple-nn", batch=256, optimizer="adam", measure=True)
    assert abs(found.steps[0].error) < 0.2


UNUSUAL = """
from torch import nn

def attention():
    layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    return nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten(), nn.Linear(8192, 10))

def in_three_dimensions():
    tail = nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(32, 10)
    head = nn.Conv3d(3, 16, 3, padding=1), nn.BatchNorm3d(16), nn.ReLU()
    return nn.Sequential(*head, nn.Conv3d(16, 32, 3, padding=1), *tail)

def depthwise():
    def separable(i, o):
        return [nn.Conv2d(i, i, 3, padding=1, groups=i), nn.BatchNorm2d(i), nn.ReLU(),
                nn.Conv2d(i, o, 1), nn.BatchNorm2d(o), nn.ReLU()]
    tail = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), *separable(32, 64), *separable(64, 64), *tail)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"),
    [("in_three_dimensions", (8, 3, 16, 32, 32)), ("depthwise", (32, 3, 64, 64)), ("attention", (16, 128, 64))],
)
def test_unusual_networks_against_a_measured_step_without_holes(name, shape, tmp_path):
    """Of what the training itself takes; the heap's holes are other ones each time."""
    (tmp_path / "net.py").write_text(UNUSUAL, encoding="utf-8")
    (step,) = memory(f"{tmp_path}/net.py:{name}", shape, measure=True).steps
    assert step.least - step.runtime == pytest.approx(step.mapped - step.runtime, rel=0.15)


@pytest.mark.parametrize(
    ("layer", "shape", "loaded"),
    [
        ("Linear(8, 3)", (4, 8), False),
        ("GRU(8, 3)", (4, 2, 8), False),
        ("LSTM(8, 3)", (4, 2, 8), True),
        ("Conv1d(8, 3, 1)", (4, 8, 5), True),
        ("ConvTranspose2d(3, 3, 1)", (2, 3, 4, 4), True),
    ],
)
def test_the_runtime_is_that_of_the_kernels_which_the_network_calls(layer, shape, loaded, tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(
        f"from torch import nn\nclass Net(nn.Module):\n"
        f"    def __init__(self):\n        super().__init__()\n        self.layer = nn.{layer}\n"
        f"    def forward(self, x):\n        y = self.layer(x)\n        return y[0] if isinstance(y, tuple) else y\n"
    )
    asked = []
    monkeypatch.setattr("underhood.instruments.memory.predict.runtime_bytes", lambda onednn: asked.append(onednn) or 1)
    memory(f"{tmp_path}/net.py:Net", shape)
    assert asked == [loaded]


def test_the_runtime_that_is_measured_is_the_one_asked_for(monkeypatch):
    from underhood.instruments.memory import peak

    asked = []
    monkeypatch.setattr(peak, "_child", lambda task: asked.append(task["onednn"]) or {"peak": 1})
    for onednn in (True, False):
        peak.runtime_bytes.__wrapped__(onednn=onednn)
    assert asked == [True, False]


@pytest.mark.skipif(sys.platform != "linux", reason="a process's memory is limited on Linux alone")
def test_the_step_s_process_may_take_no_more_than_its_ceiling(monkeypatch):
    import resource

    from underhood.instruments.memory import child

    limits = []
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: limits.append(limit))
    monkeypatch.setattr(child, "on_engine", lambda task: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"ceiling": 10**9, "backend": "underhood"})))
    child.main()
    assert limits == [(resource.RLIMIT_DATA, (10**9, 10**9))]  # of resident memory Linux limits nothing


def test_a_step_runs_in_a_process_of_its_own(monkeypatch):
    from underhood.instruments.memory import peak

    sent, real = [], peak.subprocess.run

    class Done:
        returncode, stderr, stdout = 0, "", '{"peak": 123}'

    def run(words, **rest):
        if words[-1] != "underhood.instruments.memory.child":  # the heap is replayed in a process of its own, too
            return real(words, **rest)
        sent.append((words, rest))
        return Done()

    monkeypatch.setattr(peak.subprocess, "run", run)
    found = memory("listing1", batch=4, optimizer="sgd", measure=True)
    assert found.steps[0].measured == 123
    task = json.loads(sent[-1][1]["input"])
    assert task["inputs"] == [[[4, 1, 28, 28], ""]]
    assert task["optimizer"] == "sgd"
    assert sent[-1][0][1:] == ["-m", "underhood.instruments.memory.child"]


def test_a_child_that_fails_is_a_reason_not_a_crash(monkeypatch, runtime):
    from underhood.instruments.memory import peak

    class Done:
        returncode, stderr, stdout = 1, "Traceback\nMemoryError: no more", ""

    monkeypatch.setattr(peak.subprocess, "run", lambda words, **rest: Done())
    found = memory("listing1", measure=True)
    assert found.steps[0].measured is None
    assert "MemoryError: no more" in found.steps[0].why
    assert found.steps[0].why in found.tables()[0].foot


def test_a_module_cannot_be_measured_and_says_why(runtime):
    step = memory(Net(), (2, 8), measure=True).steps[0]
    assert step.measured is None
    assert "given as a text" in step.why


def test_the_largest_batch_fits_and_the_next_does_not():
    for room in (5, 1_000, 999_999):
        batch = largest_batch(lambda n: 3 * n + 2, room)
        assert 3 * batch + 2 <= room < 3 * (batch + 1) + 2
    assert largest_batch(lambda n: 10, 5) == 0
    stairs = largest_batch(lambda n: 100 * (1 + n // 16), 800)
    assert stairs == 127


def test_measures_are_ordered_by_cost_and_each_keeps_the_ceiling(runtime):
    small = {"image": 32, "hidden": 64, "classes": 10}
    found = memory("vgg11", (1, 3, 32, 32), arguments=small, batch=64, fit="220MB")
    assert [choice.cost for choice in found.choices] == sorted(choice.cost for choice in found.choices)
    by_name = {choice.name: choice for choice in found.choices}
    assert all(choice.peak + 100_000_000 <= 220_000_000 for choice in found.choices)
    assert by_name["activation checkpointing"].largest > by_name["as it is"].largest
    assert by_name["as it is"].parts * by_name["as it is"].largest >= 64
    table = next(table for table in found.tables() if table.name == "fit")
    assert "64" in table.foot[0]


def test_a_norm_over_single_numbers_wants_two(runtime):
    assert memory(Net(), (2, 8), fit="101MB").choices[0].largest > 2
    assert memory(Net(), (2, 8), fit=100_000_100).choices[0].largest == 0


def test_what_cannot_fit_is_said(runtime):
    found = memory("listing1", fit="50MB")
    assert [choice.largest for choice in found.choices] == [0, 0, 0, 0]
    assert found.tables()[1].foot[0].startswith("Nothing fits")


@pytest.mark.parametrize("name", device_names())
def test_a_device_profile_is_complete(name):
    device = device_named(name)
    assert device.title
    assert device.source
    assert device.assumptions
    assert 0 < device.runtime < device.free == device.memory - device.system
    assert device.flops > 0
    assert device.bandwidth > 0


def test_a_device_brings_its_ceiling_and_its_assumptions():
    found = memory("listing1", batch=8, device="jetson-nano")
    assert found.ceiling == device_named("jetson-nano").free
    assert "235.8" in " ".join(found.tables()[0].foot)
    assert found.choices[0].largest >= 8
    with pytest.raises(BadInput, match='did you mean "jetson-nano"'):
        memory("listing1", device="jetson-nan")
    with pytest.raises(BadInput, match="predicted"):
        memory("listing1", device="jetson-nano", measure=True)


def test_it_is_told_in_every_form(runtime):
    found = memory("listing1", batch=2, fit="1GB")
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["schema"] == "underhood.memory/1"
    assert data["steps"][0]["kinds"]["weights"] == 4 * 21840
    assert found.to_csv().splitlines()[0].startswith("optimizer,batch,weights,gradients")
    assert "<svg" in found.to_html()
    assert "<table" in found._repr_html_()
    assert "Nothing" not in found.to_markdown()
    assert [table.name for table in found.tables()] == ["peak", "fit", "layers", "timeline"]
    assert all(isinstance(table, Table) for table in found.tables())


@pytest.mark.parametrize(
    ("words", "said"),
    [("adm", 'did you mean "adam"'), ("sgd,mom=1", "optimizer: sgd,mom=1"), ("sgd,momentum", "name=value")],
)
def test_wrong_words_for_an_optimiser_are_told(words, said):
    with pytest.raises(BadInput, match=said):
        optimizer(words)


def test_an_optimiser_in_words_is_torch_s():
    rule = optimizer("sgd,lr=0.5,momentum=0.25")([torch.zeros(1, requires_grad=True)])
    assert isinstance(rule, torch.optim.SGD)
    assert (rule.defaults["lr"], rule.defaults["momentum"]) == (0.5, 0.25)
    assert {"sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta"} <= set(optimizers())


def test_a_gpu_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(MissingPiece, match=r"--where cuda --measure: PyTorch .* sees no GPU here"):
        memory("listing1", where="cuda", measure=True)
    assert "sees no GPU here; predicted are the tensors" in " ".join(memory("listing1", where="cuda").tables()[0].foot)


def test_an_optimiser_with_state_takes_no_less(runtime):
    for name in ("listing1", "resnet20", "simple-nn"):
        found = memory(name, batch=[8, 64], optimizer=["sgd", "adam"])
        plain, adam = found.steps[:2], found.steps[2:]
        assert all(a.predicted >= p.predicted for p, a in zip(plain, adam, strict=True))


def test_the_error_is_said_without_the_runtime_too(runtime):
    found = memory("listing1", batch=8)
    own = found.steps[0].predicted - found.steps[0].runtime
    step = replace(found.steps[0], measured=found.steps[0].runtime + 2 * own)
    assert step.own_error == pytest.approx(-0.5)
    assert replace(found, steps=[step]).tables()[0].rows[0]["own_error"] == step.own_error


def test_the_engine_lays_out_what_it_takes(runtime):
    found = memory("mlp", batch=[4, 8], optimizer="adam", backend="underhood")
    small, large = (step.kinds for step in found.steps)
    weights = 4 * sum(p.numel() for p in NETWORKS["mlp"].build(nn).parameters())
    assert small["weights"] == large["weights"] == weights
    assert small["state"] == 2 * weights
    assert large["activations"] > small["activations"]
    assert found.to_json()["backend"] == "underhood"
    assert len(found.tables()) == 1


def test_the_engine_says_what_it_cannot_predict(runtime):
    with pytest.raises(BadInput, match="needs a function of `nn`"):
        memory(nn.Linear(2, 2), (3, 2), backend="underhood")
    with pytest.raises(BadInput, match='unknown "adamx"'):
        memory("mlp", optimizer="adamx", backend="underhood")
    with pytest.raises(BadInput, match="are for torch"):
        memory("mlp", device="jetson-nano", backend="underhood")


def test_what_fits_on_the_engine(runtime):
    """Plain SGD: as it is, then 2, 4, 8 … passes. A quarter of the batch at a time takes what that batch takes."""

    def asked(**more):
        return memory("resnet20", arguments={"depth": 8}, batch=16, backend="underhood", **more)

    def tried(ceiling, **more):
        found = asked(fit=ceiling, **more)
        table = found.tables()[1]
        assert [row["change"] for row in table.rows] == [each.name for each in found.search.tried]
        assert [row["fits"] for row in table.rows if row["fits"] == "yes"] == ["yes"] * (
            found.search.chosen is not None
        )
        return found.search

    roomy = tried("10GB")
    assert roomy.chosen.settings == {}
    alone = asked().steps[0]
    assert roomy.chosen.peak == pytest.approx(alone.predicted, rel=1e-3)  # tracemalloc sees Python's own objects too
    none = tried(1000)
    assert none.chosen is None
    assert [each.settings.get("accumulate", 1) for each in none.tried] == [1, 2, 4, 8, 16]
    peaks = [each.peak for each in none.tried]
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] - RUNTIME > 2 * (peaks[1] - RUNTIME)  # half of the images, and no plan beside the step as it stands
    third = tried(int(1.01 * peaks[2]))
    assert third.chosen.settings == {"accumulate": 4}
    assert third.chosen.peak == pytest.approx(peaks[2], rel=1e-3)
    adam = tried(1000, optimizer="adam")
    in_passes = {each.settings.get("optimizer"): each for each in adam.tried if each.settings.get("accumulate") == 16}
    state = asked(optimizer="adam").steps[0].kinds["state"]
    assert in_passes["sgd"].peak == pytest.approx(in_passes[None].peak - state, rel=1e-3)
    assert "another training" in in_passes["sgd"].numbers


@pytest.mark.slow
def test_the_engine_against_a_measured_step():
    (step,) = memory("resnet20", batch=64, backend="underhood", measure=True).steps
    assert step.error == pytest.approx(0, abs=0.2)
