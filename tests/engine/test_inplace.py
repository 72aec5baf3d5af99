"""In-place operations and views: the same programs on both libraries, and the same refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import underhood

LIBRARIES = [pytest.param(underhood, id="underhood"), pytest.param(torch, id="torch")]
rng = np.random.default_rng(0)
X, Y, ROW = rng.normal(size=(3, 4)), rng.uniform(0.5, 2, (3, 4)), rng.normal(size=4)


def doubled(x):
    """Something that is no leaf and may be changed."""
    return x * 2


def augmented(lib, x, y):
    z = doubled(x)
    z += y
    z *= y
    z -= 3
    z /= y
    z **= 2
    return z


def named(lib, x, y):
    z = doubled(x)
    return z.add_(y, alpha=0.5).sub_(1).mul_(y).div_(3).clamp_(-1, 2).neg_().abs_().add_(1).sqrt_()


def activations(lib, x, y):
    F = lib.nn.functional
    z = F.relu(doubled(x), inplace=True)
    z = F.leaky_relu(z - 1, 0.1, inplace=True)
    z = F.elu(z * 1, 0.5, inplace=True)
    z = F.hardtanh(z * 1, -0.3, 1.5, inplace=True)
    return F.silu(z * y, inplace=True).mul_(x).tanh_()


def filled(lib, x, y):
    z = doubled(x)
    z[0].zero_()
    z[:, 1].fill_(5)
    z[2].copy_(y[0])
    return z * z


def overwritten(lib, x, y):
    z = doubled(x)
    z.copy_(y * y)
    return z * x


def a_row(lib, x, y):
    z = doubled(x)
    z[1] *= y[1]
    return z.exp()


def a_view_of_a_view(lib, x, y):
    z = doubled(x)
    z[1:].t()[2].mul_(y[1:, 0])
    return z * z


def a_view_made_before(lib, x, y):
    z = doubled(x)
    row, all_in_a_line = z[0], z.view(-1)
    z.mul_(y)
    return row * 2 + all_in_a_line[4:8], z


def two_views(lib, x, y):
    z = doubled(x)
    first, second = z[:2], z[1:]
    first.mul_(y[:2])
    second.add_(y[1:])
    return first * second


def a_view_in_another_shape(lib, x, y):
    z = doubled(x)
    flat = z.reshape(2, 6)
    flat[:, ::2] = flat[:, 1::2] * 3
    return z.sin()


def chunks(lib, x, y):
    z = doubled(x)
    left, right = z[:, :2], z[:, 2:]
    left += right
    return z * y


def a_buffer_that_wants_nothing(lib, x, y):
    z = lib.zeros(3, 4, dtype=lib.float64)
    for i in range(3):
        z[i] = x[i] * y[i]
    return z


def a_view_of_a_buffer(lib, x, y):
    z = lib.zeros(3, 4, dtype=lib.float64)
    z[0].add_(x[0])
    z.select(1, 2).mul_(y[:, 2])
    return z


def by_itself(lib, x, y):
    z = doubled(x)
    z[0] += z[1]
    return z * y


def by_index(lib, x, y):
    z = doubled(x)
    z[:, 2] = 7.0
    z[[0, 2], 1:] = y[:2, 1:] * x[:2, 1:]
    z[z > 2] = 0.5
    z[..., -1] = x[:, 0]
    z[0, [1, 2]] = y[0, 0]
    return z


def filled_by_mask(lib, x, y):
    z = doubled(x)
    z.masked_fill_(y > 1, -2.0)
    return z * z


def scattered(lib, x, y):
    z = doubled(x)
    index = lib.tensor([[0, 2, 2, 1], [1, 0, 0, 0]])
    z.scatter_add_(0, index, y[:2])
    z.scatter_(1, lib.tensor([[1], [3], [0]]), x[:, :1] * 3)
    return z


def under_no_grad(lib, x, y):
    with lib.no_grad():
        x.mul_(3)
        x[0] = 1.0
    return x * y


PROGRAMS = [
    augmented, named, activations, filled, overwritten, a_row, a_view_of_a_view, a_view_made_before, two_views,
    a_view_in_another_shape, chunks, a_buffer_that_wants_nothing, a_view_of_a_buffer, by_itself, by_index,
    filled_by_mask, scattered, under_no_grad,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("form", ["definition", "vector", "fast"])
def test_a_program_with_in_place_changes(same, program, form):
    if form == "definition" and program in (a_view_made_before, a_view_in_another_shape):
        pytest.skip("by definition, reshape copies")
    with underhood.form(form):
        same(program, X, Y)


@pytest.mark.parametrize(
    "module", ["ReLU", "ReLU6", "LeakyReLU", "ELU", "CELU", "SELU", "SiLU", "Mish", "Hardtanh", "Hardswish"]
)
def test_a_module_in_place(same, module):
    def program(lib, x, y):
        z = x * y
        out = getattr(lib.nn, module)(inplace=True)(z)
        assert out is z
        return out * out

    same(program, X, Y)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_random_chain_of_changes(same, data):
    """Views and in-place operations in any order; both libraries end with the same numbers and gradients."""
    steps = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6))

    def program(lib, x, y):
        z = doubled(x)
        views = [z]
        for what, which in steps:
            v = views[which % len(views)]
            if what == 0:
                views.append(v[..., 1:] if v.shape[-1] > 1 else v)
            elif what == 1:
                views.append(v.transpose(0, -1))
            elif what == 2:
                v.mul_(y[0, 0] + which)
            else:
                v[..., 0] = y[1, 1] * which
        total = z.sum()
        for v in views:
            total = total + (v * v).sum()
        return total

    same(program, X, Y)


# -- what both refuse --


def a_leaf(lib, x):
    x.add_(1)


def a_view_of_a_leaf(lib, x):
    x[0].mul_(2)


def a_leaf_by_index(lib, x):
    x[0] = 1.0


def a_leaf_by_operator(lib, x):
    x += 1


def a_leaf_by_relu(lib, x):
    lib.nn.functional.relu(x, inplace=True)


def a_saved_input(lib, x):
    z = x * 2
    w = z * z
    z.add_(1)
    w.sum().backward()


def a_saved_output(lib, x):
    z = (x * 2).exp()
    z.add_(1)
    z.sum().backward()


def a_saved_input_through_a_view(lib, x):
    z = x * 2
    w = z.sin()
    z[0].zero_()
    w.sum().backward()


def a_saved_input_through_detach(lib, x):
    z = x * 2
    w = z * z
    z.detach().zero_()
    w.sum().backward()


def weights_loaded_between(lib, x):
    layer = lib.nn.Linear(X.shape[-1], 2, dtype=x.dtype)
    z = layer(x)
    layer.load_state_dict(layer.state_dict())
    z.sum().backward()


def a_larger_shape(lib, x):
    (x * 2)[0].add_(x)


def a_float_into_integers(lib, x):
    lib.zeros(4, dtype=lib.int64).add_(1.5)


def an_expanded_tensor(lib, x):
    lib.zeros(4, 1, dtype=lib.float64).expand(4, 3).add_(1)


def a_view_made_without_the_tape(lib, x):
    z = x * 2
    with lib.no_grad():
        row = z[0]
    row.mul_(2)


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize(
    ("program", "message"),
    [
        (a_leaf, "leaf Variable that requires grad"),
        (a_view_of_a_leaf, "a view of a leaf Variable that requires grad"),
        (a_leaf_by_index, "leaf Variable that requires grad"),
        (a_leaf_by_operator, "leaf Variable that requires grad"),
        (a_leaf_by_relu, "leaf Variable that requires grad"),
        (a_saved_input, "modified by an inplace operation"),
        (a_saved_output, "modified by an inplace operation"),
        (a_saved_input_through_a_view, "modified by an inplace operation"),
        (a_saved_input_through_detach, "modified by an inplace operation"),
        (weights_loaded_between, "modified by an inplace operation"),
        (a_larger_shape, "doesn't match the broadcast shape"),
        (a_float_into_integers, "can't be cast to the desired output type"),
        (an_expanded_tensor, "more than one element of the written-to tensor"),
        (a_view_made_without_the_tape, "A view was created in no_grad mode"),
    ],
)
def test_what_is_refused(lib, program, message):
    x = lib.from_numpy(X.copy()).requires_grad_()
    with pytest.raises(RuntimeError, match=message):
        program(lib, x)


def test_a_refused_change_changes_nothing():
    x = underhood.tensor(X).requires_grad_()
    with pytest.raises(RuntimeError):
        x.add_(1)
    np.testing.assert_array_equal(x.detach().numpy(), X)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_data_is_unknown_to_the_tape(lib):
    x = lib.from_numpy(X.copy()).requires_grad_()
    z = x * 2
    w = z * z
    z.data.zero_()
    w.sum().backward()  # no complaint, and the gradient of what z holds now
    assert float(x.grad.abs().sum()) == 0


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("name", ["mul_", "div_", "remainder_", "pow_"])
def test_only_sums_and_differences_take_a_multiple(lib, name):
    x = lib.tensor([1.0, 2.0])
    with pytest.raises(TypeError):
        getattr(x, name)(2.0, alpha=2)
    assert x.tolist() == [1.0, 2.0]
    assert x.add_(1.0, alpha=2).sub_(lib.tensor([1.0, 2.0]), alpha=3).tolist() == [0.0, -2.0]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_a_multiple_of_integers_is_of_an_integer(lib):
    x, y = lib.tensor([1, 2]), lib.tensor([0.5, 1.0])
    for call in (lib.add, lib.sub, lambda a, b, alpha: a.clone().add_(b, alpha=alpha)):
        with pytest.raises(RuntimeError, match="argument alpha must not be a floating point number"):
            call(x, x, alpha=2.5)
        with pytest.raises(RuntimeError, match="argument alpha must not be a floating point number"):
            call(x, 1, alpha=1.0)
    assert lib.add(x, y, alpha=2.5).tolist() == [2.25, 4.5]
    assert lib.sub(x, 1, alpha=2).tolist() == [-1, 0]
