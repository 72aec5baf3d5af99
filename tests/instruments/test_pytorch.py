"""What the instruments do with PyTorch's own objects."""

import gc
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from underhood.errors import BadInput, MissingPiece
from underhood.instruments.pytorch import load_torch, tensors_in, with_shapes


@dataclass
class Output:
    """As the models of other libraries return them; not a tree that torch itself would open."""

    logits: Any
    hidden: Any = None
    names: list[str] = field(default_factory=lambda: ["a"])


def test_tensors_are_found_in_nests_and_dataclasses_in_their_order():
    a, b, c, d = (torch.full((1,), float(k)) for k in range(4))
    tree = {"x": [a, (b, 3, "word")], "y": Output(c, hidden=Output({"z": d})), "z": None}
    assert [t.item() for t in tensors_in(tree)] == [0, 1, 2, 3]
    assert tensors_in(Output) == []  # the class itself holds none
    assert tensors_in(5) == []


def test_a_lazy_parameter_without_a_shape_is_refused_by_name():
    with pytest.raises(BadInput, match="net"):
        with_shapes(torch.nn.Sequential(torch.nn.LazyLinear(3)), "net")
    plain = torch.nn.Linear(2, 3)
    assert with_shapes(plain, "net") is plain


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_is_left_as_it_was(collects, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # its import fails, so that it is not made anew here
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with pytest.raises(MissingPiece, match="a test"):
            load_torch("a test")
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
