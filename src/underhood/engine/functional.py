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
from underhood.engine.ops.avg_pool1d import avg_pool1d
from underhood.engine.ops.avg_pool2d import avg_pool2d
from underhood.engine.ops.batch_norm import batch_norm
from underhood.engine.ops.bilinear import bilinear
from underhood.engine.ops.conv1d import conv1d
from underhood.engine.ops.conv2d import conv2d
from underhood.engine.ops.conv_transpose1d import conv_transpose1d
from underhood.engine.ops.conv_transpose2d import conv_transpose2d
from underhood.engine.ops.cross_entropy import cross_entropy
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
from underhood.engine.ops.gelu import gelu
from underhood.engine.ops.group_norm import group_norm
from underhood.engine.ops.index import index
from underhood.engine.ops.instance_norm import instance_norm
from underhood.engine.ops.layer_norm import layer_norm
from underhood.engine.ops.linear import linear
from underhood.engine.ops.local_response_norm import local_response_norm
from underhood.engine.ops.matmul import matmul
from underhood.engine.ops.max_pool1d import max_pool1d
from underhood.engine.ops.max_pool2d import max_pool2d
from underhood.engine.ops.pad import pad
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
from underhood.engine.ops.reductions import amax, max, mean, sum
from underhood.engine.ops.reshape import flatten, reshape
from underhood.engine.ops.rms_norm import rms_norm
from underhood.engine.ops.softmax import log_softmax, softmax
from underhood.engine.ops.unfold import fold, unfold

__all__ = [
    "abs",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "add",
    "amax",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "ceil",
    "celu",
    "clamp",
    "clamp_max",
    "clamp_min",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cos",
    "cross_entropy",
    "div",
    "dropout",
    "dropout1d",
    "dropout2d",
    "elu",
    "embedding",
    "erf",
    "exp",
    "expm1",
    "flatten",
    "floor",
    "floor_divide",
    "fold",
    "gelu",
    "group_norm",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "index",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logsigmoid",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "maximum",
    "mean",
    "minimum",
    "mish",
    "mul",
    "neg",
    "pad",
    "pow",
    "reciprocal",
    "relu",
    "relu6",
    "relu_",
    "remainder",
    "reshape",
    "rms_norm",
    "round",
    "rsqrt",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "softshrink",
    "softsign",
    "sqrt",
    "square",
    "sub",
    "sum",
    "tanh",
    "tanhshrink",
    "threshold",
    "unfold",
]
