"""Corners of single operations, against PyTorch: what was wrong once, and what its database does not ask."""

import numpy as np
import pytest
import torch

import underhood

rng = np.random.default_rng(11)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_full_like_takes_the_value_in_its_own_dtype(dtype):
    made = underhood.full_like(underhood.tensor([1, 2]), 0.5, dtype=getattr(underhood, dtype))
    expected = torch.full_like(torch.tensor([1, 2]), 0.5, dtype=getattr(torch, dtype))
    np.testing.assert_array_equal(made.numpy(), expected.numpy())


@pytest.mark.parametrize("dim", [-1, -2, 0])
def test_cosine_similarity_broadcasts_along_its_axis_too(same, dim):
    x, y = rng.normal(size=(1, 2, 3)), rng.normal(size=(2, 1, 3))
    same(lambda lib, x, y: lib.nn.functional.cosine_similarity(x, y, dim=dim), x, y)


def test_cosine_similarity_of_short_vectors(same):
    x, y = np.array([[0.0, 0.0], [1e-10, 2e-10], [3.0, 4.0]]), rng.normal(size=(3, 2))
    same(lambda lib, x, y: lib.nn.functional.cosine_similarity(x, y), x, y)


@pytest.mark.parametrize("pad", [(-1, 1, -2, 1), (2, -1, 0, -1), (-1, -1, 1, 1)])
def test_circular_padding_cuts_before_it_wraps(same, pad):
    same(lambda lib, x: lib.nn.functional.pad(x, pad, mode="circular"), rng.normal(size=(1, 2, 4, 4)))


@pytest.mark.parametrize("form", ["definition", "vector", "fast"])
def test_conv_transpose2d_with_output_padding_beyond_the_stride(same, form):
    settings = {"stride": 2, "dilation": 3, "output_padding": 2, "groups": 2, "padding": 1}
    x, w, b = rng.normal(size=(2, 4, 4, 3)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=6)
    with underhood.form(form):
        same(lambda lib, x, w, b: lib.nn.functional.conv_transpose2d(x, w, b, **settings), x, w, b)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize("form", ["definition", "fast"])
def test_softmax_over_an_empty_axis(same, name, form):
    with underhood.form(form):
        same(lambda lib, x: getattr(lib.nn.functional, name)(x, dim=1), np.zeros((3, 0)))


def test_logsumexp_of_nothing_and_of_infinities(same):
    with np.errstate(divide="ignore"):
        same(lambda lib, x: lib.logsumexp(x, 1), np.zeros((2, 0)))
    same(lambda lib, x: lib.logsumexp(x, 1), np.array([[np.inf, 1.0], [0.0, 2.0]]))


def test_numbers_without_axes_are_lines_of_one(same):
    x = np.array(2.5)
    same(lambda lib, x: lib.gather(x, 0, lib.tensor(0)), x)
    same(lambda lib, x: lib.gather(x, 0, lib.tensor([0])), x)
    same(lambda lib, x, v: lib.scatter(x, 0, lib.tensor(0), v), x, np.array(1.5))
    same(lambda lib, x, v: lib.scatter_add(x, 0, lib.tensor([0]), v), x, np.array([1.5]))
    same(lambda lib, x: lib.topk(x, 1), x)
    same(lambda lib, x: lib.nonzero(x), x)
    same(lambda lib, x: lib.nonzero(x, as_tuple=True), x)
    same(lambda lib, x: lib.nonzero(x), np.array(0.0))
    same(lambda lib, x: lib.index_select(x, 0, lib.tensor([0])), x)


def test_kl_div_of_negative_targets_is_nan(same):
    target = np.array([-0.5, 0.0, 0.5])
    same(lambda lib, x, t: lib.nn.functional.kl_div(x, t, reduction="none"), rng.normal(size=3), target)


def test_a_lone_element_is_a_view():
    x = underhood.tensor([1.0, 2.0, 3.0])
    x.select(0, 1).add_(10)
    x[2].mul_(2)
    assert x.tolist() == [1, 12, 6]


def test_index_fill_counts_a_row_named_twice_once(same):
    index = [0, 2, 0]
    same(lambda lib, x, v: lib.index_fill(x, 1, lib.tensor(index), v), rng.normal(size=(2, 4)), np.array(2.0))


@pytest.mark.parametrize(
    "settings",
    [{}, {"is_causal": True}, {"scale": 0.3}, {"mask": "bool"}, {"mask": "float"}, {"mask": "blind"}],
    ids=str,
)
def test_attention(same, settings):
    q, k, v = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(2, 3, 6, 7))
    masks = {"bool": rng.random((4, 6)) > 0.3, "float": rng.normal(size=(2, 1, 4, 6)), "blind": np.tri(4, 6, -1) > 0}
    options = {name: value for name, value in settings.items() if name != "mask"}

    def program(lib, q, k, v):
        mask = lib.from_numpy(masks[settings["mask"]].copy()) if "mask" in settings else None
        return lib.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, **options)

    same(program, q, k, v)


@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk",
        "ji",
        "kj,ji",
        "bij,bjk->bik",
        "ii->i",
        "ii",
        "...i,...i->...",
        "i,j->ij",
        "ij->ji",
        "bhld,bhmd->bhlm",
        "ijk,k",
    ],
)
def test_einsum(same, equation):
    lengths = dict(zip("ijkbhldm", (3, 4, 5, 2, 2, 3, 4, 3), strict=True))
    terms = equation.partition("->")[0].replace("...", "bh").split(",")
    operands = [rng.normal(size=[lengths[c] for c in term]) for term in terms]
    same(lambda lib, *x: lib.einsum(equation, *x), *operands)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("options", [{"scale_factor": 1.7}, {"scale_factor": (0.5, 2)}, {"size": (3, 9)}], ids=str)
