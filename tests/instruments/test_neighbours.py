"""Networks that the three instruments were not made for: right, or refused in one clear sentence."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from underhood.errors import BadInput
from underhood.instruments.cost import cost
from underhood.instruments.memory import memory
from underhood.instruments.profile import profile
from underhood.instruments.profile.roofline import Roofline
from underhood.instruments.stopwatch import Rule

QUICK = Rule(warmup=1, least=2, most=2, seconds=0.1)


@pytest.fixture(autouse=True)
def given(monkeypatch):
    """Roofline and runtime without measuring them."""
    monkeypatch.setattr("underhood.instruments.profile.measure.measure_roofline", lambda *_: Roofline(1e11, 1e10))
    monkeypatch.setattr("underhood.instruments.memory.predict.runtime_bytes", lambda *_, **__: 10**8)


@dataclass
class Out:
    logits: torch.Tensor
    hidden: torch.Tensor


class InDataclass(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        hidden = self.linear(x)
        return Out(hidden.relu(), hidden)


class Number(nn.Module):
    def forward(self, x):
        return x.shape[0]


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(torch.complex64) @ self.weight).abs()


def test_outputs_in_a_dataclass():
    assert cost(InDataclass(), (2, 4)).macs == 24
    assert memory(InDataclass(), (2, 4)).steps[0].ledger.highest("gradients") == 4 * 15
    (run,) = profile(InDataclass(), (2, 4), rule=QUICK, threads=1).runs
    assert run.backward is not None


def test_an_output_without_tensors():
    assert cost(Number(), (2, 4)).macs == 0
    with pytest.raises(BadInput, match="its output, a int, holds no tensor of floats"):
        memory(Number(), (2, 4))


def test_lazy_modules():
    assert cost(nn.LazyLinear(3), (2, 4)).parameters == 15
    for instrument in (memory, lambda *given: profile(*given, rule=QUICK)):
        with pytest.raises(BadInput, match="LazyLinear: weight has no shape yet"):
            instrument(nn.LazyLinear(3), (2, 4))


def test_complex_parameters():
    assert cost(Complex(), (2, 4)).macs == 24
    with pytest.raises(BadInput, match="complex parameters, which can't be timed in float32"):
        profile(Complex(), (2, 4), rule=QUICK, threads=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_modules_are_refused_alike():
    scripted = torch.jit.script(nn.Linear(4, 3))
    for instrument in (cost, memory, profile):
        with pytest.raises(BadInput, match=r"^a TorchScript module hides its layers"):
            instrument(scripted, (2, 4))


def test_a_network_of_buffers_alone():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("scale", torch.ones(4))

        def forward(self, x):
            return x * self.scale

    found = cost(Scale(), (2, 4))
    assert (found.parameters, found.counts.buffers, found.macs) == (0, 4, 0)
    assert memory(Scale(), (2, 4)).steps[0].kinds["weights"] == 16
    assert profile(Scale(), (2, 4), rule=QUICK, threads=1).runs[0].backward is None


def test_sparse_products_are_named():
    class Sparse(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.eye(4).to_sparse())

        def forward(self, x):
            return torch.sparse.mm(self.weight, x.T).T

    assert list(cost(Sparse(), (2, 4)).unknown()) == ["_sparse_addmm"]
