"""Tensors: made, converted, indexed, reshaped and compared as in torch."""

import copy
import operator
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import underhood

LIBRARIES = [pytest.param(underhood, id="underhood"), pytest.param(torch, id="torch")]
rng = np.random.default_rng(0)
X, Y, CUBE = rng.normal(size=(3, 4)), rng.uniform(0.5, 2, (3, 4)), rng.normal(size=(2, 3, 4))


def name(dtype):
    return str(dtype).removeprefix("torch.")


# -- made --


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.tensor([[1.0, 2], [3, 4]]),
        lambda lib: lib.tensor([1, 2]),
        lambda lib: lib.tensor(True),
        lambda lib: lib.tensor([]),
        lambda lib: lib.tensor(2.5),
        lambda lib: lib.tensor(np.float64(2.5)),
        lambda lib: lib.tensor(X),
        lambda lib: lib.tensor([1, 2], dtype=lib.float64),
        lambda lib: lib.as_tensor(X, dtype=lib.float32),
        lambda lib: lib.zeros(2, 3),
        lambda lib: lib.zeros((2, 3), dtype=lib.int64),
        lambda lib: lib.ones([2]),
        lambda lib: lib.ones(()),
        lambda lib: lib.full((2, 2), 3),
        lambda lib: lib.full((2,), 0.5),
        lambda lib: lib.full((2,), True),
        lambda lib: lib.eye(2, 3),
        lambda lib: lib.eye(2, dtype=lib.int32),
        lambda lib: lib.arange(5),
        lambda lib: lib.arange(1, 2, 0.25),
        lambda lib: lib.arange(5, 0, -2),
        lambda lib: lib.arange(3.0),
        lambda lib: lib.linspace(0, 1, 5),
        lambda lib: lib.linspace(0.9, 5.1, 5, dtype=lib.int64),
        lambda lib: lib.zeros_like(lib.tensor([1, 2])),
        lambda lib: lib.ones_like(lib.tensor([1.0]), dtype=lib.float64),
        lambda lib: lib.full_like(lib.tensor([1, 2]), 7),
        lambda lib: lib.tensor([1.0]).new_zeros(2, 3),
        lambda lib: lib.tensor([1]).new_ones((2,)),
        lambda lib: lib.tensor([1.0], dtype=lib.float64).new_tensor([1, 2]),
        lambda lib: lib.tensor([1.0]).new_full((2,), 3),
        lambda lib: lib.nn.functional.one_hot(lib.tensor([0, 2])),
    ],
)
def test_made_as_in_torch(make):
    ours, theirs = make(underhood), make(torch)
    assert name(ours.dtype) == name(theirs.dtype)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("lib", LIBRARIES)
def test_shapes_and_dtypes_of_what_is_drawn(lib):
    assert lib.rand(2, 3).shape == (2, 3)
    assert lib.randn((2,), dtype=lib.float64).dtype == lib.float64
    assert lib.randint(3, 7, (100,)).dtype == lib.int64
    assert set(lib.randint(3, 7, (1000,)).tolist()) == {3, 4, 5, 6}
    assert lib.randint(2, (5,)).shape == (5,)
    assert sorted(lib.randperm(6).tolist()) == list(range(6))
    assert lib.rand_like(lib.ones(2, 2)).shape == (2, 2)
    assert lib.empty(3).shape == lib.empty_like(lib.ones(3)).shape == (3,)
    assert abs(float(lib.randn(10_000).mean())) < 0.1
    assert abs(float(lib.randn_like(lib.ones(10_000)).std()) - 1) < 0.1


