r"""Logic gates as sigmoid units: what they compute, layer by layer, and the proof that one unit is too few.

    z = w₁ A + w₂ B + b,   output σ(z), read as 1 when it is ≥ 0.5, that is when z ≥ 0

A gate is a text of its outputs: "0110" is XOR; its network stands in networks/logic_gate.py. That no line parts its
ones from its zeros is settled by linear programming, whose answer "impossible" comes with whole numbers that prove it
(Farkas's lemma).

Sources: Minsky & Papert 1969; Farkas 1902.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from underhood.engine import functional as F
from underhood.engine.tensor import Tensor
from underhood.networks.logic_gate import Layer, inputs


def forward(layers: Sequence[Layer], rows: Sequence[tuple[int, ...]]) -> list[list[list[float]]]:
    """For each layer z and σ(z) of each row: [layer][row] = [z…, σ(z)…]."""
    a, found = Tensor(np.array(rows, np.float64)), []
    for layer in layers:
        z = F.linear(a, Tensor(np.array(layer.w)), Tensor(np.array(layer.b)))
        a = F.sigmoid(z)
        found.append(np.concatenate([z.array, a.array], axis=1).tolist())
    return found


def in_torch(torch: Any, layers: Sequence[Layer], rows: Sequence[tuple[int, ...]]) -> list[float]:
    """The outputs of the same network made of torch.nn's layers."""
    net = torch.nn.Sequential()
    for layer in layers:
        linear = torch.nn.Linear(len(layer.w[0]), len(layer.w), dtype=torch.float64)
        linear.load_state_dict({"weight": torch.tensor(layer.w), "bias": torch.tensor(layer.b)})
        net.extend([linear, torch.nn.Sigmoid()])
    with torch.no_grad():
        return list(net(torch.tensor(rows, dtype=torch.float64))[:, 0].tolist())


# -- what one unit can do: linear programming --


def one_unit(outputs: str) -> dict[str, Any]:
    """Whether some w, b have z ≥ 0 on the rows that are 1 and z < 0 on those that are 0.

    Weights may be scaled, so z < 0 may be asked as z ≤ −1. Where that is impossible, Farkas's lemma promises
    multipliers y ≥ 0, one a row, under which the inequalities add up to 0 ≤ −1. They are found by a second program,
    made whole, and their sum is taken in exact arithmetic.
    """
    from scipy.optimize import linprog

    rows = inputs(outputs)
    # −z ≤ 0 where the output is 1, z ≤ −1 where it is 0: constraints · (w, b) ≤ bounds
    constraints = [[(-1 if out == "1" else 1) * v for v in (*row, 1)] for row, out in zip(rows, outputs, strict=True)]
    bounds = [0 if out == "1" else -1 for out in outputs]
    free = [(None, None)] * len(constraints[0])
    primal = linprog([0] * len(free), A_ub=constraints, b_ub=bounds, bounds=free)
    if primal.status == 0:
        return {"possible": True, "weights": [float(v) for v in primal.x]}
    dual = linprog(
        [0] * len(rows),
        A_eq=[*map(list, zip(*constraints, strict=True)), bounds],
        b_eq=[0] * len(free) + [-1],
        bounds=[(0, None)] * len(rows),
    )
    y = [Fraction(float(v)).limit_denominator(1000) for v in dual.x]
    whole = [int(v * lcm(*(each.denominator for each in y))) for v in y]
    sums = [sum(m * c for m, c in zip(whole, column, strict=True)) for column in zip(*constraints, strict=True)]
    right = sum(m * b for m, b in zip(whole, bounds, strict=True))
    return {
        "possible": False,
        "multipliers": whole,
        "sums": sums,
        "right": right,
        "proved": min(whole) >= 0 and not any(sums) and right < 0,
    }
