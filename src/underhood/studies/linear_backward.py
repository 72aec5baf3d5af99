r"""The gradients of a linear layer on X[n,t,c]: as formulas, as loops, as matrix products, and by autograd.

    Y[n,t,f] = b[f] + Σ_c X[n,t,c] · W[c,f]

    ∂L/∂X[n,t,c] = Σ_f ∂L/∂Y[n,t,f] · W[c,f]                  δ Wᵀ
    ∂L/∂W[c,f]   = Σ_n Σ_t ∂L/∂Y[n,t,f] · X[n,t,c]            Xᵀ δ,  n and t as one axis
    ∂L/∂b[f]     = Σ_n Σ_t ∂L/∂Y[n,t,f]                       the sum of δ's rows

    X: (N, T, C)   W: (C, F)   b: (F,)   Y and δ = ∂L/∂Y: (N, T, F)

Whatever the loss is, only δ matters to the layer; L = ⟨δ, Y⟩ has just this δ, so that autograd can be asked.

Source: question 2 of the homework "On-edge training" (sheet 000); Rumelhart, Hinton & Williams 1986.
"""

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from underhood.data import stream
from underhood.engine import functional
from underhood.engine.forms import form
from underhood.engine.tensor import Tensor
from underhood.lab import Results, Scale, Study
from underhood.report.document import Code, Document, Equation, Section
from underhood.settings import SettingError, Settings
from underhood.studies.by_hand.worked import (
    aligned,
    bracketed,
    check,
    checks_table,
    matrices,
    matrix,
    number,
    with_torch,
)
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Result

Array = np.ndarray
Matrix = list[list[float]]
NAMES = ("X", "W", "b")
READABLE = 8  # rows or columns of a matrix that a page still shows


