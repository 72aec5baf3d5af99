"""Modules with PyTorch's names, arguments and state_dict keys."""

from underhood.engine import functional
from underhood.engine.nn import init, utils
from underhood.engine.nn.activation import ReLU, Sigmoid, Softmax, Tanh
from underhood.engine.nn.batch_norm import BatchNorm1d, BatchNorm2d
from underhood.engine.nn.containers import ModuleDict, ModuleList, Sequential
from underhood.engine.nn.conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from underhood.engine.nn.dropout import Dropout, Dropout1d, Dropout2d
from underhood.engine.nn.embedding import Embedding
from underhood.engine.nn.fold import Fold, Unfold
from underhood.engine.nn.instance_norm import InstanceNorm1d, InstanceNorm2d
from underhood.engine.nn.linear import Bilinear, Flatten, Identity, Linear
from underhood.engine.nn.loss import CrossEntropyLoss
from underhood.engine.nn.module import Module, Parameter
from underhood.engine.nn.normalization import GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from underhood.engine.nn.padding import (
    CircularPad1d,
    CircularPad2d,
    ConstantPad1d,
    ConstantPad2d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReplicationPad1d,
    ReplicationPad2d,
    ZeroPad1d,
    ZeroPad2d,
)
from underhood.engine.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    MaxPool1d,
    MaxPool2d,
)

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Bilinear",
    "CircularPad1d",
    "CircularPad2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "Fold",
    "GroupNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "LayerNorm",
    "Linear",
    "LocalResponseNorm",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Unfold",
    "ZeroPad1d",
    "ZeroPad2d",
    "functional",
    "init",
    "utils",
]