def test_manual_seed_starts_the_stream_anew():
    underhood.manual_seed(3)
    first = underhood.randn(4), underhood.nn.Linear(2, 2).weight.detach()
    underhood.manual_seed(3)
    again = underhood.randn(4), underhood.nn.Linear(2, 2).weight.detach()
    assert all(underhood.equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_generator_of_ones_own():
    draw = [underhood.randn(3, generator=np.random.default_rng(1)) for _ in range(2)]
    assert underhood.equal(*draw)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_whose_memory_it_is(lib):
    array = np.zeros(3)
    shared, copied = lib.from_numpy(array), lib.tensor(array)
    array[0] = 1
    assert shared[0] == 1
    assert copied[0] == 0
    assert lib.as_tensor(shared) is shared
    shared.numpy()[1] = 2
    assert array[1] == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: underhood.zeros(2, device="cuda"),
        lambda: underhood.ones(2).to("cuda:0"),
        lambda: underhood.tensor([1], device="mps"),
    ],
)
def test_there_is_only_the_cpu(call):
    with pytest.raises(RuntimeError, match="runs on the CPU"):
        call()


def test_an_unknown_dtype_is_refused():
    with pytest.raises(TypeError, match="no dtype complex128"):
        underhood.from_numpy(np.zeros(2, complex))
    with pytest.raises(TypeError, match=r"expected np\.ndarray"):
        underhood.from_numpy([1, 2])


# -- what it is --


@pytest.mark.parametrize("lib", LIBRARIES)
def test_what_a_tensor_says_of_itself(lib):
    x = lib.from_numpy(CUBE.copy())
    assert x.shape == (2, 3, 4)
    assert x.size() == (2, 3, 4)
    assert x.size(1) == 3
    assert (x.dim(), x.ndim, x.numel(), len(x)) == (3, 3, 24, 2)
    assert x.stride() == (12, 4, 1)
    assert x.transpose(0, 2).stride() == (1, 4, 12)
    assert x.is_contiguous()
    assert not x.transpose(0, 1).is_contiguous()
    assert x.transpose(0, 1).contiguous().is_contiguous()
    assert x.element_size() == 8
    assert x.is_floating_point()
    assert str(x.device) == "cpu"
    assert x.is_leaf
    assert x.shape.numel() == 24
    assert [row.shape for row in x] == [(3, 4), (3, 4)]
    assert f"{lib.tensor(0.5):.3f}" == "0.500"
    assert int(lib.tensor(3.7)) == 3
    assert float(lib.tensor(2)) == 2.0
    assert [10, 11, 12][lib.tensor(1)] == 11
    assert lib.tensor([[1, 2]]).tolist() == [[1, 2]]
    assert bool(lib.tensor([1.0]))


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize(
    ("program", "error"),
    [
        (lambda lib: len(lib.tensor(1.0)), TypeError),
        (lambda lib: list(lib.tensor(1.0)), TypeError),
        (lambda lib: bool(lib.ones(2)), RuntimeError),
        (lambda lib: lib.ones(2).item(), RuntimeError),
        (lambda lib: lib.ones(2, 3) + lib.ones(4), RuntimeError),
        (lambda lib: lib.ones(2, 3) @ lib.ones(2, 3), RuntimeError),
        (lambda lib: lib.ones(2, 3).mm(lib.ones(3)), RuntimeError),
        (lambda lib: lib.bmm(lib.ones(2, 3, 4), lib.ones(3, 4, 5)), RuntimeError),
        (lambda lib: lib.ones(2, 3).view(4), RuntimeError),
        (lambda lib: lib.ones(2, 3).t().view(6), RuntimeError),
        (lambda lib: lib.ones(2, 3).reshape(-1, -1), RuntimeError),
        (lambda lib: lib.ones(2, 3).sum(2), IndexError),
        (lambda lib: lib.ones(2, 3).sum((0, 0)), RuntimeError),
        (lambda lib: lib.ones(2, 3).transpose(0, 2), IndexError),
        (lambda lib: lib.ones(2, 3).permute(0), RuntimeError),
        (lambda lib: lib.ones(2, 3, 4).t(), RuntimeError),
        (lambda lib: lib.ones(2, 3).expand(4, 3), RuntimeError),
        (lambda lib: lib.ones(2, 3).repeat(2), RuntimeError),
        (lambda lib: lib.ones(2, 3)[2], IndexError),
        (lambda lib: lib.ones(2, 3)[::-1], ValueError),
        (lambda lib: lib.ones(2, 3)[lib.ones(2)], IndexError),
        (lambda lib: lib.cat([lib.ones(2, 3), lib.ones(2, 4)]), RuntimeError),
        (lambda lib: lib.cat([]), (RuntimeError, ValueError)),
        (lambda lib: lib.stack([lib.ones(2), lib.ones(3)]), RuntimeError),
        (lambda lib: lib.split(lib.ones(4), [1, 2]), RuntimeError),
        (lambda lib: lib.chunk(lib.ones(4), 0), RuntimeError),
        (lambda lib: lib.ones(4).narrow(0, 2, 3), RuntimeError),
        (lambda lib: lib.ones(2, 3).gather(1, lib.tensor([[3]])), RuntimeError),
        (lambda lib: lib.ones(2, 3).gather(1, lib.tensor([0])), RuntimeError),
        (lambda lib: lib.ones(0).max(), (RuntimeError, IndexError)),
        (lambda lib: lib.ones(2, 0).amax(1), IndexError),
        (lambda lib: lib.tensor([1, 2]).mean(), RuntimeError),
        (lambda lib: lib.tensor([1, 2]).std(), RuntimeError),
        (lambda lib: lib.ones(2).clamp(), (RuntimeError, ValueError)),
        (lambda lib: lib.ones(3).topk(4), RuntimeError),
        (lambda lib: lib.where(lib.ones(2), lib.ones(2), 0.0), RuntimeError),
        (lambda lib: lib.ones(2).masked_fill(lib.ones(2), 0), RuntimeError),
        (lambda lib: lib.ones(2, 3).unflatten(1, (2, 2)), RuntimeError),
        (lambda lib: lib.ones(3).tril(), RuntimeError),
        (lambda lib: lib.nn.functional.one_hot(lib.tensor([3]), 2), RuntimeError),
        (lambda lib: lib.nn.functional.glu(lib.ones(3)), RuntimeError),
        (lambda lib: lib.nn.functional.prelu(lib.ones(2, 3), lib.ones(2)), RuntimeError),
        (lambda lib: lib.nn.functional.gelu(lib.ones(2), approximate="erf"), RuntimeError),
        (lambda lib: lib.div(lib.ones(2), 2, rounding_mode="up"), RuntimeError),
        (lambda lib: lib.ones(3).index_select(0, lib.tensor([3])), (IndexError, RuntimeError)),
        (lambda lib: lib.zeros(3).copy_(lib.ones(2)), RuntimeError),
        (lambda lib: operator.setitem(lib.zeros(3), slice(2), lib.ones(3)), RuntimeError),
        (lambda lib: copy.deepcopy(lib.ones(2, requires_grad=True) * 2), RuntimeError),
    ],
)
def test_both_libraries_raise_the_same_kind_of_error(lib, program, error):
    with pytest.raises(error):
        program(lib)


