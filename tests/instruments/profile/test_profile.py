"""`profile`: which calls are timed, on what, and that nothing of the user's is touched. No time is asserted."""

import json

import pytest
import torch
from torch import nn

from underhood.errors import BadInput, MissingPiece
from underhood.instruments.profile import profile
from underhood.instruments.profile.roofline import Roofline
from underhood.instruments.profile.torch_calls import capture
from underhood.instruments.record import PassError
from underhood.instruments.stopwatch import Rule, wall_clock
from underhood.tables import Table

QUICK = Rule(warmup=1, least=2, most=2, seconds=0.05)


@pytest.fixture(autouse=True)
def _roof(monkeypatch):
    """A roofline that takes no time; test_roofline.py has the measured one."""
    monkeypatch.setattr(
        "underhood.instruments.profile.measure.measure_roofline", lambda *how, **more: Roofline(100e9, 10e9)
    )


class Block(nn.Module):
    """Everything at once: in place, a sum, a function, a shared layer, dropout, a norm."""

    def __init__(self, fails=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 5)
        self.fails = fails

    def forward(self, x):
        x = self.act(self.norm(self.conv(x)))
        x = self.act(self.again(self.again(x))) + x
        if self.fails:
            raise ValueError("it was told to fail")
        return self.head(self.drop(nn.functional.gelu(x.mean((2, 3)))))


def state(module):
    """All that a user could notice."""
    return {
        "weights": {name: value.clone() for name, value in module.state_dict().items()},
        "grads": [None if p.grad is None else p.grad.clone() for p in module.parameters()],
        "wanted": [p.requires_grad for p in module.parameters()],
        "modes": [member.training for member in module.modules()],
        "hooks": [
            [len(value) for key, value in vars(member).items() if key.endswith("hooks")] for member in module.modules()
        ],
        "attributes": [sorted(vars(member)) for member in module.modules()],
        "devices": [p.device for p in module.parameters()],
        "versions": [p._version for p in module.parameters()],
    }


def assert_same(before, after):
    assert before.keys() == after.keys()
    for key in ("wanted", "modes", "hooks", "attributes", "devices", "versions"):
        assert before[key] == after[key]
    assert all(torch.equal(before["weights"][name], after["weights"][name]) for name in before["weights"])
    assert all(
        (a is None and b is None) or torch.equal(a, b) for a, b in zip(before["grads"], after["grads"], strict=True)
    )


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_as_it_was(mode, fails):
    torch.manual_seed(1)
    module = Block(fails).train(mode)
    module.norm.eval()
    module.conv.weight.requires_grad_(False)
    module.head.weight.grad = torch.ones(5, 4)
    module.register_forward_hook(lambda *_: None)
    before, stream = state(module), torch.get_rng_state()
    threads = torch.get_num_threads()
    if fails:
        with pytest.raises(BadInput, match="it was told to fail"):
            profile(module, (2, 3, 8, 8), rule=QUICK, threads=1)
    else:
        profile(module, (2, 3, 8, 8), rule=QUICK, threads=1)
    assert_same(before, state(module))
    assert torch.equal(torch.get_rng_state(), stream)
    assert torch.get_num_threads() == threads


def test_every_layer_and_what_stands_between_them_is_timed():
    found = profile(Block(), (2, 3, 8, 8), rule=QUICK)
    run = found.runs[0]
    timed = [row.name for row in run.leaves if row.forward]
    assert timed == [
        "conv",
        "norm",
        "act",
        "again",
        "again#2",
        "act#2",
        "add",
        "mean",
        "gelu",
        "drop",
        "head",
    ]
    assert all(row.backward for row in run.leaves if row.forward)
    assert run.forward.median > 0
    assert run.sum == pytest.approx(sum(row.seconds for row in run.leaves))


def test_an_unwanted_gradient_is_not_timed():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    run = profile(net, (2, 12), rule=QUICK).runs[0]
    assert run["0"].backward is None  # the image wants none
    assert run["1"].backward is not None


def test_inference_times_forward_alone_in_evaluation_mode():
    seen = []

    class Looks(nn.Module):
        def forward(self, x):
            seen.append((self.training, torch.is_grad_enabled()))
            return x * 2

    run = profile(nn.Sequential(nn.Linear(4, 4), Looks()), (2, 4), training=False, rule=QUICK).runs[0]
    assert run.backward is None
    assert run["0"].backward is None
    assert seen
    assert set(seen[1:]) == {(False, False)}


