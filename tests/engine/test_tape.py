"""The tape: what gradients flow where, when it is freed, switched off, hooked and asked by name."""

import gc
import weakref

import numpy as np
import pytest
import torch

import underhood
from underhood import engine
from underhood.engine.forms import OPERATIONS, Form, Operation
from underhood.engine.tape import Node, walk
from underhood.engine.tensor import apply

LIBRARIES = [pytest.param(underhood, id="underhood"), pytest.param(torch, id="torch")]
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(3, 4)), rng.uniform(0.5, 2, (3, 4))


def leaf(lib, x=X):
    return lib.from_numpy(x.copy()).requires_grad_()


# -- where gradients flow --


def a_diamond(lib, x, y):
    z = x * y
    return (z.sin() + z.exp()) * z


def one_input_many_uses(lib, x, y):
    return x * x + x * y - x / y + x


def the_same_input_twice(lib, x, y):
    return lib.maximum(x, x) + x @ x.t() @ y


def a_part_that_leads_nowhere(lib, x, y):
    x.exp()
    return y * 2


def two_outputs(lib, x, y):
    z = x * y
    return z.sum(0), z.tanh()


def an_output_that_is_used_on(lib, x, y):
    z = x * y
    return z, (z * z).sum()


def both_parts_of_max(lib, x, y):
    values, indices = x.max(1)
    return values * y[lib.arange(3), indices]


def through_integers(lib, x, y):
    return x * (y > 1).to(lib.float64) + y.argmax(1, keepdim=True)


def through_another_dtype(lib, x, y):
    return x.float().double() * y


def detached_in_the_middle(lib, x, y):
    return x * (x * y).detach() + y


@pytest.mark.parametrize(
    "program",
    [
        a_diamond,
        one_input_many_uses,
        the_same_input_twice,
        a_part_that_leads_nowhere,
        two_outputs,
        an_output_that_is_used_on,
        both_parts_of_max,
        through_integers,
        detached_in_the_middle,
    ],
)
@pytest.mark.parametrize("form", ["definition", "vector", "fast"])
def test_gradients_flow_as_in_torch(same, program, form):
    with underhood.form(form):
        same(program, X, Y)


def test_a_gradient_takes_its_parents_dtype(same):
    same(through_another_dtype, X, Y, tolerance=1e-6)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_gradients_accumulate_until_they_are_cleared(lib):
    x = leaf(lib)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first
    assert float(x.grad[0, 0]) == 5
    x.grad = None
    (x * 4).sum().backward()
    assert float(x.grad[0, 0]) == 4


@pytest.mark.parametrize("lib", LIBRARIES)
def test_gradients_do_not_share_memory(lib):
    x, y = leaf(lib), leaf(lib)
    (x + y).backward(lib.ones(3, 4, dtype=lib.float64))
    x.grad.mul_(0)
    assert float(y.grad.sum()) == 12


@pytest.mark.parametrize("lib", LIBRARIES)
def test_nor_do_views_of_one_gradient(lib):
    x, y = leaf(lib), leaf(lib)
    (x.reshape(12) + y.reshape(12)).sum().backward()
    x.grad.mul_(0)
    assert float(y.grad.sum()) == 12


@pytest.mark.parametrize("lib", LIBRARIES)
def test_the_gradient_handed_in_is_not_kept(lib):
    x, g = leaf(lib), lib.ones(3, 4, dtype=lib.float64)
    (x + 0).backward(g)
    g.zero_()
    assert float(x.grad.sum()) == 12


def test_a_long_chain_needs_no_recursion():
    x = underhood.ones(1, requires_grad=True)
    z = x
    for _ in range(50_000):
        z = z + 1
    z.backward()
    assert x.grad.item() == 1
    del z  # and neither does forgetting it


# -- what is kept, and how long --


@pytest.mark.parametrize("lib", LIBRARIES)
def test_the_tape_is_freed_by_backward(lib):
    z = leaf(lib).exp().sum()
    z.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        z.backward()


@pytest.mark.parametrize("lib", LIBRARIES)
def test_retain_graph_keeps_it(lib):
    x = leaf(lib)
    z = x.exp().sum()
    z.backward(retain_graph=True)
    once = x.grad.clone()
    z.backward()
    assert lib.allclose(x.grad, 2 * once)


def test_unsaved_inputs_are_let_go():
    """The sum needs no values: its input's memory is free as soon as the caller drops it."""
    x = underhood.ones(1000, requires_grad=True)
    z = x * 2
    array = weakref.ref(z.array)
    z = z.sum()
    gc.collect()
    assert array() is None
    z.backward()
    assert x.grad[0].item() == 2


