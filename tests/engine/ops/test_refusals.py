"""What PyTorch refuses beyond its own database's bad inputs is refused here, by an error of the same type.

What only the engine refuses it says: what is missing here, and fractions that PyTorch cuts without a word.
"""

import pytest
import torch

import underhood

REFUSED = """
    t([2, 3]) ** -1                                                   | negative integer powers
    t([2, 3]).pow_(-1)                                                | negative integer powers
    lib.div(t([1, 2]), t([1, 0]), rounding_mode="floor")              | ZeroDivisionError
    t([[1, 2]]).__setitem__(0, t([1, 2, 3]))                          | .
    z(3).fill_(z(2))                                                  | with 1 dimensions
    z(3).scatter_(0, t([0]), z(1), reduce="mean")                     | add or multiply, not 'mean'
    F.scaled_dot_product_attention(z(2, 3, 4), z(2, 3, 4), z(2, 3, 4), z(3, 3), is_causal=True) | is_causal=True
    F.scaled_dot_product_attention(z(2, 3, 4), z(2, 3, 4).double(), z(2, 3, 4).double())       | float
    F.scaled_dot_product_attention(z(4), z(4), z(4))                  | .
    F.bilinear(z(2, 3), z(2, 4), z(5, 3, 4), z(4))                    | bias \\(4,\\) should be \\(5,\\)
    lib.bitwise_and(z(2), z(2))                                       | bits in integers
    lib.bitwise_not(z(2))                                             | bits in integers
    lib.lerp(z(2), z(2).double(), 0.5)                                | expected dtype float32 for `end`
    lib.lerp(t([1, 2]), t([3, 4]), 0.5)                               | floating point
    lib.addcdiv(t([1]), t([1]), t([1]))                               | Integer division
    lib.isclose(z(2), z(2).double())                                  | did not match
    lib.stack([])                                                     | non-empty
    F.conv_transpose2d(z(1, 2, 3, 3), z(2, 3, 3))                     | should have 4 axes
    F.conv_transpose2d(z(1, 2, 3, 3), z(3, 2, 1, 1), groups=2)        | .
    F.conv_transpose2d(z(1, 2, 3, 3), z(2, 2, 1, 1), z(3))            | bias \\(3,\\) should be \\(2,\\)
    F.conv_transpose2d(z(1, 2, 3, 3), z(2, 2, 1, 1), stride=0)        | stride
    F.conv_transpose2d(z(1, 2, 3, 3), z(2, 2, 1, 1), dilation=0)      | dilation
    F.conv_transpose2d(z(1, 2, 3, 3), z(2, 2, 1, 1), padding=-1)      | padding
    lib.bincount(z(3))                                                | float32
    lib.bincount(t([[1, 2]]))                                         | non-negative integral
    lib.bincount(t([1, 2]), minlength=-1)                             | minlength should be >= 0, not -1
    lib.bincount(t([1, -2]))                                          | non-negative integral
    lib.bincount(t([1, 2]), z(3))                                     | the same length
    lib.histc(t([1, 2]))                                              | int64
    lib.histc(z(3), bins=0)                                           | bins must be > 0, not 0
    lib.histc(z(3) + float("inf"))                                    | not finite
    lib.histc(z(3), min=2, max=1)                                     | larger than min
    F.cosine_similarity(t([1, 2]), t([1, 2]))                         | floating point
    F.dropout1d(z(2, 3, 4, 5))                                        | got \\(2, 3, 4, 5\\)
    lib.einsum("i,j")                                                 | operand
    lib.einsum("i1,j", z(2), z(2))                                    | subscript
    lib.einsum("i.,j", z(2), z(2))                                    | ellipsis
    lib.einsum("ij,j", z(2), z(2))                                    | .
    lib.einsum("i,j", z(2, 2), z(2))                                  | .
    lib.einsum("i,j->ii", z(2), z(2))                                 | more than once
    lib.einsum("i,j->ik", z(2), z(2))                                 | k
    lib.einsum("i,i", z(2), z(3))                                     | 3
    lib.einsum("i,j,k", z(2), z(3))                                   | .
    lib.einsum(z(2), [60], [0])                                       | within \\[0, 52\\)
    +t([True, False])                                                 | bool
    lib.repeat_interleave(t([1, 2]), t([1, 2, 3]))                    | .
    lib.repeat_interleave(t([1, 2]), t([1, -2]))                      | negative
    lib.repeat_interleave(t([1, 2]), t([1, 2]), output_size=5)        | 5
    lib.roll(z(3), (1, 2))                                            | shifts: 2
    lib.gather(z(3), 0, z(1))                                         | int32/int64
    F.glu(t(1.0))                                                     | 0-dimensional
    lib.index_select(z(3), 0, t([[1]]))                               | .
    lib.index_select(z(3), 0, z(1))                                   | .
    lib.index_select(t(1.0), 0, t([0, 0]))                            | 1 value
    F.instance_norm(z(2, 3, 4), use_input_stats=False)                | running_mean
    F.interpolate(z(1, 1, 4, 4), scale_factor=2, mode="cubic")        | 'cubic'
    F.interpolate(z(1, 1, 4, 4), scale_factor=2, mode="nearest", align_corners=True) | align_corners
    F.interpolate(z(1, 1, 4), scale_factor=2, mode="bilinear")        | bilinear|3
    F.interpolate(z(1, 1, 4, 4))                                      | one must be
    F.interpolate(z(1, 1, 4, 4), size=2, scale_factor=2)              | only one of size or scale_factor
    F.interpolate(z(1, 1, 4, 4), size=(2, 2, 2))                      | .
    F.interpolate(z(1, 1, 4, 4), size=2, recompute_scale_factor=True) | recompute_scale_factor
    lib.tensor_split(t(1.0), 2)                                       | 0 dims
    lib.tensor_split(z(4), 0)                                         | larger than 0, got 0
    lib.tensor_split(z(4), z(2))                                      | .
    lib.meshgrid(indexing="ij")                                       | non-empty
    lib.meshgrid(z(2), indexing="yx")                                 | yx
    lib.meshgrid(z(2, 2), indexing="ij")                              | 0D or 1D
    lib.meshgrid(z(2), z(2).double(), indexing="ij")                  | same dtype
    lib.cartesian_prod(z(2, 2))                                       | 1D vector
    lib.combinations(z(2, 2))                                         | 1D vector
    lib.combinations(z(2), -1)                                        | non-negative number, but got -1
    lib.broadcast_shapes((2,), (3,))                                  | .
    z(3).unfold(0, 4, 1)                                              | size is 4
    z(3).unfold(0, -1, 1)                                             | size is -1
    z(3).unfold(0, 2, 0)                                              | step is 0
    F.linear(z(2, 3), z(4, 3).double())                               | float64
    F.multi_margin_loss(z(2, 3, 4), t([0, 1]))                        | \\(2, 3, 4\\)
    lib.matmul(t(1.0), z(2))                                          | 1-D
    lib.matmul(z(2), z(2).double())                                   | one dtype
    lib.mv(z(2), z(2))                                                | matrix and a vector
    lib.outer(z(2, 2), z(2))                                          | 1-D
    lib.addmm(z(2, 2), z(2, 3), z(3, 2).double())                     | dtype
    lib.addmm(z(3, 3), z(2, 3), z(3, 2))                              | \\(3, 3\\)
    lib.inner(z(2), z(2).double())                                    | one dtype
    lib.inner(z(2), z(3))                                             | .
    lib.tensordot(z(2), z(2), -1)                                     | dims=-1
    lib.tensordot(z(2), z(2), 2)                                      | dims=2
    lib.tensordot(z(2, 3), z(2, 3), ([0], [1]))                       | .
    lib.tensordot(z(2, 3), z(2, 3), ([0, 1], [1]))                    | .
    lib.cross(z(2, 3), z(2))                                          | .
    lib.cross(z(2, 2), z(2, 2))                                       | size 3
    lib.cross(z(2, 3), z(2, 3), dim=0)                                | .
    lib.block_diag(z(2, 2, 2))                                        | 2 or fewer dimensions, got 3
    lib.norm(t([1, 2]))                                               | floating point
    F.one_hot(z(2))                                                   | int64
    F.one_hot(t([], dtype=lib.int64))                                 | empty
    F.one_hot(t([-1, 2]))                                             | non-negative
    F.one_hot(t([1, 2]), 2)                                           | .
    z(2).mT                                                           | matrices
    lib.take(z(3), z(1))                                              | long
    lib.take(z(0), t([0]))                                            | empty
    lib.take(z(3), t([3]))                                            | out of range
    lib.take(z(3), t([-4]))                                           | out of range
    lib.take_along_dim(z(3), z(1), 0)                                 | Long
    lib.take_along_dim(z(3), t([[1]]), 0)                             | .
    z(3).index_fill_(0, t([0]), z(2))                                 | .
    z(3).index_add_(0, t([0]), z(1).double())                         | .
    lib.masked_scatter(z(3), t([True, True, False]), z(3).double())   | .
    lib.masked_scatter(z(3), t([True, True, False]), z(1))            | fewer than 2
    F.pixel_shuffle(z(3, 2, 2), 2)                                    | .
    F.pixel_shuffle(z(2, 2), 2)                                       | at least 3 dimensions, but got input with 2
    F.pixel_shuffle(z(4, 2, 2), 0)                                    | positive factor, but got 0
    F.pixel_unshuffle(z(3, 3, 2), 2)                                  | .
    F.channel_shuffle(z(1, 3, 2, 2), 2)                               | .
    F.channel_shuffle(z(3, 2), 2)                                     | .
    F.prelu(z(2, 3), z(1).double())                                   | the same
    F.gaussian_nll_loss(z(2), z(2), t([1.0, -1.0]))                   | negative
    F.gaussian_nll_loss(z(2), z(2), -1.0)                             | negative
    lib.median(z(2, 0), 1)                                            | non-zero size
    lib.mode(z(2, 0), 1)                                              | non-zero size
    lib.quantile(z(0), 0.5)                                           | non-empty
    lib.quantile(t([1, 2]), 0.5)                                      | float or double
    lib.quantile(z(2), z(1, 1))                                       | scalar or 1D
    lib.quantile(z(2), t([0.5]).double())                             | same dtype
    lib.quantile(z(2), 1.5)                                           | range \\[0, 1\\]
    lib.quantile(z(2), 0.5, interpolation="cubic")                    | .
    lib.unique(z(0, 2), dim=1)                                        | 0 sized
    lib.unique_consecutive(z(0, 2), dim=1)                            | 0 sized
    lib.searchsorted(z(3), z(2), sorter=t([0, 1]))                    | .
    lib.searchsorted(z(3), z(2), sorter=t([0, 1, 3]))                 | out of range
    lib.searchsorted(z(2, 3), z(3, 2))                                | .
    lib.searchsorted(z(3), z(2), side="middle")                       | 'left' or 'right' but got middle
    lib.searchsorted(z(3), z(2), side="left", right=True)             | .
    lib.flatten(z(2, 3), 1, 0)                                        | start_dim
    lib.logcumsumexp(t([1, 2]), 0)                                    | int64
    lib.diff(t(1.0))                                                  | at least one-dimensional
    lib.diff(z(3), prepend=z(1, 1))                                   | same dimension
    lib.trapezoid(z(3), z(2))                                         | one `x` value
    lib.split(z(3), 0)                                                | positive|0
    lib.nanmean(t([1, 2]))                                            | floating point
    F.unfold(z(1, 1, 3, 3), 0)                                        | kernel
    F.unfold(z(1, 1, 3, 3), 1, stride=0)                              | stride
    F.unfold(z(1, 1, 3, 3), 1, dilation=0)                            | dilation
    lib.randint(5)                                                    | high, size
    """
