"""The logic gates' networks against Python's own logic, on both back ends."""

from itertools import product

import pytest
import torch

import underhood.nn
from underhood import engine
from underhood.networks.logic_gate import GATES, logic_gate

LOGIC = {
    "NOT": lambda a: not a,
    "AND": lambda a, b: a and b,
    "NAND": lambda a, b: not (a and b),
    "OR": lambda a, b: a or b,
    "NOR": lambda a, b: not (a or b),
    "XOR": lambda a, b: a != b,
    "XNOR": lambda a, b: a == b,
}


@pytest.mark.parametrize(
    ("nn", "tensor"), [(torch.nn, torch.tensor), (underhood.nn, engine.tensor)], ids=["torch", "engine"]
)
@pytest.mark.parametrize("gate", GATES)
def test_the_truth_table(gate, nn, tensor):
    rows = list(product((0.0, 1.0), repeat=1 if gate == "NOT" else 2))
    network = logic_gate(nn, gate)
    answers = network(tensor(rows)).detach().numpy()[:, 0]
    assert [answer >= 0.5 for answer in answers] == [bool(LOGIC[gate](*row)) for row in rows]
    hidden = 3 if gate in ("XOR", "XNOR") else 1
    assert sum(len(p) for name, p in network.named_parameters() if name.endswith("bias")) == hidden


def test_an_unknown_gate_names_the_nearest():
    with pytest.raises(ValueError, match='unknown gate "XORR"; did you mean "XOR"'):
        logic_gate(underhood.nn, "XORR")
