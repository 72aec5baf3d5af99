"""check on operations, networks, functions, optimisers and trainings; with PyTorch and without."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import underhood
from underhood import cli, engine
from underhood.engine.fast.kernel import Floats, kernel, mine
from underhood.engine.fast.memory import Contiguous
from underhood.engine.fast.stages import convolve
from underhood.engine.forms import NAMES, OPERATIONS
from underhood.errors import BadInput
from underhood.instruments.check import Training, check
from underhood.instruments.check.operations import Comparison, check_all

# -- operations --


def test_steps_of_the_last_digit_are_those_of_float32():
    gaps = {
        "double": {"z": SimpleNamespace(ulps=1.0)},
        "single": {"z": SimpleNamespace(ulps=2.0), "da": SimpleNamespace(ulps=5.0)},
    }
    assert Comparison("vector", None, **gaps, verdict=None).ulps == 5.0


def test_an_operation_is_asked_in_every_form_and_on_every_sample():
    found = check("conv2d")
    samples = list(OPERATIONS["conv2d"].samples(np.random.default_rng(0)))
    forms = [form for form in NAMES if getattr(OPERATIONS["conv2d"], form) is not None]
    assert len(found.rows) == len(samples) * len(forms)
    assert found.agrees
    assert {column.name for column in found.columns} >= {"z", "∂a", "∂w", "∂b", "single", "ulps"}
    assert max(row["z"] for row in found.rows) < 1e-12
    assert 0 < max(row["single"] for row in found.rows) < 1e-5


def test_several_operations_are_summed_up():
    found = check_all(["linear", "relu", "softmax"])
    forms = [form for form in NAMES if getattr(OPERATIONS["linear"], form) is not None]
    assert [row["form"] for row in found.rows if row["operation"] == "linear"] == forms
    assert found.agrees
    assert all(row["samples"] > 3 for row in found.rows)
    each = check("softmax").rows
    for row in (row for row in found.rows if row["operation"] == "softmax"):
        assert row["ulps"] == max(one["ulps"] for one in each if one["form"] == row["form"])


@pytest.mark.parametrize(
    "name", ["linear", "sigmoid", "relu", "softmax", "cross_entropy", "batch_norm", "conv2d", "max"]
)
def test_without_pytorch_numbers_are_who_is_right(name):
    found = check(name, oracle="numbers")
    assert found.agrees
    assert "numerical" in found.foot[-1]
    assert any(row[part] is not None for row in found.rows for part in row if part.startswith("∂"))


def test_a_fault_is_found_without_pytorch():
    linear = OPERATIONS["linear"].vector
    pair = (lambda a, w, b: a @ w.T + b, lambda d, a, w, b: [2 * g for g in linear.backward(d, None, a, w, b)])
    found = check(pair, "linear", oracle="numbers")
    assert found.faults[0] in ("factor", "sum for mean")


# -- networks --


def test_a_network_of_ours_agrees_layer_by_layer():
    found = check("simple-nn")
    assert found.agrees
    assert [row["layer"] for row in found.rows][:3] == ["conv1", "act1", "pool1"]
    assert found.rows[0]["weights"] < 1e-12
    assert found.rows[0]["single"] < 1e-5
    assert [row["layer"] for row in found.rows][-2:] == ["input", "all, as a plan"]
    assert found.rows[-1]["weights"] < 1e-12


@kernel
def enlarged(to: Floats, part: int, parts: int, thread: int) -> None:
    """0.05 % too large."""
    for i in mine(to.size, part, parts):
        to[i] *= 1.0005


class OffConvolution(convolve.Convolution):
    def reduce(self, sums: Contiguous, dw: Contiguous, keep: float) -> None:
        super().reduce(sums, dw, keep)
        self.emit(enlarged, dw)


def test_a_plan_that_is_off_is_found(monkeypatch):
    monkeypatch.setattr(convolve, "Convolution", OffConvolution)
    found = check("simple-nn")
    assert not found.agrees
    assert [row["verdict"] == "agrees" for row in found.rows].count(False) == 1
    assert "plan" in found.rows[-1]["verdict"]


def test_a_network_of_ours_without_pytorch():
    found = check("simple-nn", oracle="numbers")
    assert found.agrees
    assert "vector form" in found.title


class HalfBias(torch.autograd.Function):
    """A linear layer whose bias' gradient is a mean."""

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x @ w.T + b

    @staticmethod
    def backward(ctx, d):
        x, w = ctx.saved_tensors
        return d @ w, d.T @ x, d.mean(0)


