"""What of one's own can be checked, told apart."""

from types import SimpleNamespace

import numpy as np
import pytest

from underhood.engine.forms import OPERATIONS
from underhood.errors import BadInput
from underhood.instruments.check import check
from underhood.instruments.check.own import backward_of, check_own, meant, own


@pytest.mark.parametrize("pair", [(3, np.cos), (np.sin, 3), ("sin", None), [None, None]])
def test_a_pair_that_is_none_is_refused(pair):
    with pytest.raises(BadInput, match="sine: a pair is a forward and a backward function"):
        own(pair, "sine")


@pytest.mark.parametrize("pair", [(np.sin,), (np.sin, None), [np.sin, lambda delta, x: delta * np.cos(x)]])
def test_a_backward_may_be_left_out_of_a_pair(pair):
    assert own(pair, "sine").name == "sine"


@pytest.mark.parametrize("name", ["sine_backward", "backward_sine", "sine_back", "sine_grad", "dsine"])
def test_a_backward_beside_its_forward_is_found_by_its_name(name):
    def sine(x):
        return np.sin(x)

    home = SimpleNamespace(**{"sine": sine, name: lambda delta, x: delta * np.cos(x)})
    assert own(sine, "sine", home).has_gradients
    assert not own(sine, "sine", SimpleNamespace(sine=sine, sine_forward=sine)).has_gradients


def test_what_a_function_does_not_mention_is_taken_as_usual():
    """A layer norm without `normalized_shape` is one over the last axis, on inputs that are not square."""

    def layer_norm(a, w, b):
        return w * (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5) + b

    found = check_own(own((layer_norm,), "layer_norm"), OPERATIONS["layer_norm"])

    def is_usual(x, *_, normalized_shape=None, eps=1e-5):
        return normalized_shape == x.shape[-1:] and eps == 1e-5

    samples = list(OPERATIONS["layer_norm"].samples(np.random.default_rng(0)))
    usual = [s for s in samples if is_usual(*s.inputs, **s.settings) and all(x is not None for x in s.inputs)]
    assert found.agrees
    assert len(found.rows) == len(usual) > 1


def test_a_pair_of_ones_own_is_asked_in_float32_too():
    """float32's steps are five hundred million times as wide: what is off by rounding there is not in float64."""
    seen = []

    def tanh(x):
        seen.append(x.dtype)
        return np.tanh(x)

    def tanh_backward(grad, x):
        return grad * (1 - np.tanh(x) ** 2)

    found = check_own(own((tanh, tanh_backward), "tanh"), OPERATIONS["tanh"])
    assert {np.dtype("float32"), np.dtype("float64")} <= {*seen}
    (row, *_) = found.rows
    assert 1e-9 < row["single"] < 1e-5


class Sine:
    """Both ways of one's own, as methods."""

    def forward(self, x):
        return np.sin(x)

    def backward(self, delta, x):
        return delta * np.cos(x)


@pytest.mark.parametrize("thing", [Sine, Sine(), (np.sin, lambda delta, x: delta * np.cos(x))])
def test_a_class_an_object_and_a_pair_are_asked_alike(thing):
    found = check_own(own(thing, "sine"), OPERATIONS["sin"])
    assert found.agrees
    assert own(thing, "sine").has_gradients


def test_a_wrong_gradient_of_an_object_is_found():
    class Wrong(Sine):
        def backward(self, delta, x):
            return -delta * np.cos(x)

    assert check_own(own(Wrong(), "sine"), OPERATIONS["sin"]).faults == ("sign",)


def test_the_backward_of_a_forward_by_name():
    def sine_forward(x):
        return np.sin(x)

    def sine_backward(delta, x):
        return delta * np.cos(x)

    def other(delta, x):
        return delta

    around = SimpleNamespace(sine_forward=sine_forward, sine_backward=sine_backward)
    assert backward_of(sine_forward, around) is sine_backward
    nearer = SimpleNamespace(sine_backward=other, sine_forward_backward=sine_backward)
    assert backward_of(sine_forward, nearer) is other  # without `_forward` first
    assert backward_of(sine_forward, SimpleNamespace(sine_backward=3)) is None  # no function
    assert backward_of(np.sin, SimpleNamespace(sin_backward=other)) is other
    assert backward_of(SimpleNamespace(), SimpleNamespace()) is None


def test_what_is_nothing_to_check():
    with pytest.raises(BadInput, match="three is a int: check takes functions, layers, networks and optimisers"):
        own(3, "three")


def test_operations_are_checked_as_such_by_name_and_as_a_page():
    by_name, as_page = check("tanh"), check(OPERATIONS["tanh"])
    assert by_name.title == as_page.title
    assert by_name.agrees
    assert as_page.agrees


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("my_conv2d", "conv2d"),
        ("MyConv2dFast", "conv2d"),
        ("conv2d1", "conv2d"),
        ("mymin", "min"),
        ("mine", None),
        ("frobnicate", None),  # there is a cat in it
        ("model", None),
        ("ReLU", "relu"),
        ("LeakyReLU", "leaky_relu"),
        ("relu6", None),  # a function of its own
        ("CrossEntropyLoss", "cross_entropy"),
        ("crossentropy", "cross_entropy"),
        ("softmax_forward", "softmax"),
        ("file.py:log_softmax", "log_softmax"),
        ("BatchNorm2d", "batch_norm"),
        ("linear2", "linear"),
        ("", None),
    ],
)
def test_an_operation_is_meant_by_whole_words(name, operation):
    found = meant(name)
    assert (found and found.name) == operation
