"""One pass of a network as data that a page can unfold by itself: every line's numbers, gradients and rule.

A rule says how one output of a line is made of its inputs, so that the page can write the equation of any number:

    pick       of one number of the inputs each                reshape, index, pad, permute, a maximum's window …
    local      a function of the number at the same position   relu, sigmoid, gelu …
    sums       Σ weight·number, the weights fixed              mean, adaptive pools …
    by name    convolutions, linear layers, sums and products, normalisations, softmax, cross-entropy: rules.js

What has none of these is shown with its numbers, and the page says that it cannot unfold it. Rules are found by asking
the operation itself (parts.py); some units of every line are unfolded here first, and held against the engine.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from underhood.engine.forms import Array
from underhood.engine.tape import Node
from underhood.errors import BadInput
from underhood.instruments.laws import gradient_law, law
from underhood.instruments.trace.parts import Called, is_local
from underhood.instruments.trace.reading import Reading
from underhood.instruments.trace.tree import Limits, activation, gradient

CHECKED = 2  # units of every line that are unfolded and held against the engine before the page is written
SUMS = 4096  # outputs of a sum whose weights are asked for one by one
Rule = dict[str, Any]


@dataclass
class Source:
    """A line of the tape, a weight, an input or a constant, with where its numbers stand."""

    name: str
    kind: str  # line, weight, input or constant
    shape: list[int]
    value: int
    gradient: int | None
    operation: str = ""
    law: str = ""
    laws: list[str] = field(default_factory=list)  # ∂E/∂ each input
    inputs: list[int] = field(default_factory=list)
    rule: Rule = field(default_factory=dict)


class Explored:
    """What there is to see: sources in the order in which they are made, and their arrays, equal ones once."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.sources: list[Source] = []
        self.arrays: list[Array] = []
        self.checked = 0
        self._known: dict[bytes, int] = {}
        self._ids: dict[int, int] = {}
        for source in reading.named.values():
            if not isinstance(source, Node):
                self._leaf(source)
        for node in reversed(reading.nodes):
            self._line(node)

    def _array(self, values: Any) -> int:
        array = np.ascontiguousarray(values)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int32)
        key = array.dtype.char.encode() + array.tobytes()
        if key not in self._known:
            self._known[key] = len(self.arrays)
            self.arrays.append(array.reshape(-1))
        return self._known[key]

    def _add(self, source: Source) -> int:
        self.sources.append(source)
        return len(self.sources) - 1

    def _leaf(self, tensor: Any) -> None:
        reading, name = self.reading, self.reading.names[id(tensor)]
        kind = "input" if name == "input" or name.startswith("input ") else "weight"
        value = reading.value(tensor)
        found = reading.gradients.get(id(tensor))
        outer = kind == "weight" and self._is_outer(tensor)
        slot = None if found is None or outer else self._array(found)
        source = Source(name, kind, list(value.shape), self._array(value), slot)
        if outer:
            source.rule = {"gradient": "outer"}
        self._ids[id(tensor)] = self._add(source)

    def _is_outer(self, tensor: Any) -> bool:
        """Whether its gradient is δ·a of one row: as large as the weight, and made at once where it is asked for."""
        uses = list(self.reading.consumers(tensor))
        if len(uses) != 1 or uses[0][1] != 1 or uses[0][0].operation.name != "linear":
            return False
        rows = self.reading.call(uses[0][0]).inputs[0]
        return rows.size == rows.shape[-1]

    def _constant(self, node: Node, i: int, x: Any) -> int:
        name = self.reading.label(None, (), node, i)
        array = np.asarray(x, dtype=None if isinstance(x, np.ndarray) else np.float64)
        return self._add(Source(name, "constant", list(array.shape), self._array(array), None))

    def _line(self, node: Node) -> None:
        reading, called = self.reading, self.reading.call(node)
        value = reading.value(node)
        inputs = []
        for i, (parent, x) in enumerate(zip(node.parents, called.inputs, strict=True)):
            known = self._ids.get(id(parent)) if parent is not None else None
            numeric = isinstance(x, np.ndarray | int | float | np.number) and not isinstance(x, bool)
            inputs.append(known if known is not None else self._constant(node, i, x) if numeric else -1)
        operation = node.operation
        self._ids[id(node)] = self._add(
            Source(
                reading.names[id(node)],
                "line",
                list(value.shape),
                self._array(value),
                self._array(reading.gradient(node)),
                operation.name,
                law(operation),
                [gradient_law(operation, i) for i in range(len(inputs))],
                inputs,
                {key: self._array(x) if isinstance(x, np.ndarray) else x for key, x in rule_of(called).items()},
            )
        )
        self._check(node)

    def _check(self, node: Node) -> None:
        """Unfold some of its units; an equation that does not give the engine's number stops the page."""
        rng = np.random.default_rng(len(self.sources))
        shape = self.reading.value(node).shape
        for _ in range(CHECKED if np.prod(shape, dtype=int) else 0):
            position = tuple(int(rng.integers(n)) for n in shape)
            for make in (activation, gradient):
                equation = make(self.reading, (node, position), Limits(1, 1))
                if equation.off > 1e-9:
                    raise BadInput(f"{equation.name}: its equation gives {equation.total}, the engine {equation.value}")
                self.checked += 1


