"""The shape rules against torch's own meta kernels, and their texts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from underhood.errors import BadInput
from underhood.instruments.shapes import RULES, by_rule, transposed, transposed_text, window, window_text

meta = {"device": "meta"}
x4 = torch.empty(2, 4, 9, 7, **meta)
x2 = torch.empty(3, 5, **meta)

# name: a call whose operations the rules should know, as torch's kernels do
CASES = {
    "conv2d": lambda: F.conv2d(x4, torch.empty(6, 2, 3, 2, **meta), None, (2, 1), (1, 0), (1, 2), 2),
    "conv1d": lambda: F.conv1d(x4.flatten(2), torch.empty(6, 4, 3, **meta), torch.empty(6, **meta)),
    "transposed": lambda: F.conv_transpose2d(x4, torch.empty(4, 3, 3, 3, **meta), None, 2, 1, 1, 2),
    "max_pool": lambda: F.max_pool2d(x4, 3, 2, 1, ceil_mode=True),
    "max_pool_dilated": lambda: F.max_pool2d(x4, (2, 3), (1, 2), dilation=2),
    "avg_pool": lambda: F.avg_pool2d(x4, 2, ceil_mode=True),
    "batch_norm": lambda: F.batch_norm(x4, torch.empty(4, **meta), torch.empty(4, **meta)),
    "batch_norm_training": lambda: F.batch_norm(x4, torch.empty(4, **meta), torch.empty(4, **meta), training=True),
    "addmm": lambda: F.linear(x2, torch.empty(7, 5, **meta), torch.empty(7, **meta)),
    "mm": lambda: x2 @ torch.empty(5, 2, **meta),
    "bmm": lambda: x4[0] @ torch.empty(4, 7, 3, **meta),
    "mean": lambda: x4.mean((2, -1)),
    "mean_keep": lambda: x4.mean(1, keepdim=True),
    "cat": lambda: torch.cat([x4, x4[:, :1]], 1),
    "layer_norm": lambda: F.layer_norm(x4, (9, 7)),
    "relu": lambda: F.relu(x4),
    "relu_in_place": lambda: x4.clone().relu_(),
    "strided": lambda: torch.sigmoid(x4.transpose(1, 3)),
    "hardtanh": lambda: F.relu6(x4),
    "softmax": lambda: x4.softmax(1),
    "pow": lambda: x4.pow(0.75),
    "add": lambda: x4 + x4,
    "add_number": lambda: x4 + 1,
    "add_in_place": lambda: x4.clone().add_(x4),
    "local_response": lambda: F.local_response_norm(x4, 3),
    # of another dtype, which what comes out has too
    "double": lambda: torch.sigmoid(x4.double()),
    "double_pow": lambda: x4.double().pow(2) + x4.double(),
    "double_mean": lambda: x4.double().mean((2, -1)),
    "double_softmax": lambda: x4.double().softmax(1),
    "double_conv": lambda: F.conv2d(x4.double(), torch.empty(6, 4, 3, 3, dtype=torch.float64, **meta)),
    "double_max_pool": lambda: F.max_pool2d(x4.double(), 2),
    "double_avg_pool": lambda: F.avg_pool2d(x4.double(), 2),
    "double_linear": lambda: x2.double() @ torch.empty(5, 2, dtype=torch.float64, **meta),
    "double_cat": lambda: torch.cat([x4.double(), x4.double()], 2),
    "double_layer_norm": lambda: F.layer_norm(x4.double(), (9, 7)),
    "double_batch_norm": lambda: F.batch_norm(x4.double(), None, None, training=True),
    "half_relu": lambda: F.relu(x4.half()),
}
# calls that the rules leave to torch, whole or in part
LEFT = {
    "broadcast": lambda: x4 + x4[:, :1],
    "whole_numbers": lambda: torch.ones(3, dtype=torch.int64, **meta) + 1,
    "mixed": lambda: x4.double() * x4,
    "divided": lambda: torch.ones(3, dtype=torch.int64, **meta) / 2,
}


class Both(TorchDispatchMode):
    """Runs each operation both ways and compares what comes out."""

    def __init__(self):
        super().__init__()
        self.known = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        ruled = by_rule(func, args, kwargs)
        given = func(*args, **kwargs)
        if ruled is not None:
            self.known.append(func.overloadpacket.__name__)
            pairs = zip(ruled, given, strict=True) if isinstance(given, tuple) else [(ruled, given)]
            for mine, theirs in pairs:
                assert mine.shape == theirs.shape
                assert mine.dtype == theirs.dtype
                assert mine.device == theirs.device
        return given


@pytest.mark.parametrize("name", CASES)
def test_rules_agree_with_torch(name):
    with torch.no_grad(), Both() as both:
        CASES[name]()
    assert both.known


@pytest.mark.parametrize("name", LEFT)
def test_the_unusual_is_left_to_torch(name):
    with torch.no_grad(), Both() as both:
        LEFT[name]()
    assert not {"add", "mul", "div"} & {*both.known}


def test_every_rule_has_a_case():
    seen = set()
    for case in CASES.values():
        with torch.no_grad(), Both() as both:
            case()
        seen |= {*both.known}
    assert RULES.keys() <= seen


@given(st.integers(3, 20), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.integers(1, 2), st.booleans())
def test_window_is_torchs(size, kernel, stride, padding, dilation, ceil):
    padding = min(padding, kernel // 2)
    out = window(size, kernel, stride, padding, dilation, ceil)
    if out < 1 or dilation * (kernel - 1) + 1 > size + 2 * padding:
        return
    x = torch.empty(1, 1, size, **meta)
    assert out == F.max_pool1d(x, kernel, stride, padding, dilation, ceil).shape[-1]
    assert window_text(size, kernel, stride, padding, dilation, ceil).endswith(f" = {out}")


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1), st.integers(1, 2))
def test_transposed_is_torchs(size, kernel, stride, padding, dilation):
    out = transposed(size, kernel, stride, padding, dilation)
    if out < 1:
        return
    x, weight = torch.empty(1, 1, size, **meta), torch.empty(1, 1, kernel, **meta)
    assert out == F.conv_transpose1d(x, weight, None, stride, padding, dilation=dilation).shape[-1]
    text = transposed_text(size, kernel, stride, padding, dilation)
    left, right = text.split(" = ")
    assert eval(left.replace("·", "*").replace("−", "-")) == int(right) == out


def test_texts():
    assert window_text(28, 5, 1, 0) == "⌊(28 + 2·0 − 5)/1⌋ + 1 = 24"
    assert window_text(13, 3, 1, 2, 2) == "⌊(13 + 2·2 − 2·(3 − 1) − 1)/1⌋ + 1 = 13"
    assert window_text(112, 3, 2, 0, ceil=True) == "⌈(112 + 2·0 − 3)/2⌉ + 1 = 56"
    assert window_text(5, 2, 3, 1, ceil=True) == "⌈(5 + 2·1 − 2)/3⌉ + 1 − 1 (it would start in the padding) = 2"
    assert transposed_text(7, 2, 2, 0) == "(7 − 1)·2 − 2·0 + (2 − 1) + 0 + 1 = 14"


def test_wrong_channels_are_named():
    with pytest.raises(BadInput, match=r"conv2d: weight \(6, 3, 3, 3\) wants 3 input channels, input .* has 4"):
        by_rule(
            torch.ops.aten.convolution.default,
            (x4, torch.empty(6, 3, 3, 3, **meta), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
            {},
        )
