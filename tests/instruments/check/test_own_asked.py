"""What a function of one's own may be asked: settings that go without saying, arguments it has no room for, words."""

import numpy as np
import pytest

from underhood.engine.forms import OPERATIONS
from underhood.errors import BadInput
from underhood.instruments.check.own import (
    _is_default,
    _is_usual,
    backward_of,
    can_be_asked,
    check_gradients,
    check_own,
    meant,
    missing,
    own,
    signature,
)
from underhood.instruments.check.question import Question, by_pair, fitting, positional_count, taken

X = np.random.default_rng(0).normal(size=(4, 3))


@pytest.mark.parametrize(
    ("key", "value", "usual"),
    [
        ("dim", -1, True),
        ("dim", 1, True),
        ("dim", (1,), True),
        ("dim", (-1,), True),
        ("dim", 0, False),
        ("dim", (0,), False),
        ("dim", (0, 1), False),
        ("normalized_shape", (3,), True),
        ("normalized_shape", [3], True),
        ("normalized_shape", (4, 3), False),
        ("normalized_shape", (4,), False),
        ("training", True, True),
        ("training", False, False),
        ("eps", 1e-5, True),
        ("eps", 2e-5, False),
        ("eps", 1e-6, False),
        ("reduction", "mean", True),
        ("reduction", "sum", False),
        ("keepdim", False, True),
        ("keepdim", True, False),
        ("approximate", "none", True),
        ("approximate", "tanh", False),
        ("p", 2.0, True),
        ("p", 1.0, False),
        ("p", 4.0, False),
        ("groups", 1, False),
    ],
)
def test_what_one_means_who_does_not_mention_a_setting(key, value, usual):
    assert _is_usual(key, value, X) is usual


def test_of_three_axes_none_goes_without_saying():
    assert not _is_usual("dim", -1, np.zeros((2, 3, 4)))
    assert _is_usual("dim", 0, np.zeros(3))


def test_a_default_is_what_the_signature_has_also_once_an_axis():
    import inspect

    def call(x, *, stride=1, dim, p=2.0): ...

    parameters = inspect.signature(call).parameters
    assert _is_default(1, parameters["stride"])
    assert _is_default((1, 1), parameters["stride"])
    assert not _is_default((1, 2), parameters["stride"])
    assert not _is_default(2, parameters["stride"])
    assert not _is_default(inspect.Parameter.empty, parameters["dim"])
    assert not _is_default(1, None)


@pytest.mark.parametrize(
    ("function", "settings", "count"),
    [
        (lambda a, b: 0, {}, 2),
        (lambda a, b, stride: 0, {"stride": 1}, 2),
        (lambda a, b, *, stride: 0, {"stride": 1}, 2),
        (lambda a, b, *, stride: 0, {}, 2),
        (lambda a, *rest, **more: 0, {}, 1),
        (lambda a, b=None: 0, {"c": 1}, 2),
        (lambda: 0, {}, 0),
    ],
)
def test_arguments_by_position_are_those_that_are_no_settings(function, settings, count):
    assert positional_count(function, settings) == count


def test_inputs_that_are_none_are_left_out_at_the_end_alone_and_where_there_is_no_room():
    def asked(*inputs):
        return Question(inputs, {"p": 2})

    assert fitting(lambda a, b: 0, asked(1, 2, None, None)) == (1, 2)
    assert fitting(lambda a, b, c: 0, asked(1, 2, None, None)) == (1, 2, None)
    assert fitting(lambda a, p: 0, asked(1, None)) == (1,)
    assert fitting(lambda a: 0, asked(None, 2)) == (None, 2)
    assert fitting(lambda a: 0, asked(1, None, 2)) == (1, None, 2)
    assert fitting(lambda: 0, asked(None)) == ()


def test_settings_reach_the_parameters_of_their_names():
    settings = {"p": 2, "dim": 1}
    assert taken(lambda x, p: 0, settings) == {"p": 2}
    assert taken(lambda x, **more: 0, settings) == settings
    assert taken(lambda x: 0, settings) == {}


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x, s: np.tanh(x) * s, lambda d, x, s: (d * s * (1 - np.tanh(x) ** 2), d * np.tanh(x))),
        (lambda x, s: np.tanh(x) * s, lambda d, z, x, s: (d * (s - z * z / s), d * z / s)),
        (
            lambda x, s: (np.tanh(x) * s, (np.tanh(x), s)),
            lambda d, kept: (d * kept[1] * (1 - kept[0] ** 2), d * kept[0]),
        ),
        (
            lambda x, s: (np.tanh(x) * s, np.tanh(x), s),
            lambda d, t, s: [d * s * (1 - t * t), d * t],
        ),
    ],
)
def test_a_backward_takes_what_it_has_room_for(forward, backward):
    s = np.random.default_rng(1).uniform(1, 2, (4, 3))
    question = Question((X, s), {}, ("x", "s"))
    answer = by_pair(forward, backward)(question)
    delta = question.cotangent((4, 3))
    np.testing.assert_allclose(answer.z, np.tanh(X) * s, rtol=1e-12)
    np.testing.assert_allclose(answer.gradients[0], delta * s / np.cosh(X) ** 2, rtol=1e-9)
    np.testing.assert_allclose(answer.gradients[1], delta * np.tanh(X), rtol=1e-9)


