"""PyTorch's modules on the engine: arguments, containers, ties, buffers, mode, and what `torch` means meanwhile."""

import sys
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest
import torch

from underhood import engine, nn
from underhood.errors import BadInput
from underhood.instruments.on_engine import on_engine, torch_means_engine


class Own(torch.nn.Module):
    """Read once more from this file; a setting, a parameter, a buffer, a tie."""

    def __init__(self):
        super().__init__()
        self.scale = 3
        self.bias = torch.nn.Parameter(torch.randn(4))
        self.register_buffer("shift", torch.randn(4))
        self.one = torch.nn.Linear(4, 4)
        self.two = torch.nn.Linear(4, 4)
        self.two.weight = self.one.weight
        self.several = torch.nn.ModuleList([torch.nn.Tanh(), torch.nn.ModuleDict({"a": torch.nn.ReLU()})])

    def forward(self, x):
        x = self.two(self.several[0](self.one(x))) * self.scale + self.bias
        return self.several[1]["a"](x - self.shift) + torch.zeros(4)


def outputs(net, *shape):
    torch.manual_seed(3)
    mine = on_engine(net)
    x = torch.randn(*shape, dtype=next((p.dtype for p in net.state_dict().values()), torch.float32))
    return mine, mine(engine.tensor(x.numpy())).detach().numpy(), net(x).detach().numpy()


MODULES = {
    "Linear": (lambda: torch.nn.Linear(4, 3), (5, 4)),
    "Linear without bias": (lambda: torch.nn.Linear(4, 3, bias=False), (5, 4)),
    "Conv2d": (lambda: torch.nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2, bias=False), (2, 4, 9, 7)),
    "MaxPool2d": (lambda: torch.nn.MaxPool2d(3, 2, 1), (2, 4, 9, 7)),
    "AvgPool2d": (lambda: torch.nn.AvgPool2d(2, 1), (2, 4, 9, 7)),
    "LayerNorm": (lambda: torch.nn.LayerNorm(4, eps=0.1), (5, 4)),
    "BatchNorm2d": (lambda: torch.nn.BatchNorm2d(4, eps=0.1, affine=False).eval(), (2, 4, 3, 3)),
    "BatchNorm2d that keeps nothing": (lambda: torch.nn.BatchNorm2d(4, track_running_stats=False), (2, 4, 3, 3)),
    "LeakyReLU": (lambda: torch.nn.LeakyReLU(0.3), (5, 4)),
    "Flatten": (lambda: torch.nn.Flatten(2), (2, 3, 4, 5)),
    "Sequential": (lambda: torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh()), (5, 4)),
    "Own": (Own, (5, 4)),
}


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_gives_what_pytorch_gives(name, double):
    build, shape = MODULES[name]
    torch.manual_seed(1)
    net = build().double() if double else build()
    mine, found, expected = outputs(net, *shape)
    assert isinstance(mine, nn.Module)
    assert type(mine).__name__ == type(net).__name__
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert list(mine.state_dict()) == list(net.state_dict())
    if net.state_dict():
        assert found.dtype == (np.float64 if double else np.float32)


@pytest.mark.parametrize("training", [True, False])
def test_every_member_keeps_its_mode(training):
    net = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Sequential(torch.nn.BatchNorm1d(3))).train(training)
    mine = on_engine(net)
    assert {member.training for member in mine.modules()} == {training}
    own = on_engine(Own().train(training))
    assert {member.training for member in own.modules()} == {training}


def test_an_own_class_keeps_its_settings_parameters_buffers_and_ties():
    net = Own()
    mine = on_engine(net)
    assert mine.scale == 3
    assert isinstance(mine.bias, nn.Parameter)
    assert mine.two.weight is mine.one.weight
    assert mine.two.bias is not mine.one.bias
    assert [name for name, _ in mine.named_buffers()] == ["shift"]
    np.testing.assert_array_equal(mine.shift.numpy(), net.shift.numpy())
    np.testing.assert_array_equal(mine.bias.detach().numpy(), net.bias.detach().numpy())
    with torch.no_grad():
        net.bias.fill_(7.0)
    assert not (mine.bias.detach().numpy() == 7.0).any()  # a copy
    assert type(net).forward.__globals__["torch"] is torch


def test_a_class_that_no_file_has_is_refused():
    space = {"torch": torch, "__name__": "nowhere"}
    exec("class Typed(torch.nn.Module):\n    pass\n", space)
    with pytest.raises(BadInput, match=r"^Typed: its source is not in a file, so it cannot be read for the engine$"):
        on_engine(space["Typed"]())


def loaded(path, monkeypatch):
    spec = spec_from_file_location("own_network", path)
    home = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "own_network", home)
    spec.loader.exec_module(home)
    return home


def test_a_file_that_the_engine_cannot_run_is_refused_by_its_name(tmp_path, monkeypatch):
    path = tmp_path / "own.py"
    path.write_text("import torch\n\nspace = torch.quantization\n\n\nclass Net(torch.nn.Module):\n    pass\n")
    net = loaded(path, monkeypatch).Net()
    with pytest.raises(BadInput, match=r"own\.py: does not run on the engine: [A-Za-z]+: .*quantization"):
        on_engine(net)
    assert sys.modules["torch"] is torch


def test_a_class_within_a_class_is_found(tmp_path, monkeypatch):
    path = tmp_path / "own.py"
    path.write_text(
        "import torch\n\n\nclass Home:\n    class Net(torch.nn.Module):\n"
        "        def forward(self, x):\n            return torch.relu(x)\n"
    )
    mine = on_engine(loaded(path, monkeypatch).Home.Net())
    np.testing.assert_array_equal(mine(engine.tensor(np.array([-1.0, 2.0]))).numpy(), [0, 2])


def test_a_class_that_is_made_inside_a_function_is_refused_by_its_file():
    class Inside(torch.nn.Module):
        pass

    with pytest.raises(BadInput, match=r"Inside is made inside a function: put it at the top of .*test_on_engine\.py$"):
        on_engine(Inside())


NAMES = (
    "torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils", "torch.optim",
    "torch.optim.lr_scheduler",
)  # fmt: skip


@pytest.mark.parametrize("fails", [False, True])
def test_torch_means_the_engine_for_a_while_alone(fails, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.nn.utils")  # one that was not loaded before
    before = {name: sys.modules.get(name) for name in NAMES}

    def look():
        with torch_means_engine():
            import torch as stands_in
            from torch.nn import functional
            from torch.optim import lr_scheduler

            assert stands_in.nn.__name__ == "underhood.engine.nn"
            assert stands_in.Tensor is engine.Tensor
            assert functional.relu is stands_in.nn.functional.relu
            assert lr_scheduler.StepLR.__module__.startswith("underhood.engine")
            assert stands_in.optim.SGD.__module__.startswith("underhood.engine")
            assert isinstance(stands_in.zeros(2), engine.Tensor)
            with pytest.raises(AttributeError, match="module 'torch' has no attribute '_C'"):
                stands_in._C  # noqa: B018
            if fails:
                raise KeyError("inside")

    if fails:
        with pytest.raises(KeyError, match="inside"):
            look()
    else:
        look()
    assert {name: sys.modules.get(name) for name in NAMES} == before
    assert "torch.nn.utils" not in sys.modules
