r"""A descent: the rule that takes the steps, the walk down the curve with all that is computed on the way.

    gd          x[t+1] = x[t] − η f′(x[t])
    momentum    v[0] = f′(x[0]),  v[t+1] = β v[t] + (1 − β) f′(x[t]),  x[t+1] = x[t] − η v          (the sheet's Eq. 5)

Eq. 5 leaves the index of its last v out: `velocity` is "new", v[t+1], or "old", v[t]. The other rules are the
package's optimisers. Gradients come from the engine's tape; the same walk in PyTorch checks it.

Sources: Polyak 1964 (momentum); the pages of engine/optim.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from underhood.engine.optim import OPTIMIZERS, Optimizer
from underhood.engine.optim.optimizer import Number, at_least_zero
from underhood.engine.tensor import Tensor
from underhood.settings import SettingError, Settings
from underhood.studies.descent.expressions import Expression, of_engine, of_torch
from underhood.training.entry_settings import EntrySettings

# -- the rules --


class GradientDescent(Optimizer):
    """Plain gradient descent: x ← x − η g."""

    rule = staticmethod(lambda x, g, lr: (x - lr * g,))

    def __init__(self, params: Iterable[Any], lr: float) -> None:
        at_least_zero(learning_rate=lr)
        super().__init__(params, {"lr": lr})

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        return (group["lr"],)


class Momentum(Optimizer):
    """Eq. 5: a running mean v of the gradients; `velocity` says which v takes the step, the "new" or the "old"."""

    buffers: ClassVar[tuple[str, ...]] = ("v",)  # type: ignore[misc]

    def __init__(self, params: Iterable[Any], lr: float, beta: float = 0.9, velocity: str = "new") -> None:
        at_least_zero(learning_rate=lr)
        if not 0 <= beta < 1:
            raise ValueError(f"beta: {beta} is not in 0 ≤ β < 1")
        if velocity not in ("new", "old"):
            raise ValueError(f'velocity: unknown "{velocity}"; there is new, old')
        super().__init__(params, {"lr": lr, "beta": beta, "velocity": velocity})

    @staticmethod
    def rule(x: Number, g: Number, v: Number, lr: float, beta: float, old: bool, first: bool) -> tuple[Number, Number]:
        v = 1 * g if first else v  # v₀ = ∇f(x₀)
        new = beta * v + (1 - beta) * g
        return x - lr * (v if old else new), new

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        return group["lr"], group["beta"], group["velocity"] == "old", first


RULES: dict[str, Callable[..., Any]] = {
    "gd": GradientDescent,
    "momentum": Momentum,
    **{name: row.optimizer for name, row in OPTIMIZERS.items()},
}
TITLES = {"gd": "gradient descent", "momentum": "momentum"}


class Rule(EntrySettings):
    """`gd`, `momentum` (with `beta` and `velocity`), or an optimiser of the package with its arguments."""

    name: str = "gd"

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        return RULES

    @model_validator(mode="after")
    def _works(self) -> Self:
        if "lr" in self.arguments:
            raise SettingError("lr", "the step size is a setting of its own: lr")
        try:
            RULES[self.name]([Tensor(np.zeros(()), requires_grad=True)], lr=0.1, **self.arguments)
        except (TypeError, ValueError) as error:
            raise ValueError(str(error)) from None
        return self


class Descent(Settings):
    """One descent: where it starts, how long its steps are, by which rule."""

    x0: float
    lr: float
    rule: Rule = Field(default_factory=Rule)

    @property
    def title(self) -> str:
        given = "".join(f", {key} {value}" for key, value in self.rule.arguments.items())
        return f"{TITLES.get(self.rule.name, self.rule.name)}{given}, η = {self.lr:g}"


# -- walking --


def walk(f: Expression, descent: Descent, steps: int) -> Iterator[dict[str, Any]]:
    """x, what is computed on the way to f(x), the slope and the rule's buffers, before each step and after the last."""
    x = Tensor(np.array(float(descent.x0)), requires_grad=True)
    optimizer = RULES[descent.rule.name]([x], lr=descent.lr, **descent.rule.arguments)
    for t in range(steps + 1):
        x.grad = None
        parts = {each.text: each(x, of_engine) for each in f.parts()}
        y = f(x, of_engine)
        y.backward()
        slope = 0.0 if x.grad is None else float(x.grad.item())
        row = {"t": t, "x": x.item(), "f": y.item(), "slope": slope}
        row["parts"] = {text: part.item() for text, part in list(parts.items())[:-1]}
        if t < steps and np.isfinite(slope):
            optimizer.step()
            row["kept"] = {k: v.item() for k, v in optimizer.state[x].items() if hasattr(v, "item")}
        yield row
        if not np.isfinite([row["f"], slope, x.item()]).all():
            return


