r"""Backpropagation by hand: a sigmoid layer, a softmax layer, cross-entropy, every derivative with its numbers.

    f₁ = x W₁ + b₁,   a = σ(f₁),   f₂ = a W₂ + b₂,   o = softmax(f₂),   E = −Σ y log o

    x: (1, N)   W₁: (N, M)   b₁: (1, M)   W₂: (M, K)   b₂: (1, K)   y: one-hot (1, K)

    ∂E/∂f₂ = o − y          ∂E/∂x = ((o − y) W₂ᵀ ⊙ a ⊙ (1 − a)) W₁ᵀ

Every quantity is computed by these formulas alone, in NumPy, and compared with the engine's tape, with PyTorch's
autograd and with complex steps: ∂E/∂v = Im E(v + ih)/h, exact to rounding at h = 10⁻²⁰.

Source: exercise 3 of "24-789 Deep Learning for Engineers", Carnegie Mellon University, 2021; Rumelhart, Hinton &
Williams 1986.
"""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from underhood.engine import functional as F
from underhood.engine.forms import form
from underhood.engine.tensor import Tensor
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.settings import SettingError, Settings
from underhood.studies.by_hand.worked import aligned, check, checks_table, matrix, number, with_torch
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Result

Array = np.ndarray
Matrix = list[list[float]]
STEP = 1e-20
ASKED = ("x", "W1", "b1", "f1", "a", "W2", "b2", "f2")  # the gradients that are reported, in the order of the pass


class BackpropByHandSettings(Settings):
    """The numbers that are put in; sizes N, M, K follow from them."""

    x: list[float] = Field([1.0, -2.0, 0.5], min_length=1, max_length=12, description="the input, N numbers")
    W1: Matrix = Field([[0.5, -1.0], [0.25, 0.5], [-1.0, 2.0]], description="N rows of M numbers")
    b1: list[float] = Field([0.0, 1.0], min_length=1, max_length=12, description="M numbers")
    W2: Matrix = Field([[1.0, -1.0, 0.5], [2.0, 0.0, -1.5]], description="M rows of K numbers")
    b2: list[float] = Field([0.0, 0.25, -0.25], min_length=2, max_length=12, description="K numbers")
    target: int = Field(1, ge=0, description="the right class, counted from 0: where y is 1")

    @model_validator(mode="after")
    def _fit(self) -> Self:
        n, m, k = len(self.x), len(self.b1), len(self.b2)
        for name, rows, columns, from_, to in (("W1", n, m, "x", "b1"), ("W2", m, k, "b1", "b2")):
            weights = getattr(self, name)
            if len(weights) != rows or {len(row) for row in weights} != {columns}:
                raise SettingError(
                    name, f"wants {rows} rows of {columns} numbers, for {from_} has {rows} and {to} has {columns}"
                )
        if self.target >= k:
            raise SettingError("target", f"{self.target} is none of the {k} classes, 0 to {k - 1}")
        for name in ("x", "W1", "b1", "W2", "b2"):
            if not np.isfinite(getattr(self, name)).all():
                raise SettingError(name, "has a number in it that isn't finite")
        return self

    def arrays(self) -> dict[str, Array]:
        """x, W1, b1, W2, b2, y as matrices; vectors are rows."""
        y = np.eye(len(self.b2))[self.target]
        given = {name: getattr(self, name) for name in ("x", "W1", "b1", "W2", "b2")}
        return {name: np.atleast_2d(np.array(value, np.float64)) for name, value in {**given, "y": y}.items()}


# -- by the formulas --


def forward(v: dict[str, Array]) -> dict[str, Array]:
    """f1, a, f2, o, E. Holds for complex numbers, too, and for numbers whose exponential would overflow."""
    f1 = v["x"] @ v["W1"] + v["b1"]
    a = (1 + np.tanh(f1 / 2)) / 2  # = 1/(1 + e^−f1)
    f2 = a @ v["W2"] + v["b2"]
    below = f2 - f2.real.max()
    e = np.exp(below)
    return {"f1": f1, "a": a, "f2": f2, "o": e / e.sum(), "E": np.log(e.sum()) - (v["y"] * below).sum()}