def test_only_what_the_wanted_gradient_reads_is_kept():
    """The product with a constant needs the constant, not x."""
    x = underhood.ones(3, requires_grad=True)
    assert (x * 2).node.saved[1].strides == (0,)
    assert (x * x.detach()).node.saved[2].strides != (0,)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_what_an_operation_saves_are_arguments_of_its(name):
    operation = OPERATIONS[name]
    names = {"z", *operation.arguments, operation.rest}
    if isinstance(operation.saves, dict):
        assert operation.saves.keys() <= names
        saved = {name for group in operation.saves.values() for name in group}
    else:
        saved = set(operation.saves or ())
    assert saved <= names


# -- gradients by name --


@pytest.mark.parametrize("lib", LIBRARIES)
def test_grad_returns_gradients_and_gathers_none(lib):
    x, y = leaf(lib), leaf(lib, Y)
    z = x * y
    w = z.sin()
    of_x, of_z = lib.autograd.grad(w.sum(), [x, z])
    np.testing.assert_allclose(of_z.numpy(), np.cos(X * Y))
    np.testing.assert_allclose(of_x.numpy(), np.cos(X * Y) * Y)
    assert x.grad is None
    assert y.grad is None


@pytest.mark.parametrize("lib", LIBRARIES)
def test_grad_runs_only_the_part_between(lib):
    x = leaf(lib)
    z = x.exp()
    w = z.sin().sum()
    (g,) = lib.autograd.grad(w, z)
    z.backward(g)  # what is below z was not run and not freed
    np.testing.assert_allclose(x.grad.numpy(), np.cos(np.exp(X)) * np.exp(X))


@pytest.mark.parametrize("lib", LIBRARIES)
def test_grad_of_several_outputs_with_weights(lib):
    x = leaf(lib)
    (g,) = lib.autograd.grad([x.sin(), x.cos()], x, [lib.from_numpy(X), lib.from_numpy(Y)])
    np.testing.assert_allclose(g.numpy(), X * np.cos(X) - Y * np.sin(X))


@pytest.mark.parametrize("lib", LIBRARIES)
def test_grad_of_an_unused_input(lib):
    x, y = leaf(lib), leaf(lib)
    assert lib.autograd.grad(x.sum(), [x, y], allow_unused=True)[1] is None
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        lib.autograd.grad(x.sum(), y)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_backward_for_some_inputs_only(lib):
    x, y = leaf(lib), leaf(lib, Y)
    (x * y).sum().backward(inputs=[x])
    np.testing.assert_allclose(x.grad.numpy(), Y)
    assert y.grad is None


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda lib, x: x.exp().backward(), "grad can be implicitly created only for scalar outputs"),
        (lambda lib, x: x.detach().sum().backward(), "does not require grad and does not have a grad_fn"),
        (lambda lib, x: x.exp().backward(lib.ones(2)), "Mismatch in shape"),
        (lambda lib, x: lib.autograd.grad(x.sum(), x.detach()), "does not require grad"),
        (lambda lib, x: lib.ones(3, dtype=lib.int64).requires_grad_(), "only Tensors of floating point"),
        (lambda lib, x: (x * 2).requires_grad_(False), "you can only change requires_grad flags of leaf"),
        (lambda lib, x: x.numpy(), r"Can't call numpy\(\) on Tensor that requires grad"),
        (lambda lib, x: x.detach().register_hook(print), "cannot register a hook on a tensor that doesn't require"),
    ],
)
def test_mistakes_are_told_in_torchs_words(lib, program, message):
    with pytest.raises(RuntimeError, match=message):
        program(lib, leaf(lib))


@pytest.mark.parametrize(
    "call", [lambda z, x: z.backward(create_graph=True), lambda z, x: underhood.autograd.grad(z, x, create_graph=True)]
)
def test_gradients_of_gradients_are_refused(call):
    x = leaf(underhood)
    with pytest.raises(NotImplementedError, match="create_graph"):
        call(x.sum(), x)


# -- the tape switched off and on --


@pytest.mark.parametrize("lib", LIBRARIES)
def test_no_grad_and_enable_grad(lib):
    x = leaf(lib)
    with lib.no_grad():
        assert not (x * 2).requires_grad
        assert not lib.is_grad_enabled()
        with lib.enable_grad():
            assert (x * 2).requires_grad
        assert not lib.is_grad_enabled()
    assert (x * 2).requires_grad


@pytest.mark.parametrize("lib", LIBRARIES)
def test_as_decorators(lib):
    @lib.no_grad()
    def off(x):
        return x * 2

    @lib.enable_grad()
    def on(x):
        return x * 2

    @lib.set_grad_enabled(False)
    def switched_off(x):
        return x * 2

    x = leaf(lib)
    assert lib.is_grad_enabled()
    assert not off(x).requires_grad
    assert not switched_off(x).requires_grad
    assert lib.is_grad_enabled()
    with lib.no_grad():
        assert on(x).requires_grad


