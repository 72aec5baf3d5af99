"""The functions on tensors, each from its operation's page; `torch.nn.functional` and the functions of `torch`."""

from underhood.engine.missing import lacking
from underhood.engine.ops.activations import (
    celu,
    elu,
    logsigmoid,
    mish,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
    tanhshrink,
)
from underhood.engine.ops.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)
from underhood.engine.ops.arithmetic import add, div, floor_divide, maximum, minimum, mul, neg, remainder, sub
from underhood.engine.ops.arithmetic import pow_ as pow
from underhood.engine.ops.assign import index_put, index_put_, scatter, scatter_add
from underhood.engine.ops.attention import scaled_dot_product_attention
from underhood.engine.ops.avg_pool1d import avg_pool1d
from underhood.engine.ops.avg_pool2d import avg_pool2d
from underhood.engine.ops.batch_norm import batch_norm
from underhood.engine.ops.bilinear import bilinear
from underhood.engine.ops.bitwise import (
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
)
from underhood.engine.ops.blends import addcdiv, addcmul, lerp
from underhood.engine.ops.clone import clone
from underhood.engine.ops.compare import (
    all,
    allclose,
    any,
    count_nonzero,
    eq,
    equal,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    isneginf,
    isposinf,
    isreal,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
    signbit,
)
from underhood.engine.ops.concatenate import cat, stack
from underhood.engine.ops.conv1d import conv1d
from underhood.engine.ops.conv2d import conv2d
from underhood.engine.ops.conv_transpose1d import conv_transpose1d
from underhood.engine.ops.conv_transpose2d import conv_transpose2d
from underhood.engine.ops.counting import bincount, histc
from underhood.engine.ops.cross_entropy import cross_entropy
from underhood.engine.ops.cumsum import cumsum
from underhood.engine.ops.diagonal import diag, diag_embed, diagflat, diagonal, trace
from underhood.engine.ops.distance import cosine_similarity, normalize, pairwise_distance
from underhood.engine.ops.drawing import gumbel_softmax, multinomial
from underhood.engine.ops.dropout import dropout, dropout1d, dropout2d
from underhood.engine.ops.einsum import einsum
from underhood.engine.ops.elementwise import abs_ as abs
from underhood.engine.ops.elementwise import (
    ceil,
    clamp,
    clamp_max,
    clamp_min,
    cos,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    floor,
    log,
    log1p,
    log2,
    log10,
    logit,
    positive,
    reciprocal,
    rsqrt,
    sign,
    sin,
    sqrt,
    square,
)
from underhood.engine.ops.elementwise import round_ as round
from underhood.engine.ops.embedding import embedding
from underhood.engine.ops.expand import expand as broadcast_to
from underhood.engine.ops.expand import repeat_interleave, tile
from underhood.engine.ops.extremes import amax, amin, aminmax, argmax, argmin, max, min
from underhood.engine.ops.flip import flip, fliplr, flipud, roll, rot90
from underhood.engine.ops.gather import argsort, gather, sort, topk
from underhood.engine.ops.gelu import gelu
from underhood.engine.ops.glu import glu
from underhood.engine.ops.group_norm import group_norm
from underhood.engine.ops.hyperbolic import acosh, asinh, atanh, cosh, sinh
from underhood.engine.ops.index import index, index_select, masked_select, narrow, select
from underhood.engine.ops.instance_norm import instance_norm
from underhood.engine.ops.interpolate import interpolate, upsample
from underhood.engine.ops.layer_norm import layer_norm
from underhood.engine.ops.layouts import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_shapes,
    broadcast_tensors,
    cartesian_prod,
    column_stack,
    combinations,
    dsplit,
    dstack,
    hsplit,
    hstack,
    meshgrid,
    ravel,
    tensor_split,
    vsplit,
    vstack,
)
from underhood.engine.ops.linear import linear
from underhood.engine.ops.local_response_norm import local_response_norm
from underhood.engine.ops.margin_losses import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from underhood.engine.ops.matmul import bmm, dot, matmul, mm, mv, outer
from underhood.engine.ops.matrix_sums import (
    addbmm,
    addmm,
    addmv,
    addr,
    baddbmm,
    block_diag,
    cross,
    inner,
    kron,
    tensordot,
    vdot,
)
from underhood.engine.ops.max_pool1d import max_pool1d
from underhood.engine.ops.max_pool2d import max_pool2d
from underhood.engine.ops.nll_loss import nll_loss
from underhood.engine.ops.norm import norm
from underhood.engine.ops.one_hot import one_hot
from underhood.engine.ops.pad import pad
from underhood.engine.ops.pairs import (
    atan2,
    copysign,
    float_power,
    fmax,
    fmin,
    fmod,
    hypot,
    ldexp,
    logaddexp,
    logaddexp2,
    xlogy,
)
from underhood.engine.ops.permute import movedim, permute, t, transpose
from underhood.engine.ops.picking import (
    diagonal_scatter,
    index_add,
    index_copy,
    index_fill,
    masked_scatter,
    select_scatter,
    slice_scatter,
    take,
    take_along_dim,
)
from underhood.engine.ops.piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    relu,
    relu6,
    relu_,
    softshrink,
    threshold,
)
from underhood.engine.ops.pixel_shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle
from underhood.engine.ops.prelu import prelu
from underhood.engine.ops.probability_losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    gaussian_nll_loss,
    kl_div,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from underhood.engine.ops.products import cumprod, prod
