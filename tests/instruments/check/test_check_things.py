"""What is handed to check: functions that make networks, modules that learn their shapes, references of one's own."""

import numpy as np
import pytest
import torch
from torch import nn

from underhood import engine
from underhood.errors import BadInput
from underhood.instruments.check import Training, check


def small(width=5):
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))


def wide(width):
    return small(width)


def broken(width=5):
    raise RuntimeError("no such width")


def without_arguments():
    raise RuntimeError("nothing to make")


def test_a_function_that_makes_a_network_is_called():
    for made in (check(small, input=(4, 3)), check(wide, arguments={"width": 7}, input=(4, 3))):
        assert made.agrees
        assert made.rows[-1]["layer"] == "(all)"
    found = check(small, against=small, input=(4, 3))
    assert found.agrees
    assert "small" in found.title
    with pytest.raises(BadInput, match=r"is \(7, 3\), 0\.weight of small is \(5, 3\)"):
        check(wide, arguments={"width": 7}, against=small, input=(4, 3))


def test_one_that_raises_is_told_with_its_error():
    with pytest.raises(BadInput, match="without_arguments: RuntimeError: nothing to make"):
        check(without_arguments, input=(4, 3))
    with pytest.raises(BadInput, match="broken: RuntimeError: no such width"):
        check(broken, arguments={"width": 3}, input=(4, 3))


def test_a_module_that_learns_its_shapes_has_them_before_it_is_checked():
    def lazy():
        return nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2))

    assert check(lazy, input=(4, 3)).agrees
    assert check(lazy, against=small, input=(4, 3)).agrees

    class Raises(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.LazyLinear(2)

        def forward(self, x):
            raise ValueError("not today")

    with pytest.raises(BadInput, match=r"Raises: its forward raised: .*not today"):
        check(Raises(), input=(4, 3))


def test_a_network_of_the_engine_may_be_a_class_or_an_object():
    class Net(engine.nn.Module):
        def __init__(self, width=5):
            super().__init__()
            self.fc = engine.nn.Linear(3, width)

        def forward(self, x):
            return self.fc(x)

    assert check(Net, input=(4, 3)).agrees
    assert check(Net(), input=(4, 3)).agrees
    assert check(Net, arguments={"width": 7}, against=nn.Linear(3, 7), input=(4, 3)).agrees


def test_an_input_is_asked_for():
    with pytest.raises(BadInput, match="say the shape of its input with its batch, as --input 2,1,28,28"):
        check(small)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("optimizer:adamm", 'there is no optimizer "adamm"; .*adam'),
        ("augmentation:flop", 'there is no augmentation "flop"; .*flip'),
        ("schedule:cosine", 'there is no schedule "cosine"'),
    ],
)
def test_an_entry_that_there_is_not_is_said_with_the_nearest(name, said):
    with pytest.raises(BadInput, match=said):
        check(name)


@pytest.mark.parametrize("oracle", ["Torch", "number", ""])
def test_who_is_right_is_torch_or_numbers(oracle):
    with pytest.raises(BadInput, match=f'oracle: there is "torch" and "numbers", not "{oracle}"'):
        check("tanh", oracle=oracle)


def test_the_random_state_of_pytorch_is_left_alone():
    pair = small(), small()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    check(pair[0], against=pair[1], input=(4, 3))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_function_that_builds_leaves_the_caller_s_random_numbers_alone():
    """And builds the same network every time: two builds of one function agree, for they start from one seed."""

    def build():
        return torch.nn.Linear(3, 2)

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = check(build, against=build, input=(4, 3))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.agrees
    torch.rand(1)
    assert check(build, against=build, input=(4, 3)).rows == first.rows


def test_trainings_built_by_functions_start_alike():
    def build():
        net = torch.nn.Linear(3, 2).double()
        batches = [(np.ones((4, 3)), np.array([0, 1, 0, 1]))]
        return Training(net, torch.optim.SGD(net.parameters(), 0.1), torch.nn.functional.cross_entropy, batches)

    assert check(build, against=build).agrees
