"""What the instruments do with PyTorch's own objects."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from underhood.errors import BadInput
from underhood.instruments.pytorch import tensors_in, with_shapes


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