def backward(v: dict[str, Array], z: dict[str, Array]) -> dict[str, Array]:
    """∂E/∂ of everything, from the loss back to the input."""
    d = {"f2": z["o"] - v["y"]}
    d["W2"], d["b2"] = z["a"].T @ d["f2"], d["f2"]
    d["a"] = d["f2"] @ v["W2"].T
    d["f1"] = d["a"] * z["a"] * (1 - z["a"])
    d["W1"], d["b1"] = v["x"].T @ d["f1"], d["f1"]
    d["x"] = d["f1"] @ v["W1"].T
    return d


# -- by others --


def by_complex_steps(v: dict[str, Array]) -> dict[str, Array]:
    """Im E(v + ih)/h for each number of x and the weights: no difference is taken, so nothing cancels."""
    found = {}
    for name in ("x", "W1", "b1", "W2", "b2"):
        gradient = np.empty(v[name].shape)
        for at in np.ndindex(*v[name].shape):
            moved = v[name].astype(complex)
            moved[at] += 1j * STEP
            gradient[at] = forward({**v, name: moved})["E"].imag / STEP
        found[name] = gradient
    return found


def by_autograd(tensor: Any, functional: Any, sigmoid: Any, v: dict[str, Array], target: Any) -> dict[str, Array]:
    """The gradients of a library of tensors; `functional` is its torch.nn.functional."""
    t = {name: tensor(v[name]) for name in ("x", "W1", "b1", "W2", "b2")}
    f1 = t["x"] @ t["W1"] + t["b1"]
    a = sigmoid(f1)
    f2 = a @ t["W2"] + t["b2"]
    inner = {"f1": f1, "a": a, "f2": f2}
    for value in inner.values():
        value.retain_grad()
    functional.cross_entropy(f2, target).backward()
    return {name: value.grad.numpy() for name, value in {**t, **inner}.items()}


def by_torch(torch: Any, v: dict[str, Array]) -> dict[str, Array]:
    target = torch.tensor(v["y"].argmax(1))
    return by_autograd(lambda x: torch.tensor(x, requires_grad=True), torch.nn.functional, torch.sigmoid, v, target)


def trial(settings: BackpropByHandSettings, seed: int, context: Context) -> Iterator[Event]:
    """The pass forward and back by the formulas, and the same gradients three other ways."""
    v = settings.arrays()
    z = forward(v)
    d = backward(v, z)
    with form("vector"):
        engine = by_autograd(lambda x: Tensor(x.copy(), requires_grad=True), F, F.sigmoid, v, Tensor(v["y"].argmax(1)))
    others = {"the engine's tape": engine, "complex steps": by_complex_steps(v), "PyTorch": with_torch(by_torch, v)}
    yield Result(
        {
            "values": {name: np.atleast_2d(value).tolist() for name, value in {**v, **z}.items()},
            "gradients": {name: value.tolist() for name, value in d.items()},
            "jacobian": (np.diag(z["o"][0]) - np.outer(z["o"], z["o"])).tolist(),
            "gaps": {who: None if found is None else gaps(d, found) for who, found in others.items()},
        }
    )


def gaps(ours: dict[str, Array], theirs: dict[str, Array]) -> dict[str, float]:
    return {name: float(np.abs(ours[name] - theirs[name]).max()) for name in ASKED if name in theirs}


# -- the report --

TITLE = "Backpropagation by hand"
QUESTION = "What are ∂E/∂f₂ and ∂E/∂x of a sigmoid–softmax network with cross-entropy, and where do they come from?"


