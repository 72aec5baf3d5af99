"""The functions on tensors, each from its operation's page; `torch.nn.functional` and the functions of `torch`."""

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
from underhood.engine.ops.avg_pool1d import avg_pool1d
from underhood.engine.ops.avg_pool2d import avg_pool2d
from underhood.engine.ops.batch_norm import batch_norm
from underhood.engine.ops.bilinear import bilinear
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
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from underhood.engine.ops.concatenate import cat, stack
from underhood.engine.ops.conv1d import conv1d
from underhood.engine.ops.conv2d import conv2d
from underhood.engine.ops.conv_transpose1d import conv_transpose1d
from underhood.engine.ops.conv_transpose2d import conv_transpose2d
from underhood.engine.ops.cross_entropy import cross_entropy
from underhood.engine.ops.cumsum import cumsum
from underhood.engine.ops.distance import cosine_similarity, normalize, pairwise_distance
from underhood.engine.ops.dropout import dropout, dropout1d, dropout2d
from underhood.engine.ops.elementwise import abs_ as abs
from underhood.engine.ops.elementwise import (
    ceil,
    clamp,
    clamp_max,
    clamp_min,
    cos,
    erf,
    exp,
    expm1,
    floor,
    log,
    log1p,
    log2,
    log10,
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
from underhood.engine.ops.extremes import amax, amin, argmax, argmin, max, min
from underhood.engine.ops.gather import argsort, gather, sort, topk
from underhood.engine.ops.gelu import gelu
from underhood.engine.ops.glu import glu
from underhood.engine.ops.group_norm import group_norm
from underhood.engine.ops.index import index, index_select, masked_select, narrow, select
from underhood.engine.ops.instance_norm import instance_norm
from underhood.engine.ops.layer_norm import layer_norm
from underhood.engine.ops.linear import linear
from underhood.engine.ops.local_response_norm import local_response_norm
from underhood.engine.ops.margin_losses import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    triplet_margin_loss,
)
from underhood.engine.ops.matmul import bmm, dot, matmul, mm, mv, outer
from underhood.engine.ops.max_pool1d import max_pool1d
from underhood.engine.ops.max_pool2d import max_pool2d
from underhood.engine.ops.nll_loss import nll_loss
from underhood.engine.ops.norm import norm
from underhood.engine.ops.one_hot import one_hot
from underhood.engine.ops.pad import pad
from underhood.engine.ops.permute import movedim, permute, t, transpose
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
from underhood.engine.ops.prelu import prelu
from underhood.engine.ops.probability_losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    kl_div,
    soft_margin_loss,
)
from underhood.engine.ops.reductions import mean, sum
from underhood.engine.ops.regression_losses import huber_loss, l1_loss, mse_loss, poisson_nll_loss, smooth_l1_loss
from underhood.engine.ops.reshape import flatten, reshape, squeeze, unflatten, unsqueeze
from underhood.engine.ops.rms_norm import rms_norm
from underhood.engine.ops.softmax import log_softmax, logsumexp, softmax, softmin
from underhood.engine.ops.split import chunk, split, unbind
from underhood.engine.ops.triangle import tril, triu
from underhood.engine.ops.unfold import fold, unfold
from underhood.engine.ops.variance import std, var
from underhood.engine.ops.where import masked_fill, nonzero, where

__all__ = [
    "abs",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "bmm",
    "broadcast_to",
    "cat",
    "ceil",
    "celu",
    "chunk",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clone",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cos",
    "cosine_embedding_loss",
    "cosine_similarity",
    "count_nonzero",
    "cross_entropy",
    "cumsum",
    "div",
    "dot",
    "dropout",
    "dropout1d",
    "dropout2d",
    "elu",
    "embedding",
    "eq",
    "equal",
    "erf",
    "exp",
    "expm1",
    "flatten",
    "floor",
    "floor_divide",
    "fold",
    "gather",
    "ge",
    "gelu",
    "glu",
    "group_norm",
    "gt",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "index",
    "index_put",
    "index_put_",
    "index_select",
    "instance_norm",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "le",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsigmoid",
    "logsumexp",
    "lt",
    "margin_ranking_loss",
    "masked_fill",
    "masked_select",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mish",
    "mm",
    "movedim",
    "mse_loss",
    "mul",
    "multi_margin_loss",
    "mv",
    "narrow",
    "ne",
    "neg",
    "nll_loss",
    "nonzero",
    "norm",
    "normalize",
    "one_hot",
    "outer",
    "pad",
    "pairwise_distance",
    "permute",
    "poisson_nll_loss",
    "pow",
    "prelu",
    "reciprocal",
    "relu",
    "relu6",
    "relu_",
    "remainder",
    "repeat_interleave",
    "reshape",
    "rms_norm",
    "round",
    "rsqrt",
    "scatter",
    "scatter_add",
    "select",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "t",
    "tanh",
    "tanhshrink",
    "threshold",
    "tile",
    "topk",
    "transpose",
    "tril",
    "triplet_margin_loss",
    "triu",
    "unbind",
    "unflatten",
    "unfold",
    "unsqueeze",
    "var",
    "where",
]