def test_a_layer_alone_has_its_recorded_input_and_the_right_gradient():
    """The calls repeat the network: their outputs and gradients are the whole's own."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(72, 4))
    x = torch.randn(2, 1, 8, 8)
    calls = capture(net, (x,), {}, {"0", "1", "2", "3"}, backward=True)
    seen = []
    for call in calls:
        call.work = spy(call.work, seen)
        assert all(seconds is not None for seconds in call(wall_clock))
    assert torch.equal(seen[0][1], net[0](x))
    assert torch.equal(seen[-1][0], net[:3](x))
    assert [call.writes for call in calls] == [False, True, False, False]
    assert all(p.grad is None for p in net.parameters())


def spy(work, seen):
    def spied(x):
        given = x.detach().clone()
        out = work(x)
        seen.append((given, out.detach().clone()))
        return out

    return spied


def test_capture_takes_its_hooks_off_also_after_an_error():
    module = Block(fails=True)
    with pytest.raises(PassError, match="it was told to fail"):
        capture(module, (torch.zeros(1, 3, 8, 8),), {}, {"conv"}, backward=True)
    assert not any(member._forward_hooks or member._forward_pre_hooks for member in module.modules())


def test_several_batches_stand_in_one_table():
    found = profile("listing1", batch=[1, 2], rule=QUICK)
    tables = {table.name: table for table in found.tables()}
    assert set(tables) == {"layers-1", "layers-2", "batches", "whole"}
    assert [column.name for column in tables["batches"].columns][2:] == ["torch_1", "torch_2"]
    assert [row["batch"] for row in tables["whole"].rows] == [1, 2]


def test_our_engine_stands_beside_torch():
    found = profile("mlp", batch=4, backend="both", rule=QUICK)
    torchs, ours = found.runs
    assert [run.backend for run in found.runs] == ["torch", "underhood"]
    assert [row.name for row in torchs.leaves] == [row.name for row in ours.leaves] == ["0", "1", "2", "3"]
    assert [row.macs for row in torchs.leaves] == [row.macs for row in ours.leaves]
    assert ours["1"].backward is not None
    assert {"torch_forward", "underhood_forward"} <= {column.name for column in found.layers.columns}


def test_a_module_of_our_engine_is_profiled_and_left_alone():
    from underhood import nn as ours

    class Skip(ours.Module):
        def __init__(self):
            super().__init__()
            self.linear = ours.Linear(6, 6)

        def forward(self, x):
            return self.linear(x) + x

    net = ours.Sequential(Skip(), ours.ReLU()).eval()
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    run = profile(net, (3, 6), rule=QUICK).runs[0]
    assert [row.name for row in run.leaves] == ["0.linear", "0.add", "1"]
    assert not net.training
    assert all((net.state_dict()[name].numpy() == value).all() for name, value in before.items())
    assert all(p.grad is None for p in net.parameters())
    assert not any(member._hooks for member in net.modules())


def test_dtype_and_memory_format_reach_the_layers():
    seen = []

    class Looks(nn.Module):
        def forward(self, x):
            if x.device.type == "cpu":
                seen.append((x.dtype, x.is_contiguous(memory_format=torch.channels_last)))
            return x * 1

    net = nn.Sequential(nn.Conv2d(4, 4, 3), Looks())
    found = profile(net, (2, 4, 6, 6), dtype="float64", memory_format="channels_last", rule=QUICK)
    assert set(seen) == {(torch.float64, True)}
    assert next(net.parameters()).dtype == torch.float32
    assert found.how.dtype == "float64"


def test_a_trace_is_written(tmp_path):
    file = tmp_path / "step.json"
    found = profile("mlp", batch=2, rule=QUICK, trace=file)
    events = json.loads(file.read_text())["traceEvents"]
    (first, *_) = [event["args"] for event in events if event["name"] == "aten::addmm"]
    assert [2, 784] in first["Input Dims"]
    assert "step.json" in found.notes[0]


def test_it_is_told_in_every_form():
    found = profile("listing1", batch=2, rule=QUICK)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["schema"] == "underhood.profile/1"
    forward = data["runs"][0]["layers"][0]["forward"]
    assert forward["calls"] >= 1  # a call that the system disturbed is left out, and said
    assert forward["calls"] + forward["disturbed"] >= 2
    assert data["roofline"]["flops"] > 0
    assert found.to_csv().splitlines()[1].startswith("torch,2,0,Conv2d,")
    assert "whole network" in found.to_markdown()
    assert "<table" in found._repr_html_()
    assert found.to_html().count("<svg") == 2
    assert isinstance(found.layers, Table)
    assert "Roofline" in " ".join(found.layers.foot)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backend": "torhc"}, 'did you mean "torch"'),
        ({"dtype": "float31"}, 'did you mean "float32"'),
        ({"memory_format": "channels"}, "channels_last"),
        ({"clock": "sun"}, "there is wall, processor"),
        ({"batch": 0}, "batch: at least 1"),
        ({"threads": 0}, "threads: at least 1"),
        ({"device": "tpu"}, "there is cpu"),
        ({"backend": "underhood", "memory_format": "channels_last"}, "the engine computes on the CPU"),
    ],
)
def test_bad_options_are_refused(options, said):
    with pytest.raises(BadInput, match=said):
        profile("mlp", rule=QUICK, **options)


def test_a_module_of_torchs_has_no_other_back_end():
    with pytest.raises(BadInput, match="needs a page"):
        profile(nn.Linear(2, 2), (1, 2), backend="both", rule=QUICK)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said():
    with pytest.raises(MissingPiece, match="sees no GPU"):
        profile("mlp", device="cuda", rule=QUICK)


def test_a_gpu_is_timed_by_events(monkeypatch):
    from underhood.instruments.stopwatch import gpu_clock

    happened = []

    class Event:
        def __init__(self, enable_timing):
            self.timing = enable_timing

        def record(self):
            happened.append("record")

        def synchronize(self):
            happened.append("wait")

        def elapsed_time(self, other):
            return 2.5  # milliseconds

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: happened.append("drain"))
    assert gpu_clock(lambda: happened.append("work") or 7) == (7, 0.0025)
    assert happened == ["drain", "record", "work", "record", "wait"]