class MyLinear(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(outputs, inputs))
        self.bias = torch.nn.Parameter(torch.randn(outputs))

    def forward(self, x):
        return HalfBias.apply(x, self.weight, self.bias)


def conv_net(*last, padding=1):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=padding),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(inplace=True),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        *last,
    )


def test_a_users_network_by_itself():
    found = check(conv_net(torch.nn.Linear(64, 5)), input=(3, 1, 8, 8))
    assert found.agrees
    assert found.rows[0]["output"] < 1e-12
    assert found.rows[0]["weights"] < 1e-9


def test_a_layer_with_a_wrong_gradient_is_found_and_named():
    found = check(conv_net(MyLinear(64, 5)), input=(3, 1, 8, 8))
    verdicts = {row["layer"]: row["verdict"] for row in found.rows}
    assert verdicts["5"] == "∂bias: mean for sum"
    assert verdicts["0"] == verdicts["1"] == "agrees"
    assert verdicts["(all)"] == "all weights: slope"


def test_a_gradient_lost_between_the_layers_shows_in_the_whole():
    class Detached(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

        def forward(self, x):
            return self.two(self.one(x).detach())

    found = check(Detached(), input=(3, 4))
    verdicts = {row["layer"]: row["verdict"] for row in found.rows}
    assert verdicts["(all)"] == "all weights: slope"
    assert verdicts["one.weight"] == "one.weight: nothing arrives"


def test_layers_with_several_inputs_and_outputs():
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.pair = torch.nn.LSTM(3, 2, batch_first=True), torch.nn.Bilinear(2, 2, 4)

        def forward(self, x):
            z, _ = self.lstm(x)
            return self.pair(z[:, 0], z[:, -1])

    found = check(Recurrent(), input=(2, 4, 3))
    assert found.agrees
    assert [row["layer"] for row in found.rows] == ["lstm", "pair", "(all)"]


def test_remarks_on_what_no_number_shows():
    net = conv_net(torch.nn.Linear(64, 5), torch.nn.Softmax(1))
    net[1].eval()
    foot = check(net, input=(3, 1, 8, 8)).foot
    assert any("probabilities already" in line for line in foot)
    assert any("Stale BatchNorm mode" in line and "1 is not" in line for line in foot)


@pytest.mark.parametrize(
    ("change", "layer", "verdict"),
    [
        (lambda net: net[1].eval(), "1", "z, ∂weight: stale BatchNorm mode"),
        (lambda net: net.__setitem__(3, torch.nn.AvgPool2d(2)), "3", "z: another layer"),
        (lambda net: setattr(net[0], "padding", (0, 0)), "0", "z: off-by-one padding"),
        (lambda net: setattr(net[1], "eps", 0.5), "1", "z, ∂weight: another setting"),
    ],
)
def test_a_network_against_another(change, layer, verdict):
    mine = conv_net()
    change(mine)
    found = check(mine, against=conv_net(), input=(3, 1, 8, 8))
    verdicts = {row["layer"]: row["verdict"] for row in found.rows}
    assert verdicts.pop(layer) == verdict
    assert list(verdicts)[-1] == "(all)"
    assert verdicts.pop("(all)").startswith("output, ∂input")
    assert set(verdicts.values()) == {"agrees"}
    assert not found.agrees
    assert check(conv_net(), against=conv_net(), input=(3, 1, 8, 8)).agrees


def test_an_engine_network_against_a_torch_one():
    def net(nn):
        return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

    assert check(net(engine.nn), against=net(torch.nn), input=(5, 4)).agrees
    assert check(net(engine.nn), input=(5, 4)).agrees
    wrong = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    with pytest.raises(BadInput, match="transposed weight"):
        check(wrong, against=net(torch.nn), input=(5, 4))


# -- functions --


def test_an_autograd_function_and_functions_on_tensors():
    found = check(HalfBias, against="linear")
    assert found.faults[0] == "mean for sum"

    def swish(x):
        return x * torch.sigmoid(x)

    assert check(swish, against="silu").agrees

    def silu(x):
        return x * underhood.functional.sigmoid(x)

    assert check(silu).title == "silu against torch.nn.functional.silu"
    assert check(silu).agrees


def test_forward_and_backward_with_something_remembered():
    def affine_forward(a, w, b):
        return a @ w.T + b, (a, w)

    def affine_backward(d, remembered):
        a, w = remembered
        return OPERATIONS["linear"].vector.backward(d, None, a, w, d)

    assert check((affine_forward, affine_backward), "linear").agrees


def test_a_function_of_ones_own_against_its_own_forward():
    def bump(x, s):
        return np.exp(-x * x) * s

    def right(d, x, s):
        return -2 * x * np.exp(-x * x) * s * d, np.exp(-x * x) * d

    def wrong(d, x, s):
        return -x * np.exp(-x * x) * s * d, np.exp(-x * x) * d

    shapes = ["3,4", "3,4"]
    assert check((bump, right), input=shapes).agrees
    found = check((bump, wrong), input=shapes)
    assert [row["verdict"] for row in found.rows] == ["∂x: factor", "agrees"]
    with pytest.raises(BadInput, match="--against"):
        check((bump, right))


# -- optimisers and trainings --


class MyAdam(torch.optim.Optimizer):
    """Adam with L2 and with ε inside the root."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def root(self, s, eps):
        return (s + eps).sqrt()

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(k=0, m=torch.zeros_like(p), s=torch.zeros_like(p))
                state["k"] += 1
                beta1, beta2 = group["betas"]
                g = p.grad + group["weight_decay"] * p
                state["m"].mul_(beta1).add_((1 - beta1) * g)
                state["s"].mul_(beta2).add_((1 - beta2) * g * g)
                m, s = state["m"] / (1 - beta1 ** state["k"]), state["s"] / (1 - beta2 ** state["k"])
                p -= group["lr"] * m / self.root(s, group["eps"])


class RightAdam(MyAdam):
    def root(self, s, eps):
        return s.sqrt() + eps


def test_an_optimiser_of_ones_own():
    found = check(MyAdam)
    assert found.title == "MyAdam against torch.optim.Adam"
    assert found.faults == ("epsilon misplaced",)
    assert check(RightAdam, against="adam").agrees
    found = check(RightAdam, against="adamw")
    assert {row["settings"]: row["verdict"] for row in found.rows} == {
        "lr=0.05": "w: missing weight decay",
        "lr=0.05, weight_decay=0.1": "w: L2 for decoupled decay",
        "lr=0.05, eps=0.001": "w: missing weight decay",
        "lr=0.05, betas=(0.8, 0.95)": "w: missing weight decay",
    }
    assert check(engine.optim.NAdam, against="nadam", oracle="numbers").agrees
    with pytest.raises(BadInput, match="adamw"):
        check(MyAdam, against="adamww")


def test_a_setting_that_shows_with_momentum_alone_is_tried_with_it():
    class MySGD(torch.optim.SGD):
        def __init__(self, params, lr=0.01, momentum=0.0, dampening=0.0):
            super().__init__(params, lr, momentum)

    assert [row["settings"] for row in check(MySGD, against="sgd").rows if row["verdict"] != "agrees"] == [
        "lr=0.05, dampening=0.3, momentum=0.9"
    ]


class MyRMSprop(torch.optim.Optimizer):
    """RMSprop, or with α = None Adagrad, with ε wherever `root` puts it."""

    root = staticmethod(lambda s, eps: (s + eps).sqrt())

    def __init__(self, params, lr=0.01, alpha=0.99, eps=1e-8):
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                s, alpha = self.state[p].setdefault("s", torch.zeros_like(p)), group.get("alpha")
                s.mul_(alpha or 1.0).add_((1 - (alpha or 0.0)) * p.grad * p.grad)
                p -= group["lr"] * p.grad / self.root(s, group["eps"])


class MyAdagrad(MyRMSprop):
    def __init__(self, params, lr=0.01, eps=1e-10):
        torch.optim.Optimizer.__init__(self, params, {"lr": lr, "eps": eps})


@pytest.mark.parametrize(("mine", "against"), [(MyRMSprop, "rmsprop"), (MyAdagrad, "adagrad")])
def test_an_epsilon_inside_the_root_is_named(mine, against):
    found = check(mine, against=against)
    assert found.faults == ("epsilon misplaced",)
    assert any("ε stands inside the root" in line for line in str(found).splitlines())
    right = type(mine.__name__, (mine,), {"root": staticmethod(lambda s, eps: s.sqrt() + eps)})
    assert check(right, against=against).agrees


def batches(count=5):
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(6, 1, 8, 8)), rng.integers(0, 5, 6)) for _ in range(count)]


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)


def training(optimizer=adamw, loss=F.cross_entropy, change=lambda net: None):
    torch.manual_seed(1)
    net = conv_net(torch.nn.Linear(64, 5)).double()
    change(net)
    return Training(net, optimizer(net.parameters()), loss, batches())


class Forgetful(torch.optim.SGD):
    def zero_grad(self, set_to_none=True):
        """Does nothing."""


class BiasedNorm(torch.nn.BatchNorm2d):
    """Keeps the variance that it normalises with."""

    def forward(self, x):
        with torch.no_grad():
            self.running_mean.mul_(0.9).add_(0.1 * x.mean((0, 2, 3)))
            self.running_var.mul_(0.9).add_(0.1 * x.var((0, 2, 3), unbiased=False))
        return F.batch_norm(x, None, None, self.weight, self.bias, True)


BiasedNorm.__name__ = "BatchNorm2d"


def keep_biased(net):
    net[1] = BiasedNorm(4).double()


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01, weight_decay=0.1)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9)


@pytest.mark.parametrize(
    ("changed", "right", "step", "place", "fault"),
    [
        ({"optimizer": adam}, {}, 1, "0.weight", "L2 for decoupled decay"),
        ({}, {"optimizer": adam}, 1, "0.weight", "decoupled decay for L2"),
        ({"loss": lambda z, t: F.cross_entropy(z.softmax(1), t)}, {}, 1, "loss", "softmax before cross-entropy"),
        ({"loss": lambda z, t: F.cross_entropy(z, t, reduction="sum")}, {}, 1, "loss", "sum for mean"),
        ({"change": lambda net: net[1].eval()}, {}, 1, "1", "stale BatchNorm mode"),
        ({"change": keep_biased}, {}, 1, "1.running_var", "biased for unbiased variance"),
        ({"optimizer": lambda p: Forgetful(p, 0.01, 0.9)}, {"optimizer": sgd}, 2, "∂E/∂5.bias", "gradient not cleared"),
        ({"optimizer": lambda p: torch.optim.SGD(p, 0.01)}, {"optimizer": sgd}, 2, "0.weight", "missing momentum"),
        ({"optimizer": lambda p: torch.optim.SGD(p, 0.1, 0.9)}, {"optimizer": sgd}, 1, "0.weight", "learning rate"),
        ({"change": lambda net: net[0].weight.data.add_(0.1)}, {}, 0, "0.weight at the start", "other weights"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_two_trainings_part(changed, right, step, place, fault):
    found = check(training(**changed), against=training(**right))
    assert found.faults == (fault,)
    assert found.rows[-1]["step"] == step
    assert found.rows[-1]["verdict"].startswith(place)
    assert f"They part at step {step}." in found.foot


def test_trainings_that_are_the_same_do_not_part():
    assert check(training(), against=training()).agrees

    def ours(nn, optim, loss):
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5)).double()
        return Training(net, optim.Adam(net.parameters(), lr=0.01), loss, batches())

    a = ours(engine.nn, engine.optim, engine.functional.cross_entropy)
    b = ours(torch.nn, torch.optim, F.cross_entropy)
    b.net.load_state_dict({k: torch.tensor(v.numpy()) for k, v in a.net.state_dict().items()})
    found = check(a, against=b)
    assert found.agrees
    assert len(found.rows) == 6


def test_loops_of_ones_own_part():
    def loop(rate):
        w = 1.0
        for _ in range(5):
            g = 2 * w
            w = w - rate * g
            yield {"g": np.array(g), "w": np.array(w)}

    found = check(loop(0.1), against=loop(0.2))
    assert found.rows[-1]["step"] == 1
    assert found.rows[-1]["verdict"].startswith("w: ")


# -- the command --


FILE = """
import numpy as np
import torch

def linear(a, w, b):
    return a @ w.T

def linear_backward(d, a, w, b):
    d, a = d.reshape(-1, d.shape[-1]), a.reshape(-1, a.shape[-1])
    return (d @ w), d.T @ a, d.sum(0)

class Network(torch.nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.fc = torch.nn.Linear(4, width)

    def forward(self, x):
        return torch.relu(self.fc(x))
"""


TRAININGS = """
import numpy as np
import torch

def training(bias=True):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2).double()
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(4, 3)), rng.integers(0, 2, 4)) for _ in range(3)]
    return net, batches

