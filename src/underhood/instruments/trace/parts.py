"""How one output number of an operation is made of its inputs' numbers.

The operation says so itself, by its backward: with δ one at the output asked for and zero elsewhere, it hands back
what every input number counts for, g = ∂z[k]/∂x. Then

    z[k] = Σ x·g                over one input, where z is linear in it (sum, mean, reshape, a pool's average …)
    z[k] = Σ a·w + b            where it is linear in each of two: there g of a is the w that it meets

Which w meets which a is read off in the same way: with a's numbers replaced by their positions, g of w is the position
of the a that it meets. So nothing has to be written for an operation that adds and multiplies. The others (a maximum,
a softmax, a normalisation) have their formula in `formulas`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from underhood.engine.forms import Array, Operation

Position = tuple[int, tuple[int, ...]]  # which input, and where in it


@dataclass
class Part:
    """A summand: the positions of its one or two factors; `weight` is a plain number that multiplies them."""

    positions: tuple[Position, ...]
    weight: float
    value: float


@dataclass
class Made:
    """How an output is made: summands, or a formula already filled in with the positions that it rests on."""

    parts: list[Part] = field(default_factory=list)
    filled: str = ""
    positions: list[Position] = field(default_factory=list)
    total: float = 0.0


@dataclass
class Called:
    """An operation with its inputs' values."""

    operation: Operation
    inputs: tuple[Any, ...]
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        made = self.operation.vector.forward(*self.inputs, **self.settings)
        self.z, *self.extras = made if isinstance(made, tuple) else (made,)

    def backward(self, delta: Array, inputs: Sequence[Any] | None = None) -> list[Array | None]:
        """The gradient of every input."""
        form = self.operation.vector
        if form.backward is None:
            return [None] * len(self.inputs)
        gradients = form.backward(delta, self.z, *self.extras, *(inputs or self.inputs), **self.settings)
        return list(gradients) if isinstance(gradients, tuple) else [gradients]

    def counts(self, k: tuple[int, ...], inputs: Sequence[Any] | None = None) -> list[Array | None]:
        """∂z[k]/∂x for every input x."""
        delta = np.zeros(self.z.shape, self.z.dtype)
        delta[k] = 1
        return self.backward(delta, inputs)

    def coded(self, k: tuple[int, ...], j: int) -> list[Array | None]:
        """The same with input j's numbers replaced by their positions, counted from 1."""
        inputs, x = list(self.inputs), self.inputs[j]
        inputs[j] = np.arange(1, x.size + 1, dtype=np.float64).reshape(x.shape)
        with np.errstate(all="ignore"):  # positions may be out of the operation's domain
            return self.counts(k, inputs)

    def real(self) -> list[int]:
        """The inputs that are arrays of real numbers."""
        return [i for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]


def sums(called: Called, k: tuple[int, ...]) -> Made | None:
    """Output k as a sum of numbers or of products of two; None where it is neither."""
    gradients = called.counts(k)
    real = [i for i in called.real() if gradients[i] is not None]
    z = float(called.z[k])
    whole = {i: float((called.inputs[i] * gradients[i]).sum()) for i in real}
    size = max([abs(z), *(float(np.abs(called.inputs[i] * gradients[i]).sum()) for i in real)], default=0.0)

    def is_all(chosen: list[int]) -> bool:
        return abs(sum(whole[i] for i in chosen) - z) <= 1e-9 * size

    if is_all(real):
        return _added([_single(called, i, gradients[i]) for i in real])
    for partner in reversed(real):
        chosen = [i for i in real if i != partner]
        if chosen and is_all(chosen):
            singles = [_single(called, i, gradients[i]) for i in chosen]
            pairs = pairing(called, k, chosen[0], partner)
            made = _added(singles if pairs is None else [pairs, *singles[1:]])
            return made if abs(made.total - z) <= 1e-9 * size else _added(singles)
    return None


def _added(groups: list[list[Part]]) -> Made:
    parts = [part for group in groups for part in group]
    return Made(parts, "" if parts else "0", total=sum(part.value for part in parts))


def _single(called: Called, i: int, gradient: Any) -> list[Part]:
    """The numbers of input i that count, each times what it counts for."""
    x = called.inputs[i]
    positions = [tuple(int(p) for p in position) for position in np.argwhere(gradient)]
    return [Part(((i, p),), float(gradient[p]), float(x[p] * gradient[p])) for p in positions]