def report(results: Results) -> Document:
    """The derivation step by step, each step with its numbers."""
    found = results.groups[0].counted[0].result
    values, gradients = found["values"], found["gradients"]
    sections = [
        Section("Forward", list(_forward(values))),
        Section("a) Back through cross-entropy and softmax: ∂E/∂f₂", list(_to_f2(found))),
        Section("b) On to the input: ∂E/∂x", list(_to_x(values, gradients))),
        Section("The weights, on the way", list(_weights(values, gradients))),
        Section("Checks", [checks_table(list(_checks(found["gaps"])))]),
    ]
    headline = {"E": values["E"][0][0], "∂E/∂f₂": _row(gradients["f2"]), "∂E/∂x": _row(gradients["x"])}
    return Document(TITLE, QUESTION, _answer(values, gradients, found["gaps"]), sections, headline)


def _forward(v: dict[str, Matrix]) -> Iterator[Any]:
    yield (
        "The input is multiplied by weights, squashed by the sigmoid, multiplied by weights again, and made into "
        "probabilities by the softmax. E is small when the probability of the right class is near 1."
    )
    yield Equation(
        aligned(
            [
                rf"x &= {matrix(v['x'])}",
                rf"W_1 &= {matrix(v['W1'])}, \qquad b_1 = {matrix(v['b1'])}",
                rf"f_1 &= x W_1 + b_1 = {matrix(v['f1'])}",
                rf"a &= \sigma(f_1) = \frac{{1}}{{1 + e^{{-f_1}}}} = {matrix(v['a'])}",
            ]
        )
    )
    yield Equation(
        aligned(
            [
                rf"W_2 &= {matrix(v['W2'])}, \qquad b_2 = {matrix(v['b2'])}",
                rf"f_2 &= a W_2 + b_2 = {matrix(v['f2'])}",
                rf"o_i &= \frac{{e^{{f_{{2,i}}}}}}{{\sum_j e^{{f_{{2,j}}}}}}, \qquad o = {matrix(v['o'])}",
                rf"E &= -\sum_i y_i \log o_i = -\log {number(_right(v))} = {number(v['E'][0][0])}, "
                rf"\qquad y = {matrix(v['y'])}",
            ]
        )
    )


def _to_f2(found: dict[str, Any]) -> Iterator[Any]:
    v, d = found["values"], found["gradients"]
    yield "**The loss.** E depends on each output by itself:"
    yield Equation(r"\frac{\partial E}{\partial o_i} = -\frac{y_i}{o_i}")
    yield (
        "**The softmax.** Each $o_i$ depends on every $f_{2,k}$: on its own through numerator and denominator, on the "
        "others through the denominator alone. With $S = \\sum_j e^{f_{2,j}}$ the quotient rule gives"
    )
    yield Equation(
        aligned(
            [
                r"i = k: \quad \frac{\partial o_i}{\partial f_{2,i}} &= "
                r"\frac{e^{f_{2,i}} S - e^{f_{2,i}} e^{f_{2,i}}}{S^2} = o_i (1 - o_i)",
                r"i \ne k: \quad \frac{\partial o_i}{\partial f_{2,k}} &= \frac{0 - e^{f_{2,i}} e^{f_{2,k}}}{S^2}"
                r" = -o_i o_k",
            ]
        ),
        f"Here, row $i$, column $k$: ${matrix(found['jacobian'])}$. Each **column** adds up to 0, because "
        "the probabilities always add up to 1: what one gains, the others lose. Each **row** adds up to 0, because the "
        "softmax ignores a constant added to every score. The matrix is symmetric, so either follows from the other.",
    )
    yield "**Both together.** By the chain rule, over all outputs that $f_{2,k}$ moves:"
    yield Equation(
        aligned(
            [
                r"\frac{\partial E}{\partial f_{2,k}} &= \sum_i \frac{\partial E}{\partial o_i}"
                r"\frac{\partial o_i}{\partial f_{2,k}}",
                r"&= -\frac{y_k}{o_k}\, o_k (1 - o_k) + \sum_{i \ne k} \frac{y_i}{o_i}\, o_i o_k",
                r"&= -y_k + o_k \sum_i y_i",
                r"&= o_k - y_k",
            ]
        ),
        "The last step uses that exactly one $y_i$ is 1, so that they add up to 1. What is left is what the network "
        "said less what was true.",
    )
    yield Equation(
        aligned(
            [
                rf"\frac{{\partial E}}{{\partial f_2}} = o - y &= {matrix(v['o'])} - {matrix(v['y'])}",
                f"&= {matrix(d['f2'])}",
            ]
        )
    )


