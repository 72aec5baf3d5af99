"""Recorded calls of a network on the engine: which they are, on what, and that they are its own."""

import numpy as np
import pytest

from underhood import from_numpy, is_grad_enabled, nn, no_grad
from underhood.errors import BadInput
from underhood.instruments.inputs import Inputs, Spec
from underhood.instruments.profile.engine_calls import EngineCall, capture, copied
from underhood.instruments.profile.on_engine import _tensor, run
from underhood.instruments.profile.result import Conditions
from underhood.instruments.record import PassError
from underhood.instruments.stopwatch import Rule, wall_clock
from underhood.instruments.target import Target

QUICK = Rule(warmup=1, least=2, most=2, seconds=0.05)


class Net(nn.Module):
    """A layer called twice, operations before, between and behind, and a module of modules."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.inner = nn.Sequential(nn.ReLU(), nn.Tanh())

    def forward(self, x):
        x = self.linear(self.linear(x) * 2.0)
        return self.inner(x) + x


def tensor(*shape, wanted=False, seed=0):
    made = from_numpy(np.random.default_rng(seed).standard_normal(shape).astype("float32"))
    return made.requires_grad_() if wanted else made


def test_layers_and_operations_come_in_the_order_in_which_they_ran():
    calls = capture(Net(), (tensor(4, 3),), True)
    assert [(call.name, call.kind, call.shape) for call in calls] == [
        ("linear", "Linear", (4, 3)),
        ("mul", "function", (4, 3)),
        ("linear#2", "Linear", (4, 3)),
        ("inner.0", "ReLU", (4, 3)),
        ("inner.1", "Tanh", (4, 3)),
        ("add", "function", (4, 3)),
    ]
    assert [len(call.learnt) for call in calls] == [2, 0, 2, 0, 0, 0]


def test_a_single_layer_is_called_as_its_class():
    (call,) = capture(nn.ReLU(), (tensor(2, 3),), True)
    assert (call.name, call.kind) == ("ReLU", "ReLU")


class Product(nn.Module):
    def __init__(self):
        super().__init__()
        self.behind = nn.Tanh()  # a module without others is a layer, and its operations its own

    def forward(self, x):
        return self.behind((x * (x + 1.0)).sum())


def test_layers_are_called_on_what_they_had():
    net, x = Net(), tensor(4, 3)
    calls = {call.name: call for call in capture(net, (x,), True)}
    np.testing.assert_array_equal(calls["linear"].inputs[0].numpy(), x.numpy())
    again = (net.linear(x) * 2.0).detach().numpy()
    np.testing.assert_array_equal(calls["linear#2"].inputs[0].detach().numpy(), again)


def test_operations_are_called_on_what_the_tape_kept_and_on_ones_for_the_rest():
    """A product keeps its factors for backward; a sum keeps nothing, and any numbers take it the same time."""
    x = tensor(4, 3, wanted=True)
    calls = {call.name: call for call in capture(Product(), (x,), True)}
    first, second = (given.detach().numpy() for given in calls["mul"].inputs)
    np.testing.assert_array_equal(first, x.detach().numpy())
    np.testing.assert_array_equal(second, x.detach().numpy() + 1)
    assert calls["mul"].work(*calls["mul"].inputs).shape == (4, 3)
    (given,) = (one for one in calls["sum"].inputs if one is not None)
    np.testing.assert_array_equal(given.detach().numpy(), np.ones((4, 3), "float32"))
    assert given.requires_grad


def test_what_wanted_a_gradient_still_does_and_has_no_past():
    calls = {call.name: call for call in capture(Net(), (tensor(4, 3),), True)}
    assert not calls["linear"].inputs[0].requires_grad
    assert calls["linear#2"].inputs[0].requires_grad
    assert calls["linear#2"].inputs[0].grad_fn is None
    assert calls["add"].inputs[0].requires_grad
    wanted = capture(nn.ReLU(), (tensor(2, 3, wanted=True),), True)[0]
    assert wanted.inputs[0].requires_grad


class Clock:
    def __init__(self):
        self.graph = []

    def __call__(self, work):
        self.graph.append(is_grad_enabled())
        return work(), float(len(self.graph))


@pytest.mark.parametrize(
    ("learns", "wants", "backward", "found"),
    [
        (True, False, True, (1.0, 2.0)),
        (False, True, True, (1.0, 2.0)),
        (False, False, True, (1.0, None)),
        (True, True, False, (1.0, None)),
    ],
)
@pytest.mark.parametrize("outside", [True, False])
def test_backward_is_timed_where_something_wants_a_gradient(learns, wants, backward, found, outside):
    layer = nn.Linear(3, 2)
    for p in layer.parameters():
        p.requires_grad_(learns)
    call = EngineCall("x", "Linear", layer, (tensor(4, 3, wanted=wants), 7)[:1], list(layer.parameters()), backward)
    clock = Clock()
    if outside:
        assert call(clock) == found
    else:
        with no_grad():
            assert call(clock) == found
    assert clock.graph[0] is backward
    assert all(p.grad is None for p in layer.parameters())
    assert (call.cotangent is not None) is (found[1] is not None)
    if call.cotangent is not None:
        assert (call.cotangent.shape, call.cotangent.dtype) == ((4, 2), np.float32)
        assert call.cotangent.std() > 0


def test_an_output_that_is_no_tensor_has_no_backward():
    layer = nn.Linear(3, 2)
    call = EngineCall("x", "pair", lambda x: (layer(x), 1), (tensor(4, 3),), list(layer.parameters()))
    assert call(wall_clock)[1] is None


def test_bytes_moved_are_of_tensors():
    layer = nn.Linear(3, 2)
    assert EngineCall("x", "", layer, (tensor(4, 3), 5, None), list(layer.parameters())).moved == 4 * (12 + 6 + 2)
    assert EngineCall("x", "", layer, (5,)).moved == 0


def test_the_copy_has_weights_of_its_own():
    layer = nn.Linear(3, 2)
    other = copied(layer)
    with no_grad():
        other.weight.fill_(5.0)
    assert not (layer.weight.detach().numpy() == 5.0).any()


def test_an_output_in_tuples_and_lists_is_read_too():
    class Pair(nn.Module):
        def forward(self, x):
            return [x * 2.0, (x + 1.0, 3)]

    calls = capture(Pair(), (tensor(2, 2, wanted=True),), True)
    assert [(call.name, call.shape) for call in calls] == [("Pair", ())]

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            x = self.layer(x)
            return [x * 2.0, (x + 1.0, 3)]

    assert {call.name for call in capture(Outer(), (tensor(2, 2),), True)} == {"layer", "mul", "add"}


class Raises(nn.Module):
    def forward(self, x):
        raise ValueError("no more")


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (nn.Sequential(nn.ReLU(), Raises()), "1: ValueError: no more"),
        (nn.Sequential(nn.Sequential(Raises())), "0.0: ValueError: no more"),
        (Raises(), "Raises: ValueError: no more"),
    ],
)
def test_an_error_names_the_layer_and_leaves_no_hooks(net, said):
    with pytest.raises(PassError, match=f"^{said}"):
        capture(net, (tensor(2, 2),), True)
    assert not any(member._hooks for member in net.modules())
    target = Target("net", lambda _: net, built=net)
    with pytest.raises(BadInput, match=f"^net on the engine, input 2×2: {said}"):
        run(target, Inputs((Spec((2, 2)),)), 2, Conditions(), QUICK)


def timed(make, inputs, **how):
    return run(Target("net", make), inputs, 4, Conditions(**how), QUICK)


@pytest.mark.parametrize(
    "how", [{"device": "cuda"}, {"memory_format": "channels_last"}, {"dtype": "float16"}, {"dtype": "bfloat16"}]
)
def test_what_the_engine_cannot_do_is_refused(how):
    with pytest.raises(BadInput, match="on the CPU, in float32 or float64, on contiguous tensors"):
        timed(lambda nn: nn.Linear(3, 2), Inputs((Spec((4, 3)),)), **how)


@pytest.mark.parametrize(
    "inputs",
    [
        Inputs((), {"x": Spec((4, 3))}),
        Inputs(([Spec((4, 3))],)),
        Inputs((Spec((4, 3)), 5)),
        Inputs((Spec((4, 3)),), {"y": 1}),
    ],
)
def test_inputs_that_are_no_tensors_by_position_are_refused(inputs):
    with pytest.raises(BadInput, match="a network on the engine is given tensors by position: --input SHAPE"):
        timed(lambda nn: nn.Linear(3, 2), inputs)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda nn: nn.NoSuchLayer(3), "net cannot be built on the engine: .*NoSuchLayer"),
        (lambda nn: "a text", "net gave a str, not an underhood.nn.Module"),
    ],
)
def test_what_is_no_network_of_the_engine_is_refused(make, said):
    with pytest.raises(BadInput, match=said):
        timed(make, Inputs((Spec((4, 3)),)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training", [True, False])
def test_a_run_is_in_the_precision_and_mode_that_was_asked(dtype, training):
    seen = []

    class Looks(nn.Module):
        def forward(self, x):
            seen.append((str(np.dtype(x.dtype)), self.training))
            return x * 1.0

    net = nn.Sequential(nn.Linear(3, 2), Looks())
    found = timed(lambda _: net, Inputs((Spec((4, 3)),)), dtype=dtype, training=training)
    assert set(seen) == {(dtype, training)}
    assert (found.backend, found.batch, found.inputs) == ("underhood", 4, "4×3")
    assert (found.backward is not None) is training
    row = found["0"]
    size = 4 if dtype == "float32" else 8
    assert (row.label, row.kind, row.output, row.macs, row.moved) == ("0", "Linear", "(4, 2)", None, size * (12 + 8))
    assert (row.backward is not None) is training


@pytest.mark.parametrize(
    ("spec", "dtype", "kind"),
    [
        (Spec((2, 3)), "float64", "f"),
        (Spec((2, 3), "float32"), "float32", "f"),
        (Spec((2, 3), "int64"), "int64", "i"),
        (Spec((2, 3), "bool"), "bool", "b"),
    ],
)
def test_numbers_are_drawn_and_whole_ones_are_zero(spec, dtype, kind):
    made = _tensor(spec, Conditions(dtype="float64")).numpy()
    assert (str(made.dtype), made.shape) == (dtype, (2, 3))
    assert (made.std() > 0) if kind == "f" else not made.any()
    assert _tensor("as it is", Conditions()) == "as it is"