def walk_in_torch(torch: Any, f: Expression, descent: Descent, steps: int) -> list[float] | None:
    """The same x by PyTorch's functions, gradients and, where it has the rule, its optimiser."""
    x = torch.tensor(float(descent.x0), dtype=torch.float64, requires_grad=True)
    options = dict(descent.rule.arguments)
    name = descent.rule.name
    old = name == "momentum" and options.pop("velocity", "new") == "old"
    if name in ("gd", "momentum"):
        # with dampening = β the buffer of torch's SGD is Eq. 5's v, for it too begins with the first gradient
        beta = options.pop("beta", 0.9) if name == "momentum" else 0.0
        optimizer = torch.optim.SGD([x], lr=descent.lr, momentum=beta, dampening=beta)
    elif reference := OPTIMIZERS[name].reference:
        optimizer = getattr(torch.optim, reference.rpartition(".")[2])([x], lr=descent.lr, **options)
    else:
        return None
    path, before = [x.item()], None
    for _ in range(steps):
        optimizer.zero_grad()
        y = f(x, of_torch(torch))
        if not torch.isfinite(y):
            break
        y.backward()
        start, slope = x.item(), x.grad.item()
        optimizer.step()
        if old:  # torch's step was −η v[t+1]; this reading takes −η v[t]
            with torch.no_grad():
                x.fill_(start - descent.lr * (slope if before is None else before))
        buffer = optimizer.state[x].get("momentum_buffer")
        before = slope if buffer is None else buffer.item()
        path.append(x.item())
    return path


def furthest(ours: list[float], theirs: list[float] | None) -> float | None:
    """The largest difference of two paths as far as both are finite; None where there is no other."""
    if theirs is None:
        return None
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if np.isfinite([a, b]).all()]
    return max(abs(a - b) / max(1.0, abs(b)) for a, b in pairs)


def slope_gap(f: Expression, rows: list[dict[str, Any]]) -> float:
    """The tape's slopes against central differences of f, the largest difference over 1 + |slope|."""
    h = 1e-5
    rows = [row for row in rows if np.isfinite([row["x"], row["f"], row["slope"]]).all() and abs(row["x"]) < 1e6]
    if not rows:
        return 0.0
    x = np.array([row["x"] for row in rows])
    slope = np.array([row["slope"] for row in rows])
    with np.errstate(all="ignore"):
        differences = (values(f, x + h) - values(f, x - h)) / (2 * h)
    return float(np.nanmax(np.abs(differences - slope) / (1 + np.abs(slope)), initial=0.0))


def values(f: Expression, x: np.ndarray) -> np.ndarray:
    """f on an array."""
    with np.errstate(all="ignore"):
        return np.broadcast_to(f(Tensor(x), of_engine).array, x.shape)


def window(path: list[float]) -> tuple[float, float]:
    """The part of the curve to draw: all points of the paths, and [−4, 1] where GELU happens."""
    finite = [x for x in path if np.isfinite(x) and abs(x) < 1e3]
    return min([-4.0, *(x - 0.5 for x in finite)]), max([1.0, *(x + 0.5 for x in finite)])


def view(f: Expression, low: float, high: float) -> dict[str, Any]:
    """A stretch of the curve: points (x, f(x)) where f is finite."""
    x = np.linspace(low, high, 201)
    points = [[float(a), float(b)] for a, b in zip(x, values(f, x), strict=True) if np.isfinite(b)]
    return {"low": low, "high": high, "curve": points}


def close_ups(f: Expression, descents: list[dict[str, Any]], wide: float) -> Iterator[dict[str, Any]]:
    """For each start the stretch that its paths cover, where that is less than half of the whole."""
    for x0 in dict.fromkeys(each["x0"] for each in descents):
        paths = [each["path"] for each in descents if each["x0"] == x0]
        xs = [row["x"] for path in paths for row in path if np.isfinite(row["x"])]
        room = 0.12 * (max(xs) - min(xs))
        if 0 < max(xs) - min(xs) + 2 * room < wide / 2:
            yield {"x0": x0, **view(f, min(xs) - room, max(xs) + room)}


def bottom(f: Expression, low: float, high: float) -> dict[str, float] | None:
    """The lowest point of f between the two, if it is not at the edge: a fine grid, then a bounded search."""
    from scipy.optimize import minimize_scalar

    x = np.linspace(low, high, 4001)
    y = np.where(np.isfinite(values(f, x)), values(f, x), np.inf)
    i = int(y.argmin())
    if i in (0, len(x) - 1) or not np.isfinite(y[i]):
        return None
    sought = minimize_scalar(
        lambda at: float(values(f, np.array([at]))[0]),
        bounds=(x[i - 1], x[i + 1]),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return {"x": float(sought.x), "f": float(sought.fun)}