@pytest.mark.parametrize("lib", LIBRARIES)
def test_set_grad_enabled(lib):
    with lib.set_grad_enabled(False):
        assert not lib.is_grad_enabled()
    assert lib.is_grad_enabled()
    lib.set_grad_enabled(False)
    assert not lib.is_grad_enabled()
    lib.set_grad_enabled(True)
    assert lib.is_grad_enabled()


@pytest.mark.parametrize("lib", LIBRARIES)
def test_an_error_inside_no_grad_switches_the_tape_on_again(lib):
    with pytest.raises(ZeroDivisionError), lib.no_grad():
        1 / 0  # noqa: B018
    assert lib.is_grad_enabled()


# -- hooks --


@pytest.mark.parametrize("lib", LIBRARIES)
def test_a_hook_sees_and_changes_a_gradient(lib):
    x, seen = leaf(lib), []
    z = x * 2
    z.register_hook(lambda g: seen.append(g.numpy().copy()))
    z.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    (z * z).sum().backward()
    np.testing.assert_allclose(seen[0], 4 * X)
    np.testing.assert_allclose(x.grad.numpy(), 4 * X * 10 * 2 + 1)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_a_hook_is_called_once_with_the_whole_gradient(lib):
    x, seen = leaf(lib), []
    x.register_hook(lambda g: seen.append(g.numpy().copy()))
    (x * 2 + x * 3).sum().backward()
    assert len(seen) == 1
    np.testing.assert_allclose(seen[0], np.full(X.shape, 5.0))


@pytest.mark.parametrize("lib", LIBRARIES)
def test_a_hook_can_be_removed(lib):
    x, seen = leaf(lib), []
    handle = x.register_hook(seen.append)
    handle.remove()
    x.sum().backward()
    assert not seen


@pytest.mark.parametrize("lib", LIBRARIES)
def test_retain_grad_keeps_the_gradient_of_a_middle(lib):
    x = leaf(lib)
    z = x * 2
    z.retain_grad()
    z.sin().sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), np.cos(2 * X))


# -- the tape as data --


def test_a_node_says_what_was_done():
    x, w = underhood.ones(2, 3, requires_grad=True), underhood.ones(4, 3, requires_grad=True)
    with underhood.form("vector"):
        node = engine.functional.linear(x, w).node
    assert node.operation is OPERATIONS["linear"]
    assert node.form == "vector"
    assert node.parents == (x, w, None)
    assert node.shape == (2, 4)
    assert repr(node).startswith("<linear #")


def test_walk_goes_through_all_nodes_newest_first():
    x = underhood.ones(3, requires_grad=True)
    z = x * 2
    w = (z.exp() + z.sin()).sum()
    nodes = list(walk(w.node))
    assert [n.operation.name for n in nodes] == ["sum", "add", "sin", "exp", "mul"]
    assert all(isinstance(n, Node) for n in nodes)
    assert list(walk(x)) == []


@pytest.fixture
def told_apart():
    """An operation whose gradient says which form it came from."""

    def form(slope):
        return Form(lambda x: x * 1, lambda dz, z, x: dz * slope)

    yield Operation("told_apart", lambda x: x, vector=form(1), definition=form(2), fast=form(3))
    del OPERATIONS["told_apart"]


@pytest.mark.parametrize(("form", "slope"), [("vector", 1), ("definition", 2), ("fast", 3)])
def test_backward_uses_forwards_form(told_apart, form, slope):
    x = underhood.ones(3, requires_grad=True)
    with underhood.form(form):
        z = apply(told_apart, x)
    z.sum().backward()
    assert x.grad.tolist() == [slope] * 3


def test_there_is_no_fourth_form():
    with pytest.raises(ValueError, match="no form 'quick'"), underhood.form("quick"):
        pass


@pytest.mark.parametrize("first", ["sum", "product"])
def test_a_gradient_that_two_tensors_share_is_written_by_neither(first):
    """Of a + b both get the same array; what arrives at a besides is no business of b's."""
    p, q = (underhood.ones(3).requires_grad_() for _ in range(2))
    a, b = p * 1, q * 1
    parts = {"sum": lambda: a + b, "product": lambda: a * 2}
    made = {name: parts[name]() for name in sorted(parts, key=lambda name: name != first)}
    (made["sum"] + made["product"]).sum().backward()
    assert (p.grad.tolist(), q.grad.tolist()) == ([3, 3, 3], [1, 1, 1])