ONLY_HERE = """
    lib.addcmul(t([1]), t([1]), t([1]), value=0.5)                    | must not be a floating point
    t([1, 2]).index_add_(0, t([0]), t([1]), alpha=0.5)                | must not be a floating point
    lib.searchsorted(z(3), z(2).double())                             | same dtype
    z(3).scatter_(0, t([0]), t([2.0]), reduce="multiply")             | multiply
    F.interpolate(z(1, 1, 4, 4), size=2, mode="bilinear", antialias=True) | antialias
    lib.trapezoid(z(0))                                               | no elements
    """


def rows(table):
    return [tuple(part.strip() for part in line.rsplit(" | ", 1)) for line in table.strip().splitlines()]


def called(expression, lib):
    names = {"lib": lib, "F": lib.nn.functional, "t": lib.tensor, "z": lambda *shape: lib.zeros(shape)}
    return eval(expression, names)


@pytest.mark.parametrize(("expression", "said"), rows(REFUSED))
def test_what_pytorch_refuses_is_refused_by_the_same_error(expression, said):
    with pytest.raises(Exception, match=r".") as expected:
        called(expression, torch)
    with pytest.raises(expected.type, match=said.replace("\\\\", "\\")):
        called(expression, underhood)


@pytest.mark.parametrize(("expression", "said"), rows(ONLY_HERE))
def test_what_only_the_engine_refuses_is_said(expression, said):
    called(expression, torch)
    with pytest.raises(RuntimeError, match=said):
        called(expression, underhood)
