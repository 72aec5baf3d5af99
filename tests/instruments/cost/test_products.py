"""Dot products, counted and written."""

import pytest
import torch
from torch import nn

from underhood.instruments.cost.products import FORMULAS, is_without, product_of, times
from underhood.instruments.record import record

aten = torch.ops.aten


@pytest.mark.parametrize(
    ("factors", "written"), [((32, 3, 3), "32·3·3"), ((1, 10), "10"), ((1, 1), "1"), ((), "1"), ((0, 5), "0·5")]
)
def test_ones_go_without_saying_but_for_the_last(factors, written):
    assert times(*factors) == written


def t(*shape):
    return torch.empty(*shape, device="meta")


def convolved(x, weight, bias=None, stride=1, padding=0, transposed=False, groups=1):
    axes = len(x.shape) - 2
    each = [stride] * axes, [padding] * axes, [1] * axes, transposed, [0] * axes, groups
    return aten.convolution(x, weight, bias, *each)


def attended(name, *more):
    heads = t(2, 3, 5, 8), t(2, 3, 7, 8), t(2, 3, 7, 8)
    return lambda: getattr(aten, f"_scaled_dot_product_{name}")(*heads, *more)


# operation: a call, its multiply–adds, and their sum written out
CALLS = {
    "convolution": (lambda: convolved(t(1, 3, 6, 8), t(4, 3, 3, 2)), 3 * 2 * 3 * 4 * 4 * 7, "(3·2·3)·4·(4·7)"),
    "convolution of a batch": (lambda: convolved(t(2, 3, 9), t(4, 3, 5)), 2 * 5 * 3 * 4 * 5, "2·(5·3)·4·(5)"),
    "convolution in groups": (lambda: convolved(t(1, 6, 5), t(4, 3, 5), groups=2), 5 * 3 * 4, "(5·3)·4·(1)"),
    "convolution, transposed": (
        lambda: convolved(t(2, 3, 4, 5), t(3, 2, 3, 3), stride=2, transposed=True),
        2 * 9 * 2 * 3 * 20,
        "2·(3·3·2)·3·(4·5)",
    ),
    "mm": (lambda: aten.mm(t(2, 3), t(3, 5)), 30, "2·(3·5)"),
    "mm of a row": (lambda: aten.mm(t(1, 3), t(3, 5)), 15, "3·5"),
    "addmm": (lambda: aten.addmm(t(5), t(2, 3), t(3, 5)), 30, "2·(3·5)"),
    "bmm": (lambda: aten.bmm(t(4, 2, 3), t(4, 3, 5)), 120, "4·(2·3·5)"),
    "bmm of one": (lambda: aten.bmm(t(1, 2, 3), t(1, 3, 5)), 30, "(2·3·5)"),
    "baddbmm": (lambda: aten.baddbmm(t(4, 2, 5), t(4, 2, 3), t(4, 3, 5)), 120, "4·(2·3·5)"),
    "addbmm": (lambda: aten.addbmm(t(2, 5), t(4, 2, 3), t(4, 3, 5)), 120, "4·(2·3·5)"),
    "addr": (lambda: aten.addr(t(2, 3), t(2), t(3)), 6, "2·3"),
    "mv": (lambda: aten.mv(t(4, 3), t(3)), 12, "4·3"),
    "addmv": (lambda: aten.addmv(t(4), t(4, 3), t(3)), 12, "4·3"),
    "dot": (lambda: aten.dot(t(7), t(7)), 7, "7"),
    "vdot": (lambda: aten.vdot(t(7), t(7)), 7, "7"),
    # 2·3 heads, each 5 queries by 7 keys: 8 multiply–adds for a score, and 8 for a sum
    "_scaled_dot_product_flash_attention_for_cpu": (
        attended("flash_attention_for_cpu"),
        6 * 5 * 7 * 16,
        "2·3·(5·7·8 + 5·7·8)",
    ),
    "_scaled_dot_product_flash_attention": (attended("flash_attention"), 6 * 5 * 7 * 16, "2·3·(5·7·8 + 5·7·8)"),
    "_scaled_dot_product_efficient_attention": (
        attended("efficient_attention", None, False),
        6 * 5 * 7 * 16,
        "2·3·(5·7·8 + 5·7·8)",
    ),
}


def operation(call):
    class Calls(nn.Module):
        def forward(self, _):
            return call()

    return list(record(Calls(), (t(1),), {}).root.operations())[-1]


@pytest.mark.parametrize("name", CALLS)
def test_a_product_is_counted_and_written(name):
    call, macs, text = CALLS[name]
    found = operation(call)
    assert found.name == name.replace(",", "").split(" ")[0]
    assert not is_without(found)
    assert (product_of(found).macs, product_of(found).text) == (macs, text)


def test_every_formula_has_a_call():
    called = {name.replace(",", "").split(" ")[0] for name in CALLS}
    others = {"_convolution", "_grouped_mm", "_scaled_dot_product_cudnn_attention"}  # old, and of GPUs alone
    assert called | others == set(FORMULAS)
