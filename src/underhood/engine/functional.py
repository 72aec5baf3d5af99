"""The functions on tensors, each from its operation's page; `torch.nn.functional` and the functions of `torch`."""

from underhood.engine.ops.arithmetic import add, div, mul, neg, pow_, sub
from underhood.engine.ops.cross_entropy import cross_entropy
from underhood.engine.ops.elementwise import abs_, exp, log, relu, sigmoid, sqrt, tanh
from underhood.engine.ops.index import index
from underhood.engine.ops.linear import linear
from underhood.engine.ops.matmul import matmul
from underhood.engine.ops.reductions import amax, max, mean, sum
from underhood.engine.ops.reshape import flatten, reshape
from underhood.engine.ops.softmax import log_softmax, softmax

__all__ = [
    "abs_",
    "add",
    "amax",
    "cross_entropy",
    "div",
    "exp",
    "flatten",
    "index",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "mean",
    "mul",
    "neg",
    "pow_",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "sqrt",
    "sub",
    "sum",
    "tanh",
]