def test_an_error_names_the_shapes():
    with pytest.raises(RuntimeError, match=r"\(2, 3\) and \(4,\)"):
        underhood.ones(2, 3) + underhood.ones(4)


def test_printing():
    assert repr(underhood.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(underhood.tensor([1.0], requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert repr(underhood.tensor([1.0], requires_grad=True) * 2) == "tensor([2.], grad_fn=<mul>)"
    assert repr(underhood.tensor([1.0]).double()) == "tensor([1.], dtype=float64)"
    assert repr(underhood.ones(2, 3).shape) == "Size([2, 3])"


@pytest.mark.parametrize("lib", LIBRARIES)
def test_copies(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    deep = copy.deepcopy({"weights": [x, x]})
    a, b = deep["weights"]
    assert a is b
    assert a is not x
    assert a.requires_grad
    assert a.grad.tolist() == [2, 4]
    with lib.no_grad():
        a.zero_()
    assert x.tolist() == [1, 2]
    again = pickle.loads(pickle.dumps(x))
    assert again.tolist() == [1, 2]
    assert again.requires_grad


# -- dtypes --

KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_promotion(kind, other):
    def program(lib):
        x, y = lib.ones(2, dtype=getattr(lib, kind)), lib.ones((), dtype=getattr(lib, other))
        wide = lib.ones(2, dtype=getattr(lib, other))
        return [
            x * y,
            x * wide,
            x + 1.5,
            x * 2,
            2 - x.to(lib.int8),
            x / wide,
            lib.maximum(x, wide),
            x == wide,
            lib.cat([x, wide]),
            x.sum(),
        ]

    for ours, theirs in zip(program(underhood), program(torch), strict=True):
        assert name(ours.dtype) == name(theirs.dtype)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("lib", LIBRARIES)
def test_conversions(lib):
    x = lib.tensor([1.7, -2.3])
    assert x.long().tolist() == [1, -2]
    assert x.int().dtype == lib.int32 == lib.int
    assert x.bool().tolist() == [True, True]
    assert x.double().dtype == lib.float64 == lib.double
    assert x.float() is x
    assert x.to(lib.float32) is x
    assert x.to("cpu") is x
    assert x.to("cpu", lib.float64).dtype == lib.float64
    assert x.to(lib.ones(1, dtype=lib.int16)).dtype == lib.int16 == lib.short
    assert x.type_as(lib.tensor(1)).dtype == lib.int64 == lib.long
    assert x.to(x.dtype, copy=True) is not x
    assert x.type(lib.float64).dtype == lib.float64


def test_to_keeps_the_gradient(same):
    def program(lib, x):
        return x.to(lib.float32).to(lib.float64) * 2

    same(program, X, tolerance=1e-6)


@pytest.mark.parametrize("f", ["exp", "sqrt", "sigmoid", "tanh", "log", "sin", "rsqrt", "reciprocal", "erf"])
def test_integers_become_floats_where_they_have_to(f):
    ours, theirs = (getattr(lib, f)(lib.tensor([1, 2, 3])) for lib in (underhood, torch))
    assert name(ours.dtype) == name(theirs.dtype) == "float32"
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


@pytest.mark.parametrize("f", ["relu", "abs", "neg", "sign", "square"])
def test_integers_stay_integers_where_they_can(f):
    ours, theirs = (getattr(lib, f)(lib.tensor([1, -2, 3])) for lib in (underhood, torch))
    assert name(ours.dtype) == name(theirs.dtype) == "int64"
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


# -- indexing and shapes, the same program on both --

INDICES = {
    "one": lambda lib, x: x[1],
    "several": lambda lib, x: x[1, 2, 3],
    "slices": lambda lib, x: x[:, 1:, ::2],
    "negative": lambda lib, x: x[-1, :, -2:],
    "ellipsis": lambda lib, x: x[..., 0],
    "new_axis": lambda lib, x: x[:, None, 1],
    "list": lambda lib, x: x[[1, 0, 1]],
    "tensor": lambda lib, x: x[:, lib.tensor([0, 2])],
    "two_tensors": lambda lib, x: x[lib.tensor([0, 1]), lib.tensor([2, 2])],
    "apart": lambda lib, x: x[lib.tensor([0, 1]), :, lib.tensor([2, 3])],
    "number_then_tensor": lambda lib, x: x[0, :, lib.tensor([1, 2, 2])],
    "tensor_then_number": lambda lib, x: x[lib.tensor([1, 0]), 1],
    "ellipsis_between": lambda lib, x: x[0, ..., lib.tensor([1, 2])],
    "matrix": lambda lib, x: x[:, :, lib.tensor([[0, 1], [2, 3]])],
    "mask": lambda lib, x: x[x > 0],
    "mask_of_rows": lambda lib, x: x[:, lib.tensor([True, False, True])],
    "mask_and_number": lambda lib, x: x[0, lib.tensor([True, False, True]), 1:],
    "number_tensor": lambda lib, x: x[lib.tensor(1)],
    "empty_list": lambda lib, x: x[[]],
    "none_matches": lambda lib, x: x[x > 100],
    "select": lambda lib, x: x.select(1, 2),
    "narrow": lambda lib, x: x.narrow(2, 1, 2),
    "index_select": lambda lib, x: x.index_select(-1, lib.tensor([3, 0, 0])),
    "masked_select": lambda lib, x: x.masked_select(x[0] > 0),
    "gather": lambda lib, x: x.gather(1, lib.tensor([[[0, 2, 1, 1]], [[1, 1, 0, 2]]])),
    "iterated": lambda lib, x: [row * 2 for row in x],
    "nonzero": lambda lib, x: [*lib.where(x > 0), lib.nonzero(x > 0)],
    "where": lambda lib, x: lib.where(x > 0, x, -2.0),
    "where_method": lambda lib, x: x.where(x > 0, x.exp()),
}
SHAPES = {
    "reshape": lambda lib, x: x.reshape(4, -1),
    "reshape_tuple": lambda lib, x: x.reshape((6, 4)),
    "view": lambda lib, x: x.view(2, 12),
    "view_as": lambda lib, x: x.view_as(lib.ones(4, 6)),
    "reshape_as": lambda lib, x: x.transpose(0, 1).reshape_as(lib.ones(4, 6)),
    "flatten": lambda lib, x: x.flatten(1),
    "flatten_middle": lambda lib, x: lib.flatten(x[None], 1, 2),
    "unflatten": lambda lib, x: x.unflatten(2, (2, -1)),
    "squeeze": lambda lib, x: x[:, :1].squeeze(1),
    "squeeze_all": lambda lib, x: x[:1, :, :1].squeeze(),
    "squeeze_nothing": lambda lib, x: x.squeeze(0),
    "squeeze_two": lambda lib, x: x[:1, :, :1].squeeze((0, 2)),
    "unsqueeze": lambda lib, x: x.unsqueeze(-1),
    "permute": lambda lib, x: x.permute(2, 0, 1),
    "transpose": lambda lib, x: x.transpose(-1, 0),
    "t": lambda lib, x: x[0].t(),
    "T": lambda lib, x: x[0].T,
    "mT": lambda lib, x: x.mT,
    "movedim": lambda lib, x: x.movedim(0, -1),
    "movedim_two": lambda lib, x: x.movedim((0, 2), (1, 0)),
    "expand": lambda lib, x: x[:, :1].expand(2, 5, -1),
    "expand_front": lambda lib, x: x.expand(3, 2, 3, 4),
    "expand_as": lambda lib, x: x[:1].expand_as(lib.ones(4, 3, 4)),
    "broadcast_to": lambda lib, x: lib.broadcast_to(x, (2, 2, 3, 4)),
    "repeat": lambda lib, x: x.repeat(2, 1, 3),
    "repeat_front": lambda lib, x: x.repeat(2, 1, 1, 2),
    "tile": lambda lib, x: x.tile(2),
    "repeat_interleave": lambda lib, x: x.repeat_interleave(3, dim=1),
    "repeat_interleave_flat": lambda lib, x: x.repeat_interleave(2),
    "cat": lambda lib, x: lib.cat([x, x * 2, x[:0]], 0),
    "cat_last": lambda lib, x: lib.cat((x, x[:, :, :1]), dim=-1),
    "cat_with_nothing": lambda lib, x: lib.cat([x, lib.empty(0)]),
    "stack": lambda lib, x: lib.stack([x[0], x[1]], dim=-1),
    "split": lambda lib, x: x.split(3, dim=2),
    "split_sections": lambda lib, x: lib.split(x, [1, 0, 2], dim=1),
    "chunk": lambda lib, x: x.chunk(3, -1),
    "unbind": lambda lib, x: x.unbind(1),
    "triu": lambda lib, x: [x.triu(1), x.tril(-1)],
    "clone": lambda lib, x: x.clone() * x,
    "contiguous": lambda lib, x: x.transpose(0, 2).contiguous().view(-1),
}
NUMBERS = {
    "sum": lambda lib, x: [x.sum(), x.sum(1), x.sum((0, 2), keepdim=True), x.sum(dim=-1)],
    "mean": lambda lib, x: [x.mean(), x.mean(-1, keepdim=True), x.mean((0, 1))],
    "var": lambda lib, x: [x.var(), x.var(1), x.var(dim=(0, 2), correction=0), x.var(unbiased=False), x.var(False)],
    "std": lambda lib, x: [x.std(), x.std(-1, keepdim=True), x.std(1, unbiased=False)],
    "max": lambda lib, x: [x.max(), *x.max(1), x.max(x * 0), *x.max(dim=-1, keepdim=True), x.amax((0, 1))],
    "min": lambda lib, x: [x.min(), *x.min(1), x.min(x * 0), x.amin(2, keepdim=True), lib.minimum(x, x * 2)],
    "arg": lambda lib, x: [x.argmax(), x.argmax(1), x.argmin(-1, keepdim=True), x.argsort(1)],
    "norm": lambda lib, x: [x.norm(), x.norm(1), x.norm(2, 1), x.norm(float("inf"), (0, 1), keepdim=True)],
    "sort": lambda lib, x: [*x.sort(), *x.sort(1, descending=True)],
    "topk": lambda lib, x: [*x.topk(2), *x.topk(1, dim=0, largest=False)],
    "cumsum": lambda lib, x: x.cumsum(1),
    "logsumexp": lambda lib, x: [x.logsumexp(1), lib.logsumexp(x, (0, 2), keepdim=True)],
    "softmax": lambda lib, x: [x.softmax(-1), x.log_softmax(0), lib.nn.functional.softmin(x, 1)],
    "clamp": lambda lib, x: [x.clamp(-0.5, 0.5), x.clamp(min=0), x.clamp(max=x.detach() * 0), x.clip(0, 1)],
    "matmul": lambda lib, x: [x @ x.mT, x[0] @ x[1, 0], lib.mm(x[0], x[1].t()), lib.bmm(x, x.mT), x[0].mv(x[1, 0])],
    "dot": lambda lib, x: [x[0, 0].dot(x[1, 1]), lib.outer(x[0, 0], x[1, 1])],
    "arithmetic": lambda lib, x: [2 - x, 1 / (x * x + 1), 2**x, abs(x), -x, x**3, (x * x + 1) ** 0.5, x % 2],
    "alpha": lambda lib, x: [lib.add(x, x, alpha=3), x.sub(x * x, alpha=0.5), x.square()],
    "alpha of a number": lambda lib, x: [lib.add(x, 2.0, alpha=3), x.sub(1, alpha=0.5), lib.sub(x, 1.5, alpha=-1)],
    "powers": lambda lib, x: [x.square(), (x * x).sqrt(), (x * x + 1).rsqrt(), (x * x + 1).log(), x.exp(), x.erf()],
    "more": lambda lib, x: [x.sin(), x.cos(), x.expm1(), (x * x).log1p(), (x * x + 1).log2(), x.round(), x.floor()],
    "compare": lambda lib, x: [x > 0, x <= x[0], x == x, x != 0, lib.isnan(x), lib.isfinite(x), (x > 0) & (x < 1)],
    "logic": lambda lib, x: [~(x > 0), (x > 0).logical_and(x < 1), (x > 0).all(), (x > 0).any(1), lib.isinf(x / 0)],
    "count": lambda lib, x: [(x > 0).sum(), lib.count_nonzero(x > 0), (x > 0).sum(0), x.numel() * x],
    "masked_fill": lambda lib, x: x.masked_fill(x > 0, 3.0),
    "scatter": lambda lib, x: lib.zeros(3, 4, dtype=lib.float64).scatter(1, lib.tensor([[1], [0], [3]]), x[0, :, :1]),
    "scatter_add": lambda lib, x: x[0].scatter_add(0, lib.tensor([[0, 0, 1, 1]]), x[1, :1]),
    "index_put": lambda lib, x: x[0].index_put((lib.tensor([0, 0]), lib.tensor([1, 1])), x[1, 0, :2], accumulate=True),
    "reciprocal": lambda lib, x: [x.reciprocal(), x.remainder(0.7), x.ceil(), x.sign()],
    "whole": lambda lib, x: [x.detach() // 0.3, lib.div(x.detach(), 0.3, rounding_mode="trunc")],
    "distance": lambda lib, x: [
        lib.nn.functional.pairwise_distance(x[0], x[1]),
        lib.nn.functional.cosine_similarity(x[0], x[1]),
        lib.nn.functional.normalize(x),
        lib.nn.functional.normalize(x * 0, p=1.0, dim=-1),
    ],
}


@pytest.mark.parametrize("program", [pytest.param(p, id=n) for n, p in (INDICES | SHAPES | NUMBERS).items()])
def test_the_same_as_torch(same, program):
    same(program, CUBE)


@settings(max_examples=60, deadline=None)
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4),
    seed=st.integers(0, 99),
    f=st.sampled_from(["add", "sub", "mul", "div", "maximum", "minimum", "pow"]),
)
def test_broadcasting(same, shapes, seed, f):
    draw = np.random.default_rng(seed)
    x, y = (np.asarray(draw.uniform(0.5, 2, shape)) for shape in shapes.input_shapes)
    same(lambda lib, x, y: getattr(lib, f)(x, y), x, y)


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(np.float64, hnp.array_shapes(max_dims=4, max_side=4), elements=st.integers(-3, 3).map(float)),
    f=st.sampled_from(["sum", "mean", "amax", "amin", "logsumexp", "norm"]),
    data=st.data(),
)
def test_reductions_over_any_axes(same, x, f, data):
    axes = data.draw(
        st.lists(st.integers(-x.ndim, x.ndim - 1), min_size=1, max_size=x.ndim, unique_by=lambda a: a % x.ndim)
    )
    keep = data.draw(st.booleans())
    options = {"dim": tuple(axes), "keepdim": keep}
    power = {"p": 2} if f == "norm" else {}  # without it torch takes matrices only
    same(lambda lib, x: getattr(lib, f)(x, **power, **options), x)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_basic_index(same, data):
    x = np.arange(60.0).reshape(3, 4, 5)
    index = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True).filter(_steps_forward))
    same(lambda lib, x: x[index] * 2, x)