def _to_x(v: dict[str, Matrix], d: dict[str, Matrix]) -> Iterator[Any]:
    yield "**Back through $W_2$.** $f_{2,k} = \\sum_m a_m W_{2,mk} + b_{2,k}$, so $a_m$ is felt by every output:"
    yield Equation(
        r"\frac{\partial E}{\partial a_m} = \sum_k (o_k - y_k)\, W_{2,mk}, \qquad "
        rf"\frac{{\partial E}}{{\partial a}} = (o - y)\, W_2^\top = {matrix(d['a'])}"
    )
    yield (
        "**Back through the sigmoid.** Each hidden unit by itself, with $\\sigma' = \\sigma (1 - \\sigma) = a (1 - a)$:"
    )
    slope = [[value * (1 - value) for value in v["a"][0]]]
    yield Equation(
        aligned(
            [
                r"\frac{\partial E}{\partial f_1} &= \frac{\partial E}{\partial a} \odot a \odot (1 - a)",
                rf"&= {matrix(d['a'])} \odot {matrix(slope)} = {matrix(d['f1'])}",
            ]
        ),
        r"$\odot$ multiplies number by number.",
    )
    yield "**Back through $W_1$.** The same step as through $W_2$:"
    yield Equation(
        aligned(
            [
                r"\frac{\partial E}{\partial x} &= \frac{\partial E}{\partial f_1}\, W_1^\top",
                r"&= \Bigl(\bigl((o - y)\, W_2^\top\bigr) \odot a \odot (1 - a)\Bigr) W_1^\top",
                rf"&= {matrix(d['x'])}",
            ]
        )
    )
    terms = " + ".join(f"{_n(g)}·{_n(w)}" for g, w in zip(d["f1"][0], v["W1"][0], strict=True))
    yield f"Its first number as the sum that it is: {terms} = {_plain(d['x'][0][0])}."


def _weights(v: dict[str, Matrix], d: dict[str, Matrix]) -> Iterator[Any]:
    yield (
        "The sheet does not ask for them, but they are what training needs: a weight's gradient is what goes in at "
        "one end times what comes back at the other."
    )
    yield Equation(
        aligned(
            [
                rf"\frac{{\partial E}}{{\partial W_2}} &= a^\top (o - y) = {matrix(d['W2'])}",
                rf"\frac{{\partial E}}{{\partial b_2}} &= o - y = {matrix(d['b2'])}",
                r"\frac{\partial E}{\partial W_1} &= x^\top \frac{\partial E}{\partial f_1} = " + matrix(d["W1"]),
                rf"\frac{{\partial E}}{{\partial b_1}} &= \frac{{\partial E}}{{\partial f_1}} = {matrix(d['b1'])}",
            ]
        )
    )
    yield _shapes(d)