# -- rules --


def rule_of(called: Called) -> Rule:
    """How the page may unfold a line; {} where it may not. Arrays stand in it as they are."""
    name = called.operation.name
    if name in BY_NAME and (found := BY_NAME[name](called)) is not None:
        return {"kind": name, **found}
    return _picked(called) or _local(called) or _summed(called) or {}


def _picked(called: Called) -> Rule:
    """Every output one number of the inputs, or none of them (padding). Positions count on from input to input."""
    real = called.real()
    if not real or not 0 < sum(called.inputs[i].size for i in real) < 2**24:
        return {}
    inputs, count = list(called.inputs), 1
    for i in real:
        inputs[i] = np.arange(count, count + inputs[i].size, dtype=np.float64).reshape(inputs[i].shape)
        count += inputs[i].size
    with np.errstate(all="ignore"):
        z = called.operation.vector.forward(*inputs, **called.settings)
    z = np.asarray(z[0] if isinstance(z, tuple) else z)
    if z.shape != called.z.shape or not np.isfinite(z).all() or (z != np.round(z)).any():
        return {}
    chosen = np.clip(z.reshape(-1), -1, count).astype(np.int64) - 1
    inside = (chosen >= 0) & (chosen < count - 1)
    every, out = np.concatenate([called.inputs[i].reshape(-1) for i in real]), called.z.reshape(-1)
    if not inside.any() or (every[np.where(inside, chosen, 0)] != out)[inside].any():
        return {}
    if len(np.unique(out[~inside])) > 1:  # what is not picked is one constant
        return {}
    if not _hands_back(called, real, np.where(inside, chosen, -1)):  # a mean of equal numbers picks none of them
        return {}
    return {"kind": "pick", "of": real, "map": np.where(inside, chosen, -1)}


def _hands_back(called: Called, real: list[int], chosen: Array) -> bool:
    """Whether backward gives every δ to the number that was picked, and nothing to the others."""
    delta = np.random.default_rng(0).uniform(0.5, 1.5, called.z.shape)
    found = called.backward(delta)
    slopes = [np.zeros(called.inputs[i].shape) if found[i] is None else np.asarray(found[i]) for i in real]
    expected = np.zeros(sum(slope.size for slope in slopes))
    np.add.at(expected, chosen[chosen >= 0], delta.reshape(-1)[chosen >= 0])
    return bool(np.allclose(np.concatenate([slope.reshape(-1) for slope in slopes]), expected, rtol=1e-9, atol=0))


def _local(called: Called) -> Rule:
    """A function of each number by itself, with its slope there."""
    real = called.real()
    if len(real) != 1 or not called.z.size or called.inputs[real[0]].shape != called.z.shape:
        return {}
    positions = [tuple(int(p) for p in np.unravel_index(k, called.z.shape)) for k in {0, called.z.size - 1}]
    if any(is_local(called, k) != real[0] for k in positions):
        return {}
    slope = called.backward(np.ones(called.z.shape))[real[0]]
    delta = np.random.default_rng(0).uniform(0.5, 1.5, called.z.shape)
    # each δ meets its own slope alone; zeros may hide that in the numbers
    found = called.backward(delta)[real[0]]
    if slope is None or found is None or not np.allclose(found, delta * slope, equal_nan=True):
        return {}
    return {"kind": "local", "input": real[0], "slope": slope}