def test_gradients_that_are_not_given_are_none_and_too_many_are_cut():
    question = Question((X, X), {}, ("x", "s"))
    assert by_pair(lambda x, s: x, None)(question).gradients == (None, None)
    alone = by_pair(lambda x, s: x * 1, lambda d, x, s: d)(question).gradients
    assert alone[1] is None
    assert np.array_equal(alone[0], question.cotangent((4, 3)))
    assert len(by_pair(lambda x, s: x, lambda d, x, s: (d, d, d))(question).gradients) == 2
    single = by_pair(lambda x, s: x, lambda d, x, s: (d, s), np.float32)(question)
    assert {single.z.dtype, *(g.dtype for g in single.gradients)} == {np.dtype("float32")}


def relu_forward(x):
    return np.maximum(x, 0)


def relu_backward(grad, x):
    return grad * (x > 0)


def lonely(x):
    return x


class Square:
    def forward(self, x):
        return x * x

    def backward(self, grad, x):
        return 2 * grad * x


def test_a_forward_by_name_finds_the_backward_beside_it():
    assert backward_of(relu_forward) is relu_backward
    assert backward_of(lonely) is None
    assert own(relu_forward, "relu_forward").has_gradients


@pytest.mark.parametrize("thing", [Square, Square()])
def test_a_class_and_an_object_with_both_are_a_pair(thing):
    assert check_gradients(own(thing, "Square"), [(4, 3)]).agrees


@pytest.mark.parametrize("thing", [3, "relu", None, {}])
def test_what_is_no_function_is_refused(thing):
    kind = type(thing).__name__
    with pytest.raises(BadInput, match=f"it is a {kind}: check takes functions, layers, networks and optimisers"):
        own(thing, "it")


def test_gradients_need_shapes_and_a_backward():
    with pytest.raises(BadInput, match=r"relu: say what it is meant to be \(--against linear\), or what it is fed"):
        check_gradients(own(relu_forward, "relu"), [])
    with pytest.raises(BadInput, match="it has no backward beside it: lonely_backward is looked for"):
        check_gradients(own(lonely, "it"), [(3,)])


def test_the_longest_name_of_an_operation_is_meant():
    assert meant("file.py:MyLogSoftmax").name == "log_softmax"
    assert meant("my_softmax").name == "softmax"
    assert meant("softmax.py:own") is None
    assert meant("quux") is None


def test_a_function_is_asked_what_it_takes():
    softmax = OPERATIONS["softmax"]
    rows, stack = Question((X,), {"dim": -1}, ("x",)), Question((X[None],), {"dim": 0}, ("x",))
    with_dim, without, free = own((lambda x, dim: x,), "a"), own((lambda x: x,), "b"), own((lambda *x, **s: x,), "c")
    assert [can_be_asked(mine, softmax, rows) for mine in (with_dim, without, free)] == [True, False, True]
    assert can_be_asked(without, softmax, rows, usual=True)
    assert not can_be_asked(without, softmax, stack, usual=True)
    assert not can_be_asked(own((lambda dim: dim,), "d"), softmax, rows)
    assert (missing(with_dim, rows), missing(without, rows)) == ({}, {"dim": -1})
    assert signature(softmax, [rows]) == "softmax(x, *, dim)"
    assert signature(OPERATIONS["tanh"], [Question((X,))]) == "tanh(x)"


def test_what_was_not_checked_is_said():
    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
        return e / e.sum(-1, keepdims=True)

    found = check_own(own((softmax,), "softmax"), OPERATIONS["softmax"])
    foot = "\n".join(found.foot)
    every = len(list(OPERATIONS["softmax"].samples(np.random.default_rng(0))))
    assert found.agrees
    assert f"{every - len(found.rows)} of {every} samples are left out: they want other settings." in foot
    assert "It has no arguments for dim=" in foot
    assert "No backward stands beside it: the output alone is checked." in foot
    with pytest.raises(BadInput, match=r"none\(\): no sample of softmax fits these arguments; expected: softmax\("):
        check_own(own((lambda: 0,), "none"), OPERATIONS["softmax"])