def _steps_forward(index):
    parts = index if isinstance(index, tuple) else (index,)
    return all(p.step is None or p.step > 0 for p in parts if isinstance(p, slice))


def test_views_share_memory_and_copies_do_not():
    x = underhood.zeros(2, 3)
    for view in (x[0], x[:, 1:], x.t(), x.view(6), x.unsqueeze(0), x.expand(4, 2, 3), x.detach(), x.split(1)[0]):
        assert np.may_share_memory(view.numpy(), x.numpy())
    for new in (x[[0]], x[x == 0], x.clone(), x.repeat(1, 1), x + 0, underhood.cat([x])):
        assert not np.may_share_memory(new.numpy(), x.numpy())


def test_comparing_with_what_is_no_number():
    x = underhood.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != "x") is True
    with pytest.raises(TypeError):
        x < "x"  # noqa: B015


@pytest.mark.parametrize("lib", LIBRARIES)
def test_close_and_equal(lib):
    x, y = lib.tensor([1.0, 2.0]), lib.tensor([1.0, 2.00001])
    assert lib.allclose(x, y)
    assert not lib.allclose(x, y, rtol=1e-7)
    assert not lib.equal(x, y)
    assert lib.equal(x, x.clone())
    assert not lib.equal(x, lib.ones(3))
    assert lib.isclose(x, y, rtol=1e-7).tolist() == [True, False]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_the_first_of_equals(lib):
    x = lib.tensor([[1.0, 3, 3], [2, 2, 2]])
    assert x.argmax(1).tolist() == x.max(1).indices.tolist() == [1, 0]
    assert x.argmin(1).tolist() == x.min(1).indices.tolist() == [0, 0]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_softmax_without_an_axis_warns(lib):
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        z = lib.nn.functional.softmax(lib.ones(2, 4))
    assert z[0, 0] == 0.25


@pytest.mark.parametrize("lib", LIBRARIES)
def test_random_numbers_in_place(lib):
    x = lib.zeros(10_000)
    assert 0.4 < float(x.uniform_(0, 1).mean()) < 0.6
    assert 1.9 < float(x.normal_(2, 0.5).mean()) < 2.1