def _summed(called: Called) -> Rule:
    """Σ weight·number over one input, the weights asked of backward, output by output."""
    real = called.real()
    if len(real) != 1 or not 0 < called.z.size <= SUMS:
        return {}
    i, x = real[0], called.inputs[real[0]]
    where: list[Array] = []
    weights: list[Array] = []
    for k in np.ndindex(called.z.shape):
        counts = called.counts(k)[i]
        size = 0.0 if counts is None else float(np.abs(counts * x).sum())
        if counts is None or abs(float((counts * x).sum()) - float(called.z[k])) > 1e-9 * (size or 1):
            return {}
        where.append(np.flatnonzero(counts))
        weights.append(counts.reshape(-1)[where[-1]])
    starts = np.cumsum([0, *map(len, where)])
    arrays = {"where": np.concatenate(where), "weights": np.concatenate(weights), "starts": starts}
    return {"kind": "sums", "input": i, **arrays}


def _pairs(settings: dict[str, Any], *names: str) -> list[list[int]] | None:
    """Settings of two numbers each; None if one is something else."""
    found = [settings.get(name) for name in names]
    if all(isinstance(value, tuple) and len(value) == 2 for value in found):
        return [list(map(int, value)) for value in found]  # type: ignore[arg-type]
    return None


def _convolution(called: Called) -> Rule | None:
    pairs = _pairs(called.settings, "stride", "padding", "dilation")
    if pairs is None or called.inputs[0].ndim != 4:
        return None
    return {"stride": pairs[0], "padding": pairs[1], "dilation": pairs[2], "groups": int(called.settings["groups"])}


def _window(called: Called) -> Rule | None:
    """A maximum's window, and which number it picked: the operation says so itself."""
    pairs = _pairs(called.settings, "kernel_size", "stride", "padding", "dilation")
    if pairs is None or called.inputs[0].ndim != 4 or not called.extras:
        return None
    planes = np.arange(np.prod(called.z.shape[:2], dtype=int)).reshape(*called.z.shape[:2], 1, 1)
    chosen = called.extras[0] + planes * np.prod(called.inputs[0].shape[2:], dtype=int)
    return {**dict(zip(("kernel", "stride", "padding", "dilation"), pairs, strict=True)), "chosen": chosen}


def _normalised(called: Called) -> Rule | None:
    return None if called.settings["training"] else {"eps": float(called.settings["eps"])}


def _by_rows(called: Called) -> Rule | None:
    return {"axes": len(called.settings["normalized_shape"]), "eps": float(called.settings["eps"])}


def _along(called: Called) -> Rule | None:
    return {"dim": int(called.settings["dim"]) % called.inputs[0].ndim}


def _classes(called: Called) -> Rule | None:
    """Cross-entropy with a class for each row, without weights."""
    x, t, w = called.inputs
    settings = called.settings
    plain = w is None and not settings["label_smoothing"] and x.ndim == 2 and t.ndim == 1
    if not plain or settings["reduction"] not in ("mean", "sum") or (t == settings["ignore_index"]).any():
        return None
    return {"divisor": len(x) if settings["reduction"] == "mean" else 1}


def _matrices(called: Called) -> Rule | None:
    a, b = called.inputs
    return {} if a.ndim == b.ndim >= 2 and a.shape[:-2] == b.shape[:-2] else None


def _plain(called: Called) -> Rule | None:
    return {}


BY_NAME = {
    "relu": _plain,
    "max_pool2d": _window,
    "conv2d": _convolution,
    "linear": _plain,
    "matmul": _matrices,
    "add": _plain,
    "sub": _plain,
    "mul": _plain,
    "div": _plain,
    "batch_norm": _normalised,
    "layer_norm": _by_rows,
    "softmax": _along,
    "log_softmax": _along,
    "cross_entropy": _classes,
}
