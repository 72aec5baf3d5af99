"""check on what it was not made for: it is right, or it refuses in one line; never a traceback, never a false word."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from underhood import cli
from underhood.errors import BadInput
from underhood.instruments.check import check, networks


def module(forward, **members):
    """A module of a function and what it holds."""

    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            for name, member in members.items():
                setattr(self, name, member())

        def forward(self, *inputs, **named):
            return forward(self, *inputs, **named)

    torch.manual_seed(0)
    return Made()


class Square(torch.autograd.Function):
    """x², with half of its gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, d):
        return d * ctx.saved_tensors[0]


def linear(inputs=3, outputs=4):
    return lambda: nn.Linear(inputs, outputs)


def two(factor=1.0):
    return module(lambda net, x, y: net.a(x) * net.b(factor * y), a=linear(), b=linear(2))


def entries(pool):
    return module(lambda net, x: {"logits": net.a(x), "loss": pool(net.a(x)), "none": None}, a=linear())


def embedded(tied):
    net = module(
        lambda net, i: net.head(net.table(i)),
        table=lambda: nn.Embedding(5, 4),
        head=lambda: nn.Linear(4, 5, bias=False),
    )
    if tied:
        net.head.weight = net.table.weight
    return net


def many_steps(net, x):
    for _ in range(3):
        x = net.a(x) if x.sum() > 0 else torch.tanh(net.a(x))
    return x


def overwriting(net, x):
    x.add_(1)
    return net.a(x)


class Transformed(nn.Module):
    """A spatial transformer that begins with the identity: every pixel is sampled at a kink of the interpolation."""

    def __init__(self, lost=False):
        super().__init__()
        self.conv, self.theta, self.lost = nn.Conv2d(2, 3, 3), nn.Parameter(torch.eye(2, 3)), lost

    def forward(self, x):
        z = self.conv(x)
        theta = self.theta.expand(len(z), 2, 3)
        grid = nn.functional.affine_grid(theta, z.shape, align_corners=False)
        z = nn.functional.grid_sample(z, grid, align_corners=False)
        return z * z.mean().detach() if self.lost else z


ALONE = {
    "layer norm": (nn.LayerNorm(4), (3, 4)),
    "layer norm without weights": (nn.LayerNorm(4, elementwise_affine=False), (3, 4)),
    "group norm": (nn.GroupNorm(2, 4), (3, 4, 5)),
    "lstm": (nn.LSTM(3, 2), (4, 2, 3)),
    "gru, two ways, dropout": (nn.GRU(3, 2, 2, bidirectional=True, dropout=0.3), (4, 2, 3)),
    "attention": (nn.TransformerEncoderLayer(8, 2, 16), (5, 2, 8)),
    "reflected padding": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 6, 6)),
    "two inputs": (nn.Bilinear(3, 4, 2), [(5, 3), (5, 4)]),
    "a dict of outputs": (entries(torch.mean), (2, 3)),
    "integers, a shared weight": (embedded(True), "2,4:int64"),
    "in place on its input": (module(overwriting, a=linear()), (2, 3)),
    "control flow": (module(many_steps, a=linear(3, 3)), (2, 3)),
    "positive inputs alone": (module(lambda net, x: torch.log(x)), (2, 3)),
    "complex numbers": (module(lambda net, x: torch.fft.rfft(x)), (2, 6)),
    "a lazy layer": (nn.LazyLinear(3), (2, 3)),
    "a weight norm": (nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), (2, 3)),
    "half precision": (nn.Linear(3, 3).half(), (2, 3)),
    "random numbers": (module(lambda net, x: x * torch.rand_like(x)), (2, 3)),
    "weights at a kink": (Transformed(), (2, 2, 6, 6)),
    "weights of zero under |w|": (
        module(lambda net, x: x * net.w.abs(), w=lambda: nn.Parameter(torch.zeros(3))),
        (2, 3),
    ),
    "a builder": (lambda: nn.Linear(3, 2), (2, 3)),
    "many layers": (nn.Sequential(*[nn.Linear(4, 4) for _ in range(60)]), (2, 4)),
}