class LinearBackwardSettings(Settings):
    """The numbers of the layer; or, with `sizes`, that many drawn from a normal distribution by the seed."""

    X: list[Matrix] = Field([[[1, 2, 0], [0, 1, -1]], [[2, 0, 1], [3, -1, 1]]], description="N × T × C numbers")
    W: Matrix = Field([[1, 0], [2, -1], [0, 3]], description="C rows of F numbers")
    b: list[float] = Field([0.5, -0.5], min_length=1, description="F numbers")
    delta: list[Matrix] = Field(
        [[[1, -1], [2, 0]], [[0, 1], [-1, 3]]], description="δ = ∂L/∂Y, what comes back: N × T × F numbers"
    )
    sizes: list[int] | None = Field(
        None, min_length=4, max_length=4, description="N, T, C, F of random numbers instead of those above"
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.sizes is not None:
            if min(self.sizes) < 1 or prod(self.sizes) > 2_000_000:
                raise SettingError("sizes", "wants four numbers N, T, C, F from 1, at most 2,000,000 multiplied")
            return self
        c, f = len(self.W), len(self.b)
        n, t = len(self.X), len(self.X[0]) if self.X else 0
        for name, wanted in (("X", (n, t, c)), ("W", (c, f)), ("delta", (n, t, f))):
            found = _shape(getattr(self, name))
            if found != wanted or 0 in wanted:
                is_, sizes = (" × ".join(map(str, each)) if each else "uneven" for each in (found, wanted))
                raise SettingError(name, f"is {is_}; with the other numbers it has to be {sizes}")
        return self

    def arrays(self, seed: int) -> dict[str, Array]:
        """X, W, b, dY in float64."""
        if self.sizes is None:
            given = {"X": self.X, "W": self.W, "b": self.b, "dY": self.delta}
            return {name: np.array(value, np.float64) for name, value in given.items()}
        n, t, c, f = self.sizes
        rng = stream("init", seed, name="linear-backward")
        shapes = {"X": (n, t, c), "W": (c, f), "b": (f,), "dY": (n, t, f)}
        return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def _shape(given: Any) -> tuple[int, ...]:
    """The shape of nested lists; () where their lengths differ."""
    try:
        return np.array(given, np.float64).shape
    except ValueError:
        return ()


# -- three ways by hand --


def by_loops(X: Array, W: Array, dY: Array) -> dict[str, Array]:
    """The formulas, one number after the other, in plain Python."""
    (N, T, C), F = X.shape, W.shape[1]
    dX, dW, db = np.zeros(X.shape), np.zeros(W.shape), np.zeros(F)
    for n in range(N):
        for t in range(T):
            for f in range(F):
                db[f] += dY[n, t, f]
                for c in range(C):
                    dX[n, t, c] += dY[n, t, f] * W[c, f]
                    dW[c, f] += dY[n, t, f] * X[n, t, c]
    return {"X": dX, "W": dW, "b": db}


def by_matrices(X: Array, W: Array, dY: Array) -> dict[str, Array]:
    """The same as two matrix products and a sum; n and t together are the rows."""
    x, d = X.reshape(-1, X.shape[-1]), dY.reshape(-1, dY.shape[-1])
    return {"X": (d @ W.T).reshape(X.shape), "W": x.T @ d, "b": d.sum(0)}


def by_indices(X: Array, W: Array, dY: Array) -> dict[str, Array]:
    """The same in Einstein's notation: an index that the result lacks is summed over."""
    return {"X": np.einsum("ntf,cf->ntc", dY, W), "W": np.einsum("ntf,ntc->cf", dY, X), "b": np.einsum("ntf->f", dY)}


# -- by autograd --


def by_engine(name: str) -> Callable[[dict[str, Array]], dict[str, Array]]:
    """The engine's linear layer in one of its forms. Its weight is Wᵀ, as PyTorch's is: (F, C)."""

    def ask(v: dict[str, Array]) -> dict[str, Array]:
        x, w, b = (Tensor(a, requires_grad=True) for a in (v["X"].copy(), np.array(v["W"].T), v["b"].copy()))
        with form(name):
            functional.linear(x, w, b).backward(Tensor(v["dY"].copy()))
        return {"X": x.grad.array, "W": w.grad.array.T, "b": b.grad.array}  # type: ignore[union-attr]

    return ask


def by_torch(torch: Any, v: dict[str, Array]) -> dict[str, Array]:
    """Autograd through the formula of Y itself."""
    t = {name: torch.tensor(v[name], requires_grad=True) for name in NAMES}
    (t["X"] @ t["W"] + t["b"]).backward(torch.tensor(v["dY"]))
    return {name: t[name].grad.numpy() for name in NAMES}


def by_torch_linear(torch: Any, v: dict[str, Array]) -> dict[str, Array]:
    """Autograd through torch.nn.Linear."""
    layer = torch.nn.Linear(*v["W"].shape, dtype=torch.float64)
    layer.load_state_dict({"weight": torch.tensor(v["W"].T.copy()), "bias": torch.tensor(v["b"])})
    x = torch.tensor(v["X"], requires_grad=True)
    layer(x).backward(torch.tensor(v["dY"]))
    return {"X": x.grad.numpy(), "W": layer.weight.grad.numpy().T, "b": layer.bias.grad.numpy()}


def trial(settings: LinearBackwardSettings, seed: int, context: Context) -> Iterator[Event]:
    """All ways, and how far each is from the loops."""
    v = settings.arrays(seed)
    X, W, dY = v["X"], v["W"], v["dY"]
    loops = by_loops(X, W, dY)
    others = {
        "the matrix products": by_matrices(X, W, dY),
        "Einstein sums": by_indices(X, W, dY),
        "the engine's definition": by_engine("definition")(v),
        "the engine's vector form": by_engine("vector")(v),
        "PyTorch": with_torch(by_torch, v),
        "torch.nn.Linear": with_torch(by_torch_linear, v),
    }
    sizes = {"N": X.shape[0], "T": X.shape[1], "C": X.shape[2], "F": W.shape[1]}
    shown = {**v, "Y": X @ W + v["b"], **{f"d{name}": loops[name] for name in NAMES}}
    readable = max(sizes["N"] * sizes["T"], sizes["C"], sizes["F"]) <= READABLE
    yield Result(
        {
            "sizes": sizes,
            "arrays": {name: value.tolist() for name, value in shown.items()} if readable else None,
            "gaps": {who: None if found is None else gaps(loops, found) for who, found in others.items()},
        }
    )


def gaps(ours: dict[str, Array], theirs: dict[str, Array]) -> dict[str, float]:
    """The largest difference of each gradient, over its largest number (or 1)."""
    return {name: float(np.abs(ours[name] - theirs[name]).max() / max(1.0, np.abs(ours[name]).max())) for name in NAMES}


# -- the report --

TITLE = "The gradients of a linear layer"
QUESTION = "What are ∂L/∂X, ∂L/∂W and ∂L/∂b of a linear layer on X[n,t,c], and how does one compute them?"
FORMULAS = (
    r"\frac{\partial L}{\partial X[n,t,c]} &= \sum_f \frac{\partial L}{\partial Y[n,t,f]}\; W[c,f]",
    r"\frac{\partial L}{\partial W[c,f]} &= \sum_n \sum_t \frac{\partial L}{\partial Y[n,t,f]}\; X[n,t,c]",
    r"\frac{\partial L}{\partial b[f]} &= \sum_n \sum_t \frac{\partial L}{\partial Y[n,t,f]}",
)


def report(results: Results) -> Document:
    """The derivation, the loops, the products, the numbers, the checks."""
    trials = results.groups[0].counted
    found = trials[0].result
    sections = [
        Section("The formulas, from the chain rule", list(_derivation())),
        Section("As loops", list(_loops())),
        Section("As matrix products", list(_products(found))),
    ]
    if found["arrays"]:
        sections.append(Section("With the numbers put in", list(_numbers(found["arrays"]))))
    sections.append(Section("Checks", [checks_table(list(_checks(trials)), 1e-12)]))
    s = found["sizes"]
    headline = {"X": f"{s['N']}×{s['T']}×{s['C']}", "F": s["F"], "largest difference": _worst(trials)}
    return Document(TITLE, QUESTION, _answer(trials), sections, headline)


def _derivation() -> Iterator[str | Equation]:
    yield Equation(
        r"Y[n,t,f] = b[f] + \sum_{c=0}^{C-1} X[n,t,c]\; W[c,f]",
        r"$n$ counts examples, $t$ positions in a sequence, $c$ input channels, $f$ output features. (The sheet writes "
        r"the sum up to $C$; the $C$ channels are $0$ to $C - 1$.)",
    )
    yield (
        "A number moves the loss through every Y that it is part of, so its gradient is a sum over those Y: what "
        "comes back from each, ∂L/∂Y, times how strongly the number moves it. Only that second factor is to be found, "
        "and Y is a sum of products, so it is the *other* factor of the product:"
    )
    yield Equation(
        aligned(
            [
                r"\frac{\partial Y[n,t,f]}{\partial X[n,t,c]} &= W[c,f] \quad \text{for every } f",
                r"\frac{\partial Y[n,t,f]}{\partial W[c,f]} &= X[n,t,c] \quad \text{for every } n, t",
                r"\frac{\partial Y[n,t,f]}{\partial b[f]} &= 1 \quad \text{for every } n, t",
            ]
        ),
        "All other derivatives are 0: X[n,t,c] is in no other row of Y, W[c,f] and b[f] are in no other column.",
    )
    yield "So X's gradient is summed over f, and those of W and b, which serve every row, over n and t:"
    yield Equation(aligned(FORMULAS))


LOOPS = """
for n in range(N):
  for t in range(T):
    for f in range(F):
      db[f] += dY[n, t, f]
      for c in range(C):
        dX[n, t, c] += dY[n, t, f] * W[c, f]
        dW[c, f] += dY[n, t, f] * X[n, t, c]
"""


def _loops() -> Iterator[str | Code]:
    yield "The same as a program: every index of a formula is a loop, and what is summed over is added up with `+=`."
    yield Code(
        LOOPS.strip(),
        "`dX`, `dW` and `db` start at 0. With `=` in place of `+=` the last term alone would be kept, the commonest "
        "mistake.",
    )


def _products(found: dict[str, Any]) -> Iterator[Any]:
    yield (
        "Take n and t together as one axis of N·T rows. Then a sum over a shared index is a matrix product, and the "
        "transpose puts that index where the product sums:"
    )
    yield Equation(
        aligned(
            [
                r"\frac{\partial L}{\partial X} &= \frac{\partial L}{\partial Y}\, W^\top",
                r"\frac{\partial L}{\partial W} &= X^\top\, \frac{\partial L}{\partial Y}",
                r"\frac{\partial L}{\partial b} &= \mathbf{1}^\top\, \frac{\partial L}{\partial Y}",
            ]
        ),
        r"$\mathbf{1}$ is a column of ones: its product adds the rows up.",
    )
    s = found["sizes"]
    rows, c, f = s["N"] * s["T"], s["C"], s["F"]
    work = rows * c * f
    columns = [
        Column("what", "", align="left"),
        Column("product", "Product", align="left"),
        Column("shapes", "Shapes", align="left"),
        Column("gives", "Gives", align="left"),
        Column("work", "Multiplications", format=",d"),
    ]
    counted = [
        ("Y", "X W + b", f"({rows}, {c}) ({c}, {f})", f"({rows}, {f})", work),
        ("∂L/∂X", "∂L/∂Y Wᵀ", f"({rows}, {f}) ({f}, {c})", f"({rows}, {c})", work),
        ("∂L/∂W", "Xᵀ ∂L/∂Y", f"({c}, {rows}) ({rows}, {f})", f"({c}, {f})", work),
        ("∂L/∂b", "sum of rows", f"({rows}, {f})", f"({f},)", 0),
    ]
    names = [column.name for column in columns]
    yield Table(
        f"The products for N = {s['N']}, T = {s['T']}, C = {c}, F = {f}",
        columns,
        [dict(zip(names, row, strict=True)) for row in counted],
        ["Going back costs twice what going forward does: two products of the same size instead of one."],
        name="products",
    )
    yield (
        "PyTorch's `nn.Linear` keeps its weight transposed, (F, C). Its gradient is then δᵀ X, the transpose of the "
        "one here."
    )


def _numbers(v: dict[str, Any]) -> Iterator[Any]:
    X, dY, W = _flat(v["X"]), _flat(v["dY"]), v["W"]
    yield (
        "Rows are (n, t) in order: all positions of the first example, then those of the next. "
        "The colours tell signs, their depth sizes."
    )
    yield Equation(
        aligned(
            [
                rf"X &= {matrix(X)}, \qquad W = {matrix(W)}, \qquad b = {matrix([v['b']])}",
                rf"Y &= X W + b = {matrix(_flat(v['Y']))}",
            ]
        )
    )
    yield matrices(
        "∂L/∂X = ∂L/∂Y Wᵀ",
        [("∂L/∂Y", dY), ("Wᵀ", _turned(W)), ("∂L/∂X", _flat(v["dX"]))],
        caption="Each row of ∂L/∂X comes from the same row of ∂L/∂Y.",
        name="gradient-of-x",
    )
    yield Equation(_written(r"\frac{\partial L}{\partial X[0,0,0]}", dY[0], W[0], v["dX"][0][0][0]))
    yield matrices(
        "∂L/∂W = Xᵀ ∂L/∂Y",
        [("Xᵀ", _turned(X)), ("∂L/∂Y", dY), ("∂L/∂W", v["dW"])],
        caption="Each number of ∂L/∂W takes a column of X and a column of ∂L/∂Y.",
        name="gradient-of-w",
    )
    first = [row[0] for row in dY]
    yield Equation(_written(r"\frac{\partial L}{\partial W[0,0]}", first, [row[0] for row in X], v["dW"][0][0]))
    yield Equation(
        rf"\frac{{\partial L}}{{\partial b[0]}} = {' + '.join(bracketed(d) for d in first)} = {number(v['db'][0])}, "
        rf"\qquad \frac{{\partial L}}{{\partial b}} = {matrix([v['db']])}"
    )


def _written(head: str, left: list[float], right: list[float], value: float) -> str:
    """A gradient as the sum of products that it is."""
    terms = " + ".join(rf"{bracketed(a)}\cdot {bracketed(b)}" for a, b in zip(left, right, strict=True))
    return f"{head} = {terms} = {number(value)}"


def _checks(trials: Any) -> Iterator[dict[str, Any]]:
    """Each way against the loops, the worst over the seeds."""
    for who in trials[0].result["gaps"]:
        found = [trial.result["gaps"][who] for trial in trials]
        by = who if found[0] is not None else "PyTorch"
        worst = None if None in found else max(max(each.values()) for each in found)
        yield check("∂L/∂X, ∂L/∂W and ∂L/∂b of the loops", by, worst)


def _worst(trials: Any) -> float:
    """The largest difference of any way from the loops, over all seeds."""
    return max(max(each.values()) for t in trials for each in t.result["gaps"].values() if each is not None)


def _answer(trials: Any) -> str:
    found = trials[0].result
    s = found["sizes"]
    asked = all(trial.result["gaps"]["PyTorch"] is not None for trial in trials)
    judges = "PyTorch's autograd too" if asked else "the engine's tape too; PyTorch is not installed"
    worst = _worst(trials)
    far = f"to **{worst:.1g}** of the largest number" if worst else "**exactly**"
    if len(trials) > 1:
        far += f" over {len(trials)} seeds"
    said = (
        "- $\\partial L/\\partial X[n,t,c] = \\sum_f \\delta[n,t,f]\\; W[c,f]$, as matrices $\\delta W^\\top$\n"
        "- $\\partial L/\\partial W[c,f] = \\sum_n \\sum_t \\delta[n,t,f]\\; X[n,t,c]$, as matrices $X^\\top \\delta$\n"
        "- $\\partial L/\\partial b[f] = \\sum_n \\sum_t \\delta[n,t,f]$, the sum of the rows of $\\delta$\n\n"
        f"with $\\delta = \\partial L/\\partial Y$. Loops and matrix products, and {judges}, agree {far}, on "
        f"X of {s['N']}×{s['T']}×{s['C']} numbers with F = {s['F']}."
    )
    if found["arrays"]:
        said += f" There ∂L/∂b is {_row(found['arrays']['db'])}."
    return said


def _flat(rows: list[Matrix]) -> Matrix:
    return [line for example in rows for line in example]


def _turned(rows: Matrix) -> Matrix:
    return [list(column) for column in zip(*rows, strict=True)]


def _row(values: list[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}".replace("-", "−") for value in values) + ")"


ENTRY = Study(
    name="linear-backward",
    title=TITLE,
    question=QUESTION,
    theme="By hand",
    source="homework “On-edge training”, question 2; Rumelhart, Hinton & Williams 1986",
    settings=LinearBackwardSettings,
    trial=trial,
    compares=(),
    scales={
        "smoke": Scale("2×2×3 numbers, F = 2", seeds=1, time="5 s", complete=True),
        "quick": Scale("2×2×3 numbers, F = 2, or numbers of your own", seeds=1, time="8 s"),
        "full": Scale("8×16×32 random numbers, F = 24, 5 seeds", seeds=5, set={"sizes": [8, 16, 32, 24]}, time="10 s"),
    },
    report=report,
)