def one():
    net, batches = training()
    return net, torch.optim.AdamW(net.parameters(), 0.1, weight_decay=0.1), torch.nn.CrossEntropyLoss(), batches

def two():
    net, batches = training()
    return net, torch.optim.Adam(net.parameters(), 0.1, weight_decay=0.1), torch.nn.CrossEntropyLoss(), batches
"""


def test_the_command_compares_two_trainings(tmp_path, capsys):
    path = tmp_path / "trainings.py"
    path.write_text(TRAININGS)
    assert cli.main(["check", f"{path}:two", "--against", f"{path}:one"]) == 1
    out = capsys.readouterr().out
    assert "weight after the step: L2 for decoupled decay" in out
    assert "They part at step 1." in out
    assert cli.main(["check", f"{path}:one"]) == 2
    assert "--against" in capsys.readouterr().err


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_the_command_checks_an_operation_and_a_file(file, capsys):
    assert cli.main(["check", "linear", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "underhood.table/1"
    assert found["agrees"] is True
    assert cli.main(["check", f"{file}:linear"]) == 1
    out = capsys.readouterr().out
    assert "missing bias" in out
    assert "linear against torch.nn.functional.linear" in out
    assert cli.main(["check", f"{file}:Network", "--input", "5,4", "--args", "width=2"]) == 0
    assert "5×2" in capsys.readouterr().out
    assert cli.main(["check", "relu", "--csv"]) == 0
    assert capsys.readouterr().out.startswith("form,sample,z,")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["conv2"], 'did you mean "conv2d"'),
        (["FILE:nothing"], 'has no "nothing"'),
        (["FILE:Network"], "--input 2,1,28,28"),
        (["FILE:linear", "--against", "lineer"], 'did you mean "linear"'),
        (["nowhere.py:thing"], "there is no such file"),
    ],
)
def test_mistakes_are_said(words, said, file, capsys):
    assert cli.main(["check", *(word.replace("FILE", str(file)) for word in words)]) == 2
    assert said in capsys.readouterr().err
