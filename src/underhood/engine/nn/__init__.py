"""Modules with PyTorch's names, arguments and state_dict keys."""

from underhood.engine import functional
from underhood.engine.nn import init, utils
from underhood.engine.nn.activation import ReLU, Sigmoid, Softmax, Tanh
from underhood.engine.nn.containers import ModuleDict, ModuleList, Sequential
from underhood.engine.nn.linear import Flatten, Linear
from underhood.engine.nn.loss import CrossEntropyLoss
from underhood.engine.nn.module import Module, Parameter

__all__ = [
    "CrossEntropyLoss",
    "Flatten",
    "Linear",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
    "utils",
]