def _shapes(d: dict[str, Matrix]) -> Table:
    formulas = {
        "f2": "o − y",
        "a": "(∂E/∂f₂) W₂ᵀ",
        "f1": "(∂E/∂a) ⊙ a ⊙ (1 − a)",
        "x": "(∂E/∂f₁) W₁ᵀ",
        "W2": "aᵀ (∂E/∂f₂)",
        "b2": "∂E/∂f₂",
        "W1": "xᵀ (∂E/∂f₁)",
        "b1": "∂E/∂f₁",
    }
    rows = [
        {
            "of": _letter(name),
            "formula": formula,
            "shape": f"{len(d[name])}×{len(d[name][0])}",
            "size": float(np.linalg.norm(d[name])),
        }
        for name, formula in formulas.items()
    ]
    columns = [
        Column("of", "∂E/∂", align="left"),
        Column("formula", "Formula", align="left"),
        Column("shape", "Shape", align="left"),
        Column("size", "Length", format=".4g", help="the root of the sum of its squares"),
    ]
    return Table("All gradients in the order in which they are found", columns, rows, name="gradients")


def _checks(found: dict[str, dict[str, float] | None]) -> Iterator[dict[str, Any]]:
    for who, each in found.items():
        if each is None:
            yield check("every gradient", who, None)
            continue
        for name in ("f2", "x"):
            if name in each:
                yield check(f"∂E/∂{_letter(name)}", who, each[name])
        yield check("∂E/∂ of all weights and biases", who, max(each[name] for name in ("W1", "b1", "W2", "b2")))


def _answer(v: dict[str, Matrix], d: dict[str, Matrix], found: dict[str, dict[str, float] | None]) -> str:
    known = {who: max(each.values()) for who, each in found.items() if each is not None}
    worst = max(known.values())
    names = list(known)
    judges = ", ".join(names[:-1]) + f" and {names[-1]}"
    absent = "" if "PyTorch" in known else " PyTorch is not installed, so these checks stand alone."
    return (
        f"- **a)** $\\partial E/\\partial f_2 = o - y$, here **{_row(d['f2'])}**: what the network said, less what was "
        "true.\n"
        "- **b)** $\\partial E/\\partial x = (\\partial E/\\partial f_1)\\, W_1^\\top$ with "
        "$\\partial E/\\partial f_1 = ((o - y)\\, W_2^\\top) \\odot a \\odot (1 - a)$, "
        f"here **{_row(d['x'])}**.\n"
        f"- {judges[0].upper()}{judges[1:]} find the same, to {_plain(worst, '.1g')} at most.{absent}"
    )


def _row(rows: Matrix) -> str:
    return "(" + ", ".join(_plain(value) for value in rows[0]) + ")"


def _right(v: dict[str, Matrix]) -> float:
    return sum(y * o for y, o in zip(v["y"][0], v["o"][0], strict=True))


def _letter(name: str) -> str:
    return name.replace("1", "₁").replace("2", "₂")


def _plain(value: float, spec: str = ".4g") -> str:
    return f"{value:{spec}}".replace("-", "−")


def _n(value: float) -> str:
    """A factor or summand: in brackets where it is negative."""
    return f"({_plain(value)})" if value < 0 else _plain(value)


ENTRY = Study(
    name="backprop-by-hand",
    title=TITLE,
    question=QUESTION,
    theme="By hand",
    source="course 24-789, CMU 2021; Rumelhart, Hinton & Williams 1986",
    settings=BackpropByHandSettings,
    trial=trial,
    compares=(),
    seeded=False,
    scales={
        "smoke": Scale("a 3-2-3 network", seeds=1, time="5 s", complete=True),
        "quick": Scale("a 3-2-3 network, or numbers of your own", seeds=1, time="8 s"),
        "full": Scale(
            "a 4-5-3 network",
            seeds=1,
            time="8 s",
            set={
                "x": [0.2, -1.0, 1.5, 0.7],
                "W1": [[0.1 * ((3 * i + 5 * j) % 11 - 5) for j in range(5)] for i in range(4)],
                "b1": [0.1, -0.2, 0.0, 0.3, -0.1],
                "W2": [[0.2 * ((2 * i + 7 * j) % 9 - 4) for j in range(3)] for i in range(5)],
                "b2": [0.0, 0.1, -0.1],
            },
        ),
    },
    report=report,
)