def pairing(called: Called, k: tuple[int, ...], i: int, j: int) -> list[Part] | None:
    """Which number of input i each number of input j is multiplied with in output k."""
    x, w = called.inputs[i], called.inputs[j]
    codes, counts = called.coded(k, i)[j], called.counts(k)[j]
    if codes is None or counts is None:
        return None
    parts = []
    for position in np.argwhere(codes):
        there = tuple(int(p) for p in position)
        here = _decoded(codes[there], x)
        if here is None or x[here] != counts[there]:
            return None
        parts.append(Part(((i, here), (j, there)), 1.0, float(x[here] * w[there])))
    return parts


def _decoded(code: Any, x: Array) -> tuple[int, ...] | None:
    """The position in x that a code stands for; None if it is no code."""
    if not float(code).is_integer() or not 0 < code <= x.size:
        return None
    return tuple(int(p) for p in np.unravel_index(int(code) - 1, x.shape))


def is_local(called: Called, k: tuple[int, ...]) -> int | None:
    """The input whose number at k alone decides output k, for a function applied to every number by itself."""
    real = called.real()
    if len(real) != 1 or called.inputs[real[0]].shape != called.z.shape:
        return None
    others = np.array(called.inputs[real[0]] * 0.5 + 0.25)
    others[k] = called.inputs[real[0]][k]
    inputs = list(called.inputs)
    inputs[real[0]] = others
    z = called.operation.vector.forward(*inputs, **called.settings)
    z = z[0] if isinstance(z, tuple) else z
    return real[0] if z[k] == called.z[k] else None


def column(called: Called, i: int, position: tuple[int, ...]) -> dict[tuple[int, ...], float]:
    """∂z[k]/∂x for one number x of input i and every output k that it has a part in.

    Of a function of each number by itself that is one. Where z is linear in x a step of one gives all of them at
    once; else the outputs that move are asked one by one.
    """

    def moved(step: float) -> Array:
        """What a step in x does to the outputs."""
        inputs = list(called.inputs)
        inputs[i] = inputs[i].copy()
        inputs[i][position] += step
        z = called.operation.vector.forward(*inputs, **called.settings)
        return np.asarray(z[0] if isinstance(z, tuple) else z) - called.z

    once, twice = moved(1.0), moved(2.0)
    if called.z.shape == called.inputs[i].shape and is_local(called, position) == i and _alone(once, position):
        gradient = called.counts(position)[i]
        return {} if gradient is None else {position: float(gradient[position])}
    size = float(np.abs(once).max(initial=0.0))
    if np.abs(twice - 2 * once).max(initial=0.0) <= 1e-9 * size:
        touched = np.argwhere(np.abs(once) > 1e-9 * size)
        slopes = {tuple(int(p) for p in k): float(once[tuple(k)]) for k in touched}
        if _is_gradient(called, slopes, i, position):
            return slopes
    touched = np.argwhere((once != 0) | (twice != 0) | (moved(-1.0) != 0) | (moved(1e-3) != 0) | (moved(-1e-3) != 0))
    slopes = {}
    for k in (tuple(int(p) for p in one) for one in touched):
        gradient = called.counts(k)[i]
        if gradient is not None and gradient[position]:
            slopes[k] = float(gradient[position])
    return slopes


def _alone(change: Array, position: tuple[int, ...]) -> bool:
    """Whether nothing else moves: the first element of a running sum rests on itself alone, and all others on it."""
    others = np.array(change)
    others[position] = 0
    return not np.nan_to_num(others).any()


def _is_gradient(called: Called, slopes: dict[tuple[int, ...], float], i: int, position: tuple[int, ...]) -> bool:
    """Whether backward says the same: some gradients are zero by convention, or those of another branch."""
    delta = np.random.default_rng(0).normal(size=called.z.shape)
    gradient = called.backward(delta)[i]
    total = sum(delta[k] * slope for k, slope in slopes.items())
    size = sum(abs(delta[k] * slope) for k, slope in slopes.items())
    return gradient is not None and bool(abs(gradient[position] - total) <= 1e-9 * size)


def partner_of(called: Called, k: tuple[int, ...], i: int, position: tuple[int, ...]) -> Position | None:
    """Where the number stands that multiplies input i's number at `position` in output k; None if it is no product."""
    counts = called.counts(k)[i]
    for j in called.real():
        if j == i or counts is None:
            continue
        x, codes = called.inputs[j], called.coded(k, j)[i]
        there = None if codes is None else _decoded(codes[position], x)
        if there is not None and x[there] == counts[position]:
            return j, there
    return None
