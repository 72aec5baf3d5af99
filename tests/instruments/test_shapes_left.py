"""What the shape rules take, what they leave to torch, argument by argument, and what they refuse."""

import pytest
import torch

from underhood.errors import BadInput
from underhood.instruments.shapes import (
    by_rule,
    convolution_shape,
    pool_arguments,
    spread,
    transposed,
    transposed_text,
    window,
    window_text,
)

aten = torch.ops.aten


def empty(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


x, y, wide, other, whole = (
    empty(2, 3),
    empty(2, 3),
    empty(2, 1),
    empty(2, 3, dtype=torch.float64),
    empty(2, 3, dtype=torch.int64),
)
image = empty(2, 4, 9, 7)

LEFT = {
    "keywords": (aten.add.Tensor, (x, y), {"alpha": 2}),
    "an operation without a rule": (aten.sort.default, (x,), {}),
    "in place, of another type": (aten.add_.Tensor, (x, other), {}),
    "in place, of another shape": (aten.add_.Tensor, (x, wide), {}),
    "in place, of whole numbers": (aten.add_.Tensor, (whole, whole), {}),
    "of whole numbers": (aten.sigmoid.default, (whole,), {}),
    "to the power of a tensor": (aten.pow.Tensor_Tensor, (x, y), {}),
    "a number to the power of a tensor": (aten.pow.Scalar, (2.0, x), {}),
    "three arguments": (aten.add.Tensor, (x, y, 2), {}),
    "whole numbers and a number": (aten.add.Tensor, (whole, 1), {}),
    "a number first": (aten.mul.Tensor, (2.0, x), {}),
    "a complex number": (aten.mul.Tensor, (x, 2j), {}),
    "two types": (aten.mul.Tensor, (x, other), {}),
    "two shapes": (aten.div.Tensor, (x, wide), {}),
    "a convolution of two types": (
        aten.convolution.default,
        (image, empty(6, 4, 3, 3, dtype=torch.float64), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
        {},
    ),
    "a convolution of which nothing is left": (
        aten.convolution.default,
        (image, empty(6, 4, 10, 3), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
        {},
    ),
    "a max-pool of which nothing is left": (aten.max_pool2d_with_indices.default, (image, [10, 2]), {}),
    "an average pool of which nothing is left": (aten.avg_pool2d.default, (image, [2, 8]), {}),
    "a bias of two dimensions": (aten.addmm.default, (empty(2, 5), x, empty(3, 5)), {}),
    "a bias of another type": (aten.addmm.default, (empty(5, dtype=torch.float64), x, empty(3, 5)), {}),
    "a bias that is spread": (aten.addmm.default, (empty(1), x, empty(3, 5)), {}),
    "matrices of two types": (aten.mm.default, (x, empty(3, 5, dtype=torch.float64)), {}),
    "matrices that do not fit": (aten.mm.default, (x, empty(4, 5)), {}),
    "batches that do not fit": (aten.bmm.default, (empty(2, 3, 4), empty(3, 4, 5)), {}),
    "a mean over all": (aten.mean.dim, (x, None), {}),
    "a mean over no axis": (aten.mean.dim, (x, []), {}),
    "a mean of whole numbers": (aten.mean.dim, (whole, [0]), {}),
    "cat of two ranks": (aten.cat.default, ([x, empty(0)],), {}),
    "cat of two types": (aten.cat.default, ([x, other],), {}),
    "cat of rows that differ": (aten.cat.default, ([x, empty(2, 4)],), {}),
    "cat of columns that differ": (aten.cat.default, ([x, empty(1, 3)], 1), {}),
    "rows dealt out, of one matrix": (aten._grouped_mm.default, (x, empty(3, 5)), {}),
    "rows dealt out, in batches": (aten._grouped_mm.default, (empty(2, 2, 3), empty(2, 3, 5)), {}),
    "rows dealt out that do not fit": (aten._grouped_mm.default, (x, empty(4, 2, 5)), {}),
}


@pytest.mark.parametrize("name", LEFT)
def test_it_is_left_to_torch(name):
    assert by_rule(*LEFT[name]) is None


def test_another_librarys_operation_is_left_to_it():
    class Func:
        namespace = "mine"
        overloadpacket = aten.relu

    assert by_rule(Func, (x,), {}) is None


@pytest.mark.parametrize(
    ("func", "args", "shape"),
    [
        (aten.add.Tensor, (x, y), (2, 3)),
        (aten.add.Tensor, (x, 1), (2, 3)),
        (aten.div.Tensor, (x, 2.5), (2, 3)),
        (aten.sigmoid.default, (x,), (2, 3)),
        (aten.pow.Tensor_Scalar, (x, 2), (2, 3)),
        (aten.hardtanh.default, (x, 0.0, 6.0), (2, 3)),
        (aten.addmm.default, (empty(5), x, empty(3, 5)), (2, 5)),
        (aten.mm.default, (x, empty(3, 5)), (2, 5)),
        (aten.bmm.default, (empty(4, 2, 3), empty(4, 3, 6)), (4, 2, 6)),
        (aten.mean.dim, (image, [1]), (2, 9, 7)),
        (aten.mean.dim, (image, [-1, 0]), (4, 9)),
        (aten.mean.dim, (image, [-1, 0], True), (1, 4, 9, 1)),
        (aten.cat.default, ([x, empty(5, 3)],), (7, 3)),
        (aten.cat.default, ([x, empty(2, 4), empty(2, 1)], -1), (2, 8)),
        (aten._grouped_mm.default, (x, empty(4, 3, 5)), (2, 5)),
    ],
)
def test_the_rules_shape(func, args, shape):
    found = by_rule(func, args, {})
    assert (tuple(found.shape), found.dtype, found.device.type) == (shape, torch.float32, "meta")


def test_the_type_of_rows_dealt_out_may_be_said():
    args = (x.to(torch.bfloat16), empty(4, 3, 5, dtype=torch.bfloat16))
    assert by_rule(aten._grouped_mm.default, args, {}).dtype == torch.bfloat16
    assert by_rule(aten._grouped_mm.default, args, {"out_dtype": torch.float32}).dtype == torch.float32


def test_in_place_gives_the_same_tensor_and_elementwise_a_new_one_that_lies_alike():
    turned = image.transpose(1, 3)
    assert by_rule(aten.relu_.default, (turned,), {}) is turned
    assert by_rule(aten.add_.Tensor, (x, y), {}) is x
    assert by_rule(aten.mul_.Tensor, (x, 2.0), {}) is x
    for func, args in (
        (aten.relu.default, (turned,)),
        (aten.add.Tensor, (turned, 1.0)),
        (aten.add.Tensor, (turned,) * 2),
    ):
        found = by_rule(func, args, {})
        assert found is not turned
        assert (
            (found.shape, found.stride())
            == (turned.shape, turned.stride())
            == (func(*args).shape, func(*args).stride())
        )


def test_statistics_of_normalisations():
    out, mean, scale = by_rule(aten.native_batch_norm.default, (image, None, None, None, None, True, 0.1, 1e-5), {})
    assert [tuple(each.shape) for each in (out, mean, scale)] == [(2, 4, 9, 7), (4,), (4,)]
    for shape, kept in (((7,), (2, 4, 9, 1)), ((9, 7), (2, 4, 1, 1)), ((2, 4, 9, 7), (1, 1, 1, 1))):
        out, mean, scale = by_rule(aten.native_layer_norm.default, (image, shape, None, None, 1e-5), {})
        assert [tuple(each.shape) for each in (out, mean, scale)] == [(2, 4, 9, 7), kept, kept]


def test_a_max_pools_indices_are_whole_numbers():
    out, indices = by_rule(aten.max_pool2d_with_indices.default, (image, [3, 2], [2, 1], [1, 0]), {})
    assert out.shape == indices.shape == (2, 4, 5, 6)
    assert (out.dtype, indices.dtype) == (torch.float32, torch.int64)
    assert {out.device.type, indices.device.type} == {"meta"}


@pytest.mark.parametrize(
    ("value", "axes", "found"),
    [(3, 2, [3, 3]), ([3], 2, [3, 3]), ((3, 4), 2, [3, 4]), (3, 1, [3]), ([], 2, []), ([1, 2, 3], 3, [1, 2, 3])],
)
def test_an_argument_for_all_axes_or_for_each(value, axes, found):
    assert spread(value, axes) == found


@pytest.mark.parametrize(
    ("args", "average", "found"),
    [
        (([3, 2],), False, [(3, 3, 0, 1, False), (2, 2, 0, 1, False)]),
        (([3, 2], []), False, [(3, 3, 0, 1, False), (2, 2, 0, 1, False)]),
        (([3, 2], [2, 1]), False, [(3, 2, 0, 1, False), (2, 1, 0, 1, False)]),
        (([3, 2], [2, 1], [1, 0]), False, [(3, 2, 1, 1, False), (2, 1, 0, 1, False)]),
        (([3, 2], [2], [1], [2]), False, [(3, 2, 1, 2, False), (2, 2, 1, 2, False)]),
        (([3, 2], [2], [1], [2], True), False, [(3, 2, 1, 2, True), (2, 2, 1, 2, True)]),
        (([3, 2], [2], [1], True), True, [(3, 2, 1, 1, True), (2, 2, 1, 1, True)]),
        (([3, 2], [2], [1], False, False), True, [(3, 2, 1, 1, False), (2, 2, 1, 1, False)]),
        (([3],), True, [(3, 3, 0, 1, False)]),
    ],
)
def test_a_pools_arguments(args, average, found):
    assert pool_arguments((image, *args), average) == found


@pytest.mark.parametrize(
    ("sizes", "weight", "geometry", "found"),
    [
        ((2, 4, 9, 7), (6, 4, 3, 3), (1, 0, 1, False, 0, 1), (2, 6, 7, 5)),
        ((2, 4, 9, 7), (6, 2, 3, 1), ([2, 1], [1, 0], [1, 2], False, 0, 2), (2, 6, 5, 7)),
        ((2, 4, 9), (6, 4, 3), (1, 1, 2, False, 0, 1), (2, 6, 7)),
        ((2, 4, 9, 7), (4, 3, 3, 2), (2, 1, 1, True, [1, 0], 2), (2, 6, 18, 12)),
        ((1, 2, 5, 5, 5), (3, 2, 2, 2, 2), (1, 0, 1, False, 0, 1), (1, 3, 4, 4, 4)),
    ],
)
def test_a_convolutions_shape(sizes, weight, geometry, found):
    assert convolution_shape(sizes, weight, *geometry) == found


@pytest.mark.parametrize(
    ("sizes", "weight", "groups", "is_transposed", "said"),
    [
        (
            (2, 4, 9),
            (6, 3, 3),
            1,
            False,
            r"^conv1d: weight \(6, 3, 3\) wants 3 input channels, input \(2, 4, 9\) has 4$",
        ),
        ((2, 4, 9), (6, 4, 3), 2, False, "wants 8 input channels"),
        ((2, 4, 9, 9), (6, 4, 3, 3), 1, True, "^conv2d: .* wants 6 input channels"),
    ],
)
def test_channels_that_do_not_fit(sizes, weight, groups, is_transposed, said):
    with pytest.raises(BadInput, match=said):
        convolution_shape(sizes, weight, 1, 0, 1, is_transposed, 0, groups)


@pytest.mark.parametrize(
    ("arguments", "found", "text"),
    [
        ((10, 3, 2, 0), 4, "⌊(10 + 2·0 − 3)/2⌋ + 1 = 4"),
        ((10, 3, 2, 1, 1, True), 6, "⌈(10 + 2·1 − 3)/2⌉ + 1 = 6"),
        ((4, 2, 2, 1, 1, True), 3, "⌈(4 + 2·1 − 2)/2⌉ + 1 = 3"),
        ((3, 1, 4, 0, 1, True), 1, "⌈(3 + 2·0 − 1)/4⌉ + 1 − 1 (it would start in the padding) = 1"),
        ((4, 1, 2, 0, 1, True), 2, "⌈(4 + 2·0 − 1)/2⌉ + 1 − 1 (it would start in the padding) = 2"),
        ((12, 3, 1, 0, 3), 6, "⌊(12 + 2·0 − 3·(3 − 1) − 1)/1⌋ + 1 = 6"),
    ],
)
def test_windows_by_hand(arguments, found, text):
    size, kernel, stride, padding, *more = arguments
    pooled = torch.nn.functional.max_pool1d(empty(1, 1, size), kernel, stride, padding, *more)
    assert window(*arguments) == found == pooled.shape[-1]
    assert window_text(*arguments) == text


def test_transposed_by_hand():
    assert transposed(5, 3, 2, 1, 2, 1) == 4 * 2 - 2 + 4 + 1 + 1 == 12
    assert transposed_text(5, 3, 2, 1, 2, 1) == "(5 − 1)·2 − 2·1 + 2·(3 − 1) + 1 + 1 = 12"
    assert transposed(5, 3, 1, 0) == 7