def test_interpolate(same, mode, options):
    same(lambda lib, x: lib.nn.functional.interpolate(x, mode=mode, **options), rng.normal(size=(2, 3, 5, 4)))


def test_multinomial_draws_by_weight():
    underhood.manual_seed(0)
    weights = underhood.tensor([[1.0, 0.0, 3.0], [2.0, 2.0, 0.0]])
    drawn = underhood.multinomial(weights, 20000, replacement=True).numpy()
    found = np.stack([np.bincount(row, minlength=3) / row.size for row in drawn])
    np.testing.assert_allclose(found, [[0.25, 0, 0.75], [0.5, 0.5, 0]], atol=0.015)
    without = underhood.multinomial(underhood.ones(50, 4), 4).numpy()
    np.testing.assert_array_equal(np.sort(without), np.tile(np.arange(4), (50, 1)))


@pytest.mark.parametrize("name", ["add_", "clamp_", "lerp_", "addcmul_", "tril_"])
def test_in_place_by_way_of_a_copy(same, name):
    arguments = {"add_": 1, "clamp_": 1, "lerp_": 2, "addcmul_": 2, "tril_": 0}[name]

    def program(lib, x, y, z):
        given = (y, 0.3) if name == "lerp_" else (y, z)[:arguments]
        return getattr(x * 2, name)(*given)

    same(program, *(rng.normal(size=(3, 3)) for _ in range(3)))


@pytest.mark.parametrize("lib", [underhood, torch])
@pytest.mark.parametrize("times", [(1,), (1, 1), (1, 2)])
def test_what_is_repeated_once_is_a_copy(lib, times):
    x = lib.ones(3)
    x.repeat(*times).mul_(5)
    assert x.tolist() == [1, 1, 1]


@pytest.mark.parametrize("indexing", ["ij", "xy"])
@pytest.mark.parametrize("lengths", [(2,), (2, 3), (2, 3, 4)])
def test_meshgrid(same, indexing, lengths):
    axes = [rng.normal(size=n) for n in lengths]
    same(lambda lib, *axes: lib.stack(lib.meshgrid(*axes, indexing=indexing)), *axes)


@pytest.mark.parametrize("lib", [underhood, torch])
def test_a_new_axis_has_no_length_to_keep(lib):
    with pytest.raises(RuntimeError, match="-1"):
        lib.ones(3).expand(-1, 3)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_shuffled_channels_have_memory_of_their_own(groups):
    """What is written into them afterwards is not written into the input, also where nothing had to move."""
    x = underhood.arange(16.0).reshape(1, 4, 2, 2)
    before = x.tolist()
    underhood.nn.functional.channel_shuffle(x, groups).zero_()
    underhood.nn.functional.pixel_shuffle(x, 1).zero_()
    underhood.nn.functional.pixel_unshuffle(x, 1).zero_()
    assert x.tolist() == before


def test_attention_is_scaled_by_the_width_of_its_queries():
    q, k, v = (underhood.tensor(rng.normal(size=(2, 3, width))) for width in (4, 4, 9))
    z = underhood.nn.functional.scaled_dot_product_attention(q, k, v)
    expected = torch.nn.functional.scaled_dot_product_attention(*(torch.from_numpy(x.numpy()) for x in (q, k, v)))
    np.testing.assert_allclose(z.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "sqrt"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_transposed_tensors_keep_their_elements_in_place(name, dtype):
    x = rng.uniform(0.1, 2, size=(700, 300)).astype(dtype)
    ours, theirs = underhood.tensor(x).T, torch.tensor(x).T
    np.testing.assert_allclose(getattr(ours, name)().numpy(), getattr(theirs, name)().numpy(), rtol=1e-5)
    ours.requires_grad_(True)
    getattr(ours, name)().backward(ours.detach())
    theirs = theirs.clone().requires_grad_(True)
    getattr(theirs, name)().backward(theirs.detach())
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_gumbel_softmax_divides_all_by_its_temperature():
    logits = underhood.tensor([[0.5, -1.0, 2.0], [0.0, 3.0, -2.0]])
    logs = []
    for tau in (1, 4):
        underhood.manual_seed(3)  # the same noise
        logs.append(underhood.nn.functional.gumbel_softmax(logits, tau).log().numpy())
    one, four = (z - z.mean(1, keepdims=True) for z in logs)
    np.testing.assert_allclose(four, one / 4, rtol=1e-4, atol=1e-5)


def test_a_new_tensor_may_want_a_gradient():
    made = underhood.ones(2, dtype=underhood.float64).new_tensor([1, 2], requires_grad=True)
    assert (made.requires_grad, made.dtype) == (True, underhood.float64)


def test_clamp_between_tensors_where_they_meet_and_where_they_are_crossed(same):
    """All triples of x, low and high: at a bound, between equal bounds, and with low above high."""
    values = np.array([-1.0, 0.0, 0.5, 2.0])
    x, low, high = (grid.ravel() for grid in np.meshgrid(values, values, values))
    same(lambda lib, x, low, high: lib.clamp(x, low, high), x, low, high)
    same(lambda lib, x, low: lib.clamp(x, low), x, low)
    same(lambda lib, x, high: lib.clamp(x, max=high), x, high)
