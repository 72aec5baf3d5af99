"""Recorded calls of a network of torch's: what they are given, what is learnt, which names they have."""

import pytest
import torch
from torch import nn

from underhood.instruments.inputs import Inputs, Spec
from underhood.instruments.profile.on_torch import prepared
from underhood.instruments.profile.result import Conditions
from underhood.instruments.profile.torch_calls import TorchCall, capture
from underhood.instruments.record import PassError
from underhood.instruments.stopwatch import wall_clock
from underhood.instruments.target import Target


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Linear(3, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)

    def forward(self, x):
        x = self.block(self.block(x) + 1) + 2
        y = x * 3
        y[:, 0] = 0
        return self.frozen(y).relu_()


def calls_of(module, *wanted, backward=True, given=None):
    x = torch.ones(2, 3) if given is None else given
    return {call.name: call for call in capture(module, (x,), {}, set(wanted), backward)}


def test_calls_are_numbered_and_only_those_wanted_are_kept_in_their_order():
    found = calls_of(Shared(), "block", "block#2", "add", "add#2", "setitem", "relu", "mul")
    assert list(found) == ["block", "add", "block#2", "add#2", "mul", "setitem", "relu"]
    assert list(calls_of(Shared(), "block#2", "block#3")) == ["block#2"]


def test_what_learns_and_what_writes():
    net = Shared()
    found = calls_of(net, "block", "frozen", "mul", "setitem", "relu")
    assert [id(p) for p in found["block"].learnt] == [id(net.block.weight), id(net.block.bias)]
    assert found["frozen"].learnt == found["mul"].learnt == []
    assert {name: call.writes for name, call in found.items()} == {
        "block": False, "frozen": False, "mul": False, "setitem": True, "relu": True,
    }  # fmt: skip


def test_a_function_of_a_module_bears_its_name_and_what_a_wanted_module_calls_is_its_own():
    net = nn.Sequential(Shared())
    assert list(calls_of(net, "0.mul", "0.add#2", "mul")) == ["0.add#2", "0.mul"]
    assert list(calls_of(net, "0", "0.mul", "0.block")) == ["0"]
    assert list(calls_of(net[0], "Shared")) == ["Shared"]


def test_a_replayed_call_leaves_recorded_inputs_alone():
    call = calls_of(Shared(), "relu")["relu"]
    before = call.args[0].detach().clone().fill_(-1.0)
    call.args = (before.clone(),)
    for _ in range(2):
        call(wall_clock)
        assert torch.equal(call.args[0], before)


def test_inputs_remember_whether_they_wanted_a_gradient():
    net = Shared()
    found = calls_of(net, "block", "block#2")
    assert [found[name].args[0].requires_grad for name in found] == [False, True]
    assert all(found[name].args[0].is_leaf for name in found)
    still = calls_of(net, "block#2", backward=False)["block#2"]
    assert not still.args[0].requires_grad


class Clock:
    """Notes whether gradients are taken in each piece of work."""

    def __init__(self):
        self.graph = []

    def __call__(self, work):
        self.graph.append(torch.is_grad_enabled())
        return work(), float(len(self.graph))


@pytest.mark.parametrize(
    ("learns", "wants", "backward", "found"),
    [
        (True, False, True, (1.0, 2.0)),
        (False, True, True, (1.0, 2.0)),
        (True, True, True, (1.0, 2.0)),
        (False, False, True, (1.0, None)),
        (True, True, False, (1.0, None)),
    ],
)
def test_backward_is_timed_where_something_wants_a_gradient(learns, wants, backward, found):
    layer = nn.Linear(3, 2).requires_grad_(learns)
    learnt = list(layer.parameters()) if learns else []
    call = TorchCall("x", layer, (torch.ones(4, 3, requires_grad=wants),), {}, learnt, backward)
    clock = Clock()
    assert call(clock) == found
    assert clock.graph[0] is backward
    assert (call.cotangents is not None) is (found[1] is not None)
    assert all(p.grad is None for p in (*layer.parameters(), call.args[0]))


def test_the_cotangent_is_drawn_once_and_has_the_outputs_shape():
    layer = nn.Linear(3, 2)
    call = TorchCall("x", layer, (torch.ones(4, 3),), {}, list(layer.parameters()))
    call(Clock())
    first = call.cotangents
    call(Clock())
    assert call.cotangents is first
    assert [tuple(c.shape) for c in first] == [(4, 2)]
    assert first[0].std() > 0


def test_an_output_without_a_gradient_is_left_out_of_backward():
    layer = nn.Linear(3, 2)
    both = TorchCall("x", lambda x: (layer(x), x.detach()), (torch.ones(4, 3),), {}, list(layer.parameters()))
    assert both(Clock()) == (1.0, 2.0)
    assert len(both.cotangents) == 1


def test_bytes_moved_count_each_tensor_once():
    x, weight = torch.ones(4, 3), torch.ones(2, 3, dtype=torch.float64)
    assert TorchCall("x", None, (x, [x]), {"y": x}, [weight, weight]).moved == 4 * 12 + 8 * 6
    assert TorchCall("x", None, (x.clone(), x), {}, []).moved == 2 * 48
    assert TorchCall("x", None, (3,), {}, []).moved == 0


def test_keyword_arguments_are_repeated_too():
    class Named(nn.Module):
        def forward(self, x, *, scale):
            return x * scale

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.named = Named()

        def forward(self, x):
            return self.named(x, scale=torch.full((1,), 3.0))

    (call,) = capture(Outer(), (torch.ones(2),), {}, {"named"}, True)
    assert torch.equal(call.work(*call.args, **call.kwargs), torch.full((2,), 3.0))
    (call,) = capture(Named(), (torch.ones(2),), {"scale": torch.ones(1)}, {"Named"}, True)
    assert list(call.kwargs) == ["scale"]


class Raises(nn.Module):
    def forward(self, x):
        raise ValueError("no more")


@pytest.mark.parametrize(
    ("net", "said"),
    [(nn.Sequential(nn.Linear(3, 3), Raises()), "1: ValueError: no more"), (Raises(), "Raises: ValueError: no more")],
)
def test_an_error_names_the_layer(net, said):
    with pytest.raises(PassError, match=f"^{said}"):
        capture(net, (torch.ones(2, 3),), {}, {"0"}, True)


def test_only_images_are_turned_to_channels_last():
    net = nn.Identity()
    inputs = Inputs((Spec((2, 3, 4, 5)), Spec((2, 3, 4)), Spec((2, 3, 4, 5, 6))), {"x": Spec((2, 3, 4, 5))})
    how = Conditions(memory_format="channels_last")
    _, args, kwargs = prepared(Target("net", lambda _: net, built=net), inputs, how)
    turned = [x.is_contiguous(memory_format=torch.channels_last) for x in (args[0], kwargs["x"])]
    assert turned == [True, True]
    assert args[1].is_contiguous()
    assert args[2].is_contiguous()
    _, args, _ = prepared(Target("net", lambda _: net, built=net), inputs, Conditions())
    assert args[0].is_contiguous()