from underhood.engine.ops.ranks import (
    argwhere,
    bucketize,
    isin,
    kthvalue,
    median,
    mode,
    msort,
    nanmedian,
    nanquantile,
    quantile,
    searchsorted,
    unique,
    unique_consecutive,
)
from underhood.engine.ops.reductions import mean, sum
from underhood.engine.ops.regression_losses import huber_loss, l1_loss, mse_loss, poisson_nll_loss, smooth_l1_loss
from underhood.engine.ops.reshape import flatten, reshape, squeeze, unflatten, unsqueeze
from underhood.engine.ops.rms_norm import rms_norm
from underhood.engine.ops.rounding import frac, nan_to_num, sgn, trunc
from underhood.engine.ops.running import cummax, cummin, cumulative_trapezoid, diff, logcumsumexp, trapezoid
from underhood.engine.ops.softmax import log_softmax, logsumexp, softmax, softmin
from underhood.engine.ops.split import chunk, split, unbind
from underhood.engine.ops.statistics import dist, nanmean, nansum, std_mean, var_mean
from underhood.engine.ops.triangle import tril, triu
from underhood.engine.ops.trigonometry import acos, asin, atan, deg2rad, rad2deg, sinc, tan
from underhood.engine.ops.unfold import fold, unfold
from underhood.engine.ops.variance import std, var
from underhood.engine.ops.where import masked_fill, nonzero, where

# torch's second names
absolute = abs
arccos = acos
arccosh = acosh
arcsin = asin
arcsinh = asinh
arctan = atan
arctan2 = atan2
arctanh = atanh
clip = clamp
concat = cat
concatenate = cat
divide = div
true_divide = div
fix = trunc
ger = outer
greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne
moveaxis = movedim
multiply = mul
negative = neg
row_stack = vstack
subtract = sub
swapaxes = transpose
swapdims = transpose
trapz = trapezoid

