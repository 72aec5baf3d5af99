"""What is wrong between two layers that are right: each slip by its name, and where it stands."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from underhood.instruments.check import check


class Net(nn.Module):
    """Two branches that `f` joins."""

    def __init__(self, f, **more):
        super().__init__()
        self.a, self.b, self.out, self.f = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(8, 2), f
        for name, value in more.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.f(self, x)


def joined(a, b, dim=1):
    return torch.cat([a, b], dim)


def right(net, x):
    return net.out(joined(net.a(x), net.b(x)))


SLIPS = {
    "swapped": (
        lambda net, x: net.out(joined(net.b(x), net.a(x))),
        "swapped operands (output): between b and a, the same in both, and cat, which is not; the reference has cat of "
        "a and b there: b and a have to change places in cat.",
    ),
    "detached": (
        lambda net, x: net.out(joined(net.a(x).detach(), net.b(x))),
        "detached (∂input): a is detached on its way to cat: the gradient of that branch is lost.",
    ),
    "not on the tape": (
        lambda net, x: net.out(joined(torch.no_grad()(net.a)(x), net.b(x))),
        "detached (∂input): no gradient reaches a: what made it is not on the tape.",
    ),
    "scaled": (
        lambda net, x: net.out(joined(7 * net.a(x), net.b(x))),
        "scale (output): between a, the same in both, and mul, which is not; the reference has cat of a and b there: a "
        "is taken times 7 where the reference takes it as it is.",
    ),
    "one more function": (
        lambda net, x: net.out(joined(F.relu(net.a(x)), net.b(x))),
        "differs (output): between a, the same in both, and relu, which is not; "
        "the reference has cat of a and b there.",
    ),
    "something added": (
        lambda net, x: right(net, x) + 1e-3,
        "differs (output): between out, the same in both, and add, which is not.",
    ),
}


def compared(f, g=right, mine=None, theirs=None):
    torch.manual_seed(0)
    return check(Net(f, **(mine or {})), against=Net(g, **(theirs or {})), input=(5, 3))


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_between_layers_is_placed(slip):
    f, said = SLIPS[slip]
    found = compared(f)
    assert found.faults == (said.partition(" (")[0],)
    assert found.foot[0] == said


def test_what_means_the_same_agrees():
    assert compared(lambda net, x: net.out(joined(net.a(x), net.b(x), -1))).agrees
    assert compared(lambda net, x: F.linear(joined(net.a(x), net.b(x)), net.out.weight, net.out.bias)).agrees


def test_a_weight_that_one_alone_has():
    def times(net, x):
        return right(net, x) * net.k

    def k():
        return {"k": nn.Parameter(torch.ones(2))}

    extra = compared(times, mine=k())
    assert extra.faults == ("extra weight",)
    assert extra.foot[0].startswith(
        "extra weight (output): the reference has no k; between out, the same in both, and "
    )
    assert "Without a counterpart here: k." in extra.foot
    missing = compared(right, times, theirs=k())
    assert missing.faults == ("missing step",)
    assert missing.foot[0] == "missing step (output): the reference goes on with mul."
    assert "Without a counterpart in the reference: k." in missing.foot