@pytest.mark.parametrize("name", ALONE)
def test_by_itself_it_agrees(name):
    net, shape = ALONE[name]
    found = check(net, input=shape)
    assert found.agrees, str(found)
    assert any("--against" in line for line in found.foot)


def test_at_a_kink_the_weights_are_moved_and_that_is_said():
    said = "E has a kink"
    assert any(said in line for line in check(Transformed(), input=(2, 2, 6, 6)).foot)
    lost = check(Transformed(lost=True), input=(2, 2, 6, 6))
    assert lost.faults == ("slope",)
    smooth = check(module(lambda net, x: net.a(x).detach() * net.a(x), a=linear()), input=(2, 3))
    assert smooth.faults == ("slope",)
    assert not any(said in line for line in smooth.foot)


REFUSED = {
    "not finite": (module(lambda net, x: x / 0), None, "not finite"),
    "a reference that is not finite": (
        nn.Linear(3, 3),
        module(lambda net, x: net.a(x) / 0, a=linear(3, 3)),
        "not finite",
    ),
    "nothing to differentiate": (module(lambda net, x: x.argmax(1)), None, "--against"),
    "no tensor": (module(lambda net, x: 3.0), None, "returns a float"),
    "it raises": (module(lambda net, x: 1 / 0), None, "ZeroDivisionError"),
    "another shape": (nn.Linear(5, 3), None, "shapes cannot be multiplied"),
    "on meta": (nn.Linear(3, 3, device="meta"), None, "meta"),
    "chance": (module(lambda net, x: x * float(np.random.rand())), None, "chance"),
    "chance against chance": (
        module(lambda net, x: x + torch.randn_like(x)),
        module(lambda net, x: x + 2 * torch.randn_like(x)),
        "random numbers",
    ),
    "vmap": (module(lambda net, x: torch.vmap(net.a)(x), a=linear()), None, "runs by itself, but not where"),
    "vmap against another": (
        module(lambda net, x: torch.vmap(net.a)(x), a=linear()),
        nn.Linear(3, 4),
        "runs by itself",
    ),
    "float32 by itself": (module(lambda net, x: net.a(x.float()), a=linear()), None, "float64"),
    "other weights": (nn.Linear(3, 4), nn.Conv2d(3, 4, 3), r"weight is \(4, 3\)"),
    "no common weights": (nn.Sequential(nn.Linear(3, 4)), nn.Conv2d(3, 4, 3, bias=False), "no weights in common"),
    "a list": ([1, 2], None, "forward and a backward"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses_in_one_line(name):
    net, reference, said = REFUSED[name]
    with pytest.raises(BadInput, match=said) as refusal:
        check(net, against=reference, input=(2, 3))
    assert "\n" not in str(refusal.value)


WRONG = {
    "a second input": (two(1.001), two(), [(5, 3), (5, 2)], "input 2"),
    "an entry of a dict": (entries(torch.sum), entries(torch.mean), (2, 3), "output loss"),
    "an entry missing": (nn.Linear(3, 4), entries(torch.mean), (2, 3), "missing output"),
    "a second output": (
        module(lambda net, x: (net.a(x), net.a(x).sigmoid()), a=linear()),
        module(lambda net, x: (net.a(x), net.a(x).relu()), a=linear()),
        (2, 3),
        "another function",
    ),
    "weights not tied": (embedded(False), embedded(True), "2,4:int64", "weights not shared"),
    "a buffer": (
        module(lambda net, x: x * net.k, k=lambda: nn.Buffer(torch.tensor(3.0))),
        module(lambda net, x: x * net.k, k=lambda: nn.Buffer(torch.tensor(2.0))),
        (2, 3),
        "another buffer",
    ),
    "nan": (module(lambda net, x: x / 0 * 0), nn.Identity(), (2, 3), "not finite"),
    "ε in a logarithm": (
        module(lambda net, x: torch.log(x + 1e-3)),
        module(lambda net, x: torch.log(x)),
        (2, 3),
        "extra step",
    ),
    "the conjugate": (
        module(lambda net, x: torch.fft.rfft(x).conj()),
        module(lambda net, x: torch.fft.rfft(x)),
        (2, 6),
        "between",
    ),
    "relu6 for relu": (module(lambda net, x: nn.functional.relu6(x)), nn.ReLU(), (2, 3), "inputs ten times as large"),
    "an argmax": (module(lambda net, x: x.argmin(1)), module(lambda net, x: x.argmax(1)), (2, 3), "output"),
    "a gradient of one's own": (module(lambda net, x: Square.apply(x)), module(lambda net, x: x**2), (4, 3), "factor"),
    "it raises": (module(lambda net, x: 1 / 0), nn.Identity(), (2, 3), "breaks down"),
    "padding": (
        nn.Conv2d(2, 3, 3, padding=1),
        nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
        (2, 2, 6, 6),
        "padding_mode",
    ),
    "norm first": (
        nn.TransformerEncoderLayer(8, 2, 16, norm_first=True),
        nn.TransformerEncoderLayer(8, 2, 16),
        (5, 2, 8),
        "between",
    ),
    "frozen": (
        nn.Sequential(nn.Linear(3, 3).requires_grad_(False)),
        nn.Sequential(nn.Linear(3, 3)),
        (2, 3),
        "nothing arrives",
    ),
    "a mask that is not used": (
        module(lambda net, x, mask: x),
        module(lambda net, x, mask: x * mask),
        ["2,3", "mask=2,3:bool"],
        "missing step",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_difference_is_found(name):
    net, reference, shape, said = WRONG[name]
    found = check(net, against=reference, input=shape)
    assert not found.agrees
    assert said in str(found)


def test_a_network_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(networks.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(BadInput, match="are free"):
        check(nn.Linear(30, 40), input=(2, 30))


def test_in_float32_where_a_network_insists():
    found = check(
        module(lambda net, x: net.a(x.float()), a=linear()), against=nn.Sequential(nn.Linear(3, 4)), input=(2, 3)
    )
    assert found.agrees
    assert any("float32" in line for line in found.foot)


FILE = """
import torch

class Net(torch.nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.fc, self.drop, self.scale = torch.nn.Linear(4, 3), torch.nn.Dropout(0.2), scale

    def forward(self, x):
        return self.drop(self.fc(x)) * self.scale

def build(scale=1.0):
    return Net(scale)

def wrong():
    return Net(0.5)

def softmax(x):
    return torch.softmax(x, -1)
"""


def test_the_command(tmp_path, capsys):
    file = tmp_path / "net.py"
    file.write_text(FILE)
    words = ["check", f"{file}:build", "--input", "5,4"]
    assert cli.main(words) == 0
    assert "Dropout is off" in capsys.readouterr().out
    assert cli.main([*words, "--against", f"{file}:Net"]) == 0
    assert cli.main([*words, "--against", f"{file}:wrong"]) == 1
    assert "(all)" in capsys.readouterr().out
    assert cli.main([*words, "--args", "scale=0.5", "--against", f"{file}:wrong"]) == 0
    assert cli.main(["check", f"{file}:softmax"]) == 0
    assert cli.main(["check", f"{file}:Net", "--input", "5,9"]) == 2
    assert "Traceback" not in capsys.readouterr().err


class Scaled(nn.Module):
    """A layer of one's own that is called by name."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.weight, self.factor = nn.Parameter(torch.full((4,), 2.0)), factor

    def forward(self, x, *, by):
        return x * self.weight * by * self.factor


def test_a_layer_called_by_name_is_asked_with_its_names():
    def made(factor=1.0):
        return module(
            lambda net, x: net.last(net.scaled(net.first(x), by=3.0)),
            first=lambda: nn.Linear(4, 4),
            scaled=lambda: Scaled(factor),
            last=lambda: nn.Linear(4, 3),
        )

    alone = check(made(), input=(5, 4))
    assert alone.agrees
    assert [row["layer"] for row in alone.rows] == ["first", "scaled", "last", "(all)"]
    beside = check(made(2.0), against=made(), input=(5, 4))
    assert {row["layer"]: row["verdict"] for row in beside.rows}["scaled"] == "z: factor"
    assert "every element is 2 times what it should be" in str(beside)
