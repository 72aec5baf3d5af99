r"""Logic gates as the smallest networks of sigmoid units, their weights found by reasoning.

    z = w₁ A + w₂ B + b,   output σ(z), read as 1 when it is ≥ 0.5, that is when z ≥ 0

A gate is a text of its outputs: "0110" is XOR. Where a line parts its ones from its zeros it is one unit; XOR and XNOR
are gates of gates, two units under one. That nothing smaller will do, the study `logic-gates` proves.

Sources: Minsky & Papert 1969; Rosenblatt 1958 for the unit.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

from underhood.errors import nearest
from underhood.networks.registry import Network

# Each gate's outputs for A = 0, 1, or for (A, B) = (0,0), (0,1), (1,0), (1,1).
GATES = {
    "NOT": "10",
    "AND": "0001",
    "NAND": "1110",
    "OR": "0111",
    "NOR": "1000",
    "XOR": "0110",
    "XNOR": "1001",
}


@dataclass(frozen=True)
class Layer:
    """w: (units, inputs)   b: (units,)"""

    w: list[list[float]]
    b: list[float]


# -- finding the weights by reasoning --


def inputs(outputs: str) -> list[tuple[int, ...]]:
    """The rows of a truth table, in the order of its outputs."""
    return list(product((0, 1), repeat=len(outputs).bit_length() - 1))


def unit(outputs: str) -> Layer | None:
    """One unit with these outputs; None where no line parts the ones from the zeros."""
    rows = inputs(outputs)
    ones = [row for row, out in zip(rows, outputs, strict=True) if out == "1"]
    zeros = [row for row, out in zip(rows, outputs, strict=True) if out == "0"]
    if not ones or not zeros:
        return Layer([[0.0] * len(rows[0])], [0.5 if ones else -0.5])
    for i in range(len(rows[0])):  # the output is one input, or its contrary
        if all(row[i] for row in ones) and not any(row[i] for row in zeros):
            return Layer([[float(i == j) for j in range(len(rows[0]))]], [-0.5])
        if not any(row[i] for row in ones) and all(row[i] for row in zeros):
            return Layer([[-float(i == j) for j in range(len(rows[0]))]], [0.5])
    if len(ones) == 1:  # count how many inputs agree with the one row that is 1
        signs = [1.0 if value else -1.0 for value in ones[0]]
        return Layer([signs], [0.5 - sum(ones[0])])
    if len(zeros) == 1:  # the contrary of that
        signs = [-1.0 if value else 1.0 for value in zeros[0]]
        return Layer([signs], [sum(zeros[0]) - 0.5])
    return None


# The two gates that are no unit, as a gate of two gates: XOR = AND(OR, NAND), XNOR = OR(AND, NOR).
MADE_OF = {"0110": ("AND", "OR", "NAND"), "1001": ("OR", "AND", "NOR")}


def smallest(outputs: str, steepness: float) -> list[Layer]:
    """The smallest network: one unit, or two units under one."""
    one = unit(outputs)
    if one is not None:
        return [one]
    top, *below = (unit(GATES[name]) for name in MADE_OF[outputs])
    hidden = Layer([each.w[0] for each in below if each], [each.b[0] for each in below if each])
    return [steeper(layer, steepness) for layer in (hidden, top) if layer]


def steeper(layer: Layer, k: float) -> Layer:
    """The same lines, crossed faster: σ(kz) is nearer to 0 or 1 than σ(z)."""
    return Layer([[k * w for w in row] for row in layer.w], [k * b for b in layer.b])


def logic_gate(nn: Any, gate: str = "XOR", steepness: float = 10.0) -> Any:
    """The network of a gate by name, for inputs (N, 2) of zeros and ones, (N, 1) for NOT. z: (N, 1)."""
    if gate not in GATES:
        raise ValueError(f'logic_gate: unknown gate "{gate}"; {nearest(gate, list(GATES))}')
    layers: list[Any] = []
    for layer in smallest(GATES[gate], steepness):
        linear = nn.Linear(len(layer.w[0]), len(layer.w))
        for i, (row, bias) in enumerate(zip(layer.w, layer.b, strict=True)):
            linear.bias.data[i] = bias
            for j, weight in enumerate(row):
                linear.weight.data[i, j] = weight
        layers += [linear, nn.Sigmoid()]
    return nn.Sequential(*layers)


ENTRY = Network(
    name="logic-gate",
    build=logic_gate,
    input=(2,),
    summary="the smallest sigmoid network of a gate, XOR by default, with the weights that make it one",
    source="Minsky & Papert 1969",
)