__all__ = [
    "abs", "absolute", "acos", "acosh", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "add", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "all", "allclose", "amax",
    "amin", "aminmax", "any", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax",
    "argmin", "argsort", "argwhere", "asin", "asinh", "atan", "atan2", "atanh", "atleast_1d", "atleast_2d",
    "atleast_3d", "avg_pool1d", "avg_pool2d", "baddbmm", "batch_norm", "bilinear", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "bincount", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "block_diag", "bmm", "broadcast_shapes", "broadcast_tensors", "broadcast_to",
    "bucketize", "cartesian_prod", "cat", "ceil", "celu", "channel_shuffle", "chunk", "clamp", "clamp_max", "clamp_min",
    "clip", "clone", "column_stack", "combinations", "concat", "concatenate", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "copysign", "cos", "cosh", "cosine_embedding_loss", "cosine_similarity", "count_nonzero",
    "cross", "cross_entropy", "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "deg2rad", "diag",
    "diag_embed", "diagflat", "diagonal", "diagonal_scatter", "diff", "dist", "div", "divide", "dot", "dropout",
    "dropout1d", "dropout2d", "dsplit", "dstack", "einsum", "elu", "embedding", "eq", "equal", "erf", "erfc", "exp",
    "exp2", "expm1", "fix", "flatten", "flip", "fliplr", "flipud", "float_power", "floor", "floor_divide", "fmax",
    "fmin", "fmod", "fold", "frac", "gather", "gaussian_nll_loss", "ge", "gelu", "ger", "glu", "greater",
    "greater_equal", "group_norm", "gt", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "hinge_embedding_loss", "histc", "hsplit", "hstack", "huber_loss", "hypot", "index", "index_add", "index_copy",
    "index_fill", "index_put", "index_put_", "index_select", "inner", "instance_norm", "interpolate", "isclose",
    "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "kl_div", "kron", "kthvalue", "l1_loss",
    "layer_norm", "ldexp", "le", "leaky_relu", "lerp", "less", "less_equal", "linear", "local_response_norm", "log",
    "log1p", "log2", "log10", "log_softmax", "logaddexp", "logaddexp2", "logcumsumexp", "logical_and", "logical_not",
    "logical_or", "logical_xor", "logit", "logsigmoid", "logsumexp", "lt", "margin_ranking_loss", "masked_fill",
    "masked_scatter", "masked_select", "matmul", "max", "max_pool1d", "max_pool2d", "maximum", "mean", "median",
    "meshgrid", "min", "minimum", "mish", "mm", "mode", "moveaxis", "movedim", "mse_loss", "msort", "mul",
    "multi_margin_loss", "multilabel_soft_margin_loss", "multinomial", "multiply", "mv", "nan_to_num", "nanmean",
    "nanmedian", "nanquantile", "nansum", "narrow", "ne", "neg", "negative", "nll_loss", "nonzero", "norm", "normalize",
    "not_equal", "one_hot", "outer", "pad", "pairwise_distance", "permute", "pixel_shuffle", "pixel_unshuffle",
    "poisson_nll_loss", "positive", "pow", "prelu", "prod", "quantile", "rad2deg", "ravel", "reciprocal", "relu",
    "relu6", "relu_", "remainder", "repeat_interleave", "reshape", "rms_norm", "roll", "rot90", "round", "row_stack",
    "rsqrt", "scaled_dot_product_attention", "scatter", "scatter_add", "searchsorted", "select", "select_scatter",
    "selu", "sgn", "sigmoid", "sign", "signbit", "silu", "sin", "sinc", "sinh", "slice_scatter", "smooth_l1_loss",
    "soft_margin_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "sort", "split", "sqrt", "square",
    "squeeze", "stack", "std", "std_mean", "sub", "subtract", "sum", "swapaxes", "swapdims", "t", "take",
    "take_along_dim", "tan", "tanh", "tanhshrink", "tensor_split", "tensordot", "threshold", "tile", "topk", "trace",
    "transpose", "trapezoid", "trapz", "tril", "triplet_margin_loss", "triplet_margin_with_distance_loss", "triu",
    "true_divide", "trunc", "unbind", "unflatten", "unfold", "unique", "unique_consecutive", "unsqueeze", "upsample",
    "var", "var_mean", "vdot", "vsplit", "vstack", "where", "xlogy",
]  # fmt: skip

__getattr__ = lacking(__name__, "underhood.nn.functional")
