"""Where two trainings part, and why: each kind of quantity, the table's numbers, and what is not compared."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from underhood.errors import BadInput
from underhood.instruments.check import Training, check


def batches(count=3):
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(4, 3)), rng.integers(0, 2, 4)) for _ in range(count)]


def training(net=None, change=lambda net: None, optimizer=None, loss=F.cross_entropy, **more):
    torch.manual_seed(1)
    net = net() if net else torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    net = net.double()
    change(net)
    rule = (optimizer or (lambda p: torch.optim.SGD(p, 0.1)))(net.parameters())
    return Training(net, rule, loss, batches(), **more)


def sequential(*layers):
    return lambda: torch.nn.Sequential(torch.nn.Linear(3, 5), *layers, torch.nn.Linear(5, 2))


class Detached(torch.nn.Linear):
    """A layer whose bias has a gradient that is twice too large."""

    def forward(self, x):
        return F.linear(x, self.weight) + self.bias + (self.bias - self.bias.detach())


Detached.__name__ = "Linear"


class Own(torch.nn.Module):
    """A factor of one's own; `times` makes its gradient wrong."""

    def __init__(self, times=1.0):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(5))
        self.times = times

    def forward(self, x):
        s = self.scale.detach() + self.times * (self.scale - self.scale.detach())
        return x * s


@pytest.mark.parametrize(
    ("found", "right", "step", "verdict"),
    [
        ({"net": sequential(torch.nn.Tanh())}, {"net": sequential(torch.nn.ReLU())}, 1, "1: another layer"),
        ({"net": sequential(torch.nn.LeakyReLU(0.2))}, {"net": sequential(torch.nn.LeakyReLU(0.1))}, 1, "1: "),
        ({"net": sequential(Own(-1.0))}, {"net": sequential(Own())}, 1, "∂E/∂1.scale: sign"),
        ({"net": sequential(Own(7.0))}, {"net": sequential(Own())}, 1, "∂E/∂1.scale: factor"),
        ({"net": lambda: Detached(3, 2)}, {"net": lambda: torch.nn.Linear(3, 2)}, 1, "∂E/∂bias: "),
        ({"loss": lambda z, t: F.cross_entropy(z, t, label_smoothing=0.1)}, {}, 1, "loss: "),
        ({"optimizer": lambda p: torch.optim.SGD(p, 0.1, maximize=True)}, {}, 1, "0.weight after the step: "),
        ({"change": lambda net: net[2].bias.data.add_(1e-9)}, {}, 0, "2.bias at the start: other weights"),
    ],
)
def test_where_they_part(found, right, step, verdict):
    result = check(training(**found), against=training(**right))
    assert not result.agrees
    assert [row["step"] for row in result.rows] == list(range(step + 1))
    assert result.rows[-1]["verdict"].startswith(verdict)
    assert f"They part at step {step}." in result.foot
    assert all(row["verdict"] == "agrees" for row in result.rows[:-1])


def test_the_table_has_both_losses_and_the_worst_gap():
    def loop(*values):
        yield from ({"w": np.array(v)} for v in values)

    right, found = training(name="theirs"), training(name="ours")
    result = check(found, against=right)
    assert result.agrees
    assert result.foot == ["They do not part."]
    assert "ours against theirs, 4 steps" in result.title
    assert [row["step"] for row in result.rows] == [0, 1, 2, 3]
    assert (result.rows[0]["loss_a"], result.rows[0]["loss_b"]) == (None, None)
    assert all(0.3 < row["loss_a"] == row["loss_b"] < 2 for row in result.rows[1:])
    assert all(row["worst"] == 0 for row in result.rows)
    result = check(loop(1.0, 2.0, 3.0), against=loop(1.0, 2.0 + 2e-13, 4.0))
    assert [row["step"] for row in result.rows] == [1, 2, 3]  # of a loop's own, no start is told
    assert "the second against the first, 3 steps" in result.title
    assert result.rows[1]["worst"] == pytest.approx(1e-13, rel=0.01)
    assert result.rows[2]["worst"] == pytest.approx(0.25)
    assert "They part at step 3." in result.foot


def test_twenty_steps_are_compared():
    def loop(parts_at=None):
        for i in range(40):
            yield {"w": np.array(1.0 + (i + 1 == parts_at))}

    assert len(check(loop(), against=loop()).rows) == 21
    assert check(loop(), against=loop(22)).agrees
    assert not check(loop(), against=loop(21)).agrees


def test_those_that_compute_other_things_are_not_compared():
    one, other = training(), training(net=lambda: torch.nn.Linear(3, 2))
    with pytest.raises(BadInput, match="do not compute the same things: 4 starts; 2 starts"):
        check(other, against=one)


def test_running_statistics_are_told_after_the_weights():
    def norm(momentum):
        return sequential(torch.nn.BatchNorm1d(5, momentum=momentum))

    result = check(training(net=norm(0.2)), against=training(net=norm(0.1)))
    assert result.rows[-1]["step"] == 1
    assert result.rows[-1]["verdict"].startswith("1.running_mean: ")


def test_a_gradient_that_was_not_cleared_is_told_in_the_second_step():
    class Forgetful(torch.optim.SGD):
        def zero_grad(self, set_to_none=True):
            """Does nothing."""

    result = check(training(optimizer=lambda p: Forgetful(p, 0.1)), against=training())
    assert result.rows[-1]["step"] == 2
    assert result.rows[-1]["verdict"] == "∂E/∂2.bias: gradient not cleared"
