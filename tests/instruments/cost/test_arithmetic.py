"""The sums behind a row, written out: terms, factors, cuts, and what each operation's output says."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from underhood.instruments.cost import cost
from underhood.instruments.cost.arithmetic import LONG, _sum, equals, factors, parameters, products, written
from underhood.instruments.cost.products import Product
from underhood.instruments.record import Value


def test_a_sum_says_equal_terms_once_and_ends_after_six_different_ones():
    assert _sum([]) == ""
    assert _sum(["a"]) == "a"
    assert _sum(["a", "b", "a"]) == "2·a + b"
    assert _sum(["a + b", "a + b", "c + d"]) == "2·(a + b) + c + d"
    assert LONG == 6
    assert _sum(list("abcdef")) == "a + b + c + d + e + f"
    assert _sum(list("abcdefa")) == "2·a + b + c + d + e + f"
    assert _sum(list("abcdefg")) == "a + b + c + d + e + …"


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [("9", 9, "9"), ("1,234", 1234, "1,234"), ("3·3", 9, "3·3 = 9"), ("40·50", 2000, "40·50 = 2,000")],
)
def test_nothing_to_work_out_is_said_once(text, value, said):
    assert equals(text, value) == said


@pytest.mark.parametrize(
    ("shape", "said"),
    [((), "1"), ((5,), "5"), ((50, 320), "320·50"), ((6, 4, 3), "(3·4)·6"), ((64, 32, 3, 5), "(3·5·32)·64")],
)
def test_a_weights_shape_as_it_is_spoken_of(shape, said):
    assert factors(shape) == said


@pytest.mark.parametrize(
    ("shapes", "borrowed", "said"),
    [
        ([], [], ""),
        ([], ["a"], "shared with a"),
        ([(3, 2), (3,)], [], "2·3 + 3 = 9"),
        ([(3,)], ["a", "b"], "3; shared with a, b"),
    ],
)
def test_parameters_and_who_counts_what_is_shared(shapes, borrowed, said):
    assert parameters(shapes, borrowed) == said


def test_products_of_a_row():
    assert products([]) == ""
    assert products([Product(6, "2·3")]) == "2·3 = 6"
    assert products([Product(6, "2·3"), Product(6, "2·3"), Product(4, "2·2")]) == "2·2·3 + 2·2 = 16"


def test_bytes_that_are_written():
    def value(*shape, dtype=torch.float32):
        return Value(1, shape, dtype, 1)

    assert written([], []) == ""
    assert written([], [value(3)]) == "in place or a view: nothing new"
    assert written([value(2, 3)], []) == "2·3·4 = 24"
    assert written([value(1, 3)], []) == "3·4 = 12"
    assert written([value(1)], []) == "1·4 = 4"
    assert written([value(2, 3, dtype=torch.float64), value(2, dtype=torch.int64)], []) == "2·3·8 + 2·8 = 64"


class Do(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


OUTPUTS = {
    "convolution": (
        lambda x: F.conv2d(x, x.new_empty(6, 4, 3, 3)),
        "H: ⌊(9 + 2·0 − 3)/1⌋ + 1 = 7; W: ⌊(7 + 2·0 − 3)/1⌋ + 1 = 5",
    ),
    "square": (lambda x: F.conv2d(x[..., :7, :], x.new_empty(6, 4, 3, 3), padding=1), "⌊(7 + 2·1 − 3)/1⌋ + 1 = 7"),
    "transposed": (
        lambda x: F.conv_transpose2d(x[..., :7, :], x.new_empty(4, 2, 3, 3), None, 2, 1, 1),
        "(7 − 1)·2 − 2·1 + (3 − 1) + 1 + 1 = 14",
    ),
    "one axis": (lambda x: F.conv1d(x.flatten(2)[..., :9], x.new_empty(6, 4, 3)), "⌊(9 + 2·0 − 3)/1⌋ + 1 = 7"),
    "three axes": (
        lambda x: F.conv3d(x.unsqueeze(0), x.new_empty(1, 2, 2, 3, 1)),
        "D: ⌊(4 + 2·0 − 2)/1⌋ + 1 = 3; H: ⌊(9 + 2·0 − 3)/1⌋ + 1 = 7; W: ⌊(7 + 2·0 − 1)/1⌋ + 1 = 7",
    ),
    "max-pool": (
        lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0)),
        "H: ⌊(9 + 2·1 − 3)/2⌋ + 1 = 5; W: ⌊(7 + 2·0 − 2)/1⌋ + 1 = 6",
    ),
    "average pool": (
        lambda x: F.avg_pool2d(x, 2, ceil_mode=True), "H: ⌈(9 + 2·0 − 2)/2⌉ + 1 = 5; W: ⌈(7 + 2·0 − 2)/2⌉ + 1 = 4",
    ),
    "cat": (lambda x: torch.cat([x, x[:, :1]], 1), "4 + 1 = 5"),
    "cat from the end": (lambda x: torch.cat([x, x], -1), "7 + 7 = 14"),
    "cat in front": (lambda x: torch.cat([x, x]), "2 + 2 = 4"),
    "mean": (lambda x: x.mean((2, 3), keepdim=True), "mean over 9·7"),
    "mean that leaves fewer axes": (lambda x: x.mean((2, 3)), ""),
    "as the input": (torch.relu, "as the input"),
    "sum": (lambda x: x.sum(1), ""),
    "flattened": (lambda x: x.flatten(1), "4·9·7 = 252"),
    "two axes in one": (lambda x: x.flatten(2), "9·7 = 63"),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_an_output_says_of_its_size(name):
    f, said = OUTPUTS[name]
    rows = cost(Do(f), (2, 4, 9, 7)).leaves
    assert rows[-1].texts["output"] == said


def test_a_linear_layer_says_its_widths():
    assert cost(nn.Linear(4, 3), (5, 4))["Linear"].texts["output"] == "4 → 3"
    assert cost(nn.Sequential(nn.Linear(4, 3, bias=False)), (5, 2, 4))["0"].texts["output"] == "4 → 3"


class Joined(nn.Module):
    def __init__(self, wide):
        super().__init__()
        self.one = nn.Conv2d(1, 1, 3, padding=1)
        self.two = nn.Conv2d(1, 1, wide, padding=wide // 2)

    def forward(self, x):
        return torch.cat([self.one(x), self.two(x)], 1)


def test_how_a_field_grew():
    found = cost(lambda: Joined(5), (1, 1, 9, 9))
    assert found["one"].texts["field"] == "1 + (3 − 1)·1 = 3, stride 1·1 = 1, offset 0 − 1·1 = −1"
    assert found["cat"].texts["field"] == "max(3, 5) = 5"
    assert cost(lambda: Joined(3), (1, 1, 9, 9))["cat"].texts["field"] == ""
    two = cost(nn.Conv2d(1, 1, (3, 1)), (1, 1, 9, 9))["Conv2d"].texts["field"]
    assert two.split("; ") == [
        "1 + (3 − 1)·1 = 3, stride 1·1 = 1, offset 0 − 0·1 = 0",
        "1 + (1 − 1)·1 = 1, stride 1·1 = 1, offset 0 − 0·1 = 0",
    ]
    assert cost(nn.Linear(4, 3), (5, 4))["Linear"].texts["field"] == ""
