"""trace: the lid off. Any number in a network, as its equation with the real numbers put in.

    trace("simple-nn", "conv2[3,4,5]")                    one activation
    trace("simple-nn", "conv2[3,4,5]", depth=9)           unfolded down to the pixels
    trace("simple-nn", gradient="conv1.weight[0,0,2,2]")  one gradient: Σ δ · slope
    trace("simple-nn", gradient="conv1[3,4,5]", depth=9)  unfolded up to the loss
    trace("net.py:Network", "fc[2]", input=(1, 1, 28, 28), data="mnist", index=7)
    explore("simple-nn", data="cifar10")                  every number, as a page to click through

It reads the tape of one pass in float64. What an operation makes of its inputs it says itself, by its backward (see
`parts`); every equation's sum is held against the number that the engine computed, and the number against PyTorch's.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from underhood import engine
from underhood.engine.forms import Array
from underhood.errors import BadInput, nearest
from underhood.instruments.inputs import Spec, as_inputs, parse_inputs
from underhood.instruments.target import resolve, short
from underhood.instruments.trace.equation import Check, Equation
from underhood.instruments.trace.explorer import Exploration, explored
from underhood.instruments.trace.reading import Reading
from underhood.instruments.trace.reference import Theirs, theirs
from underhood.instruments.trace.tree import Limits, activation, gradient
from underhood.instruments.trace.writing import as_html, as_page, as_text
from underhood.weights import FLAT, load

__all__ = ["Exploration", "Trace", "explore", "trace"]

SCHEMA = "underhood.trace/1"


@dataclass(frozen=True)
class Trace:
    """An equation with those below it, and what was traced."""

    title: str
    equation: Equation
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n\n".join([self.title, as_text(self.equation), *self.notes])

    @property
    def agrees(self) -> bool:
        """Whether every sum is the engine's number, and that is PyTorch's where PyTorch was asked."""
        checks = [check for one in self.equation.everything() for check in one.checks]
        return all(one.off < 1e-9 for one in self.equation.everything()) and all(c.off < 1e-9 for c in checks)

    def to_json(self) -> dict[str, Any]:
        """Plain values under a schema's name."""
        return {"schema": SCHEMA, "title": self.title, "notes": list(self.notes), "equation": self.equation.to_json()}

    def to_html(self) -> str:
        """A page of its own."""
        return as_page(self.title, self.equation, self.notes)

    def _repr_html_(self) -> str:
        return as_html(self.equation)


def trace(
    network: Any,
    unit: str | None = None,
    *,
    gradient: str | None = None,
    depth: int = 1,
    terms: int = 8,
    input: Any = None,  # noqa: A002 (as in cost)
    data: str | None = None,
    index: int = 0,
    target: int | None = None,
    weights: Path | str | None = None,
    seed: int = 0,
    arguments: Mapping[str, Any] | None = None,
) -> Trace:
    """The number at `unit` (an activation), or ∂E/∂ the number at `gradient`, unfolded `depth` levels.

    A unit is a layer's, weight's or the input's name with a position in it: "conv2[3,4,5]" of the first image, or
    "conv2[0,3,4,5]". The `terms` largest summands of each equation are shown and followed, the others added up. The
    input is random (`seed`, also of the initial weights), or image `index` of the test set of `data`; `weights` is an
    .npz or .safetensors file. E is the cross-entropy with class `target` (the image's own, or 0), or the output's
    mean where that is not one row of logits.
    """
    if (unit is None) == (gradient is None):
        raise BadInput("say what to trace: --unit conv2[3,4,5] or --gradient conv1.weight[0,0,2,2]")
    run = _run(network, input, data, index, target, weights, seed, arguments)
    reading = run.reading
    source, position = _unit(reading, unit or gradient or "")
    limits = Limits(depth, terms)
    equation = (activation if unit else _gradient)(reading, (source, position), limits)
    reference = theirs(run.net, run.original, run.target, run.inputs, run.label, reading.output.ndim)
    equation.checks = _checks(equation, reference, reading.names[id(source)], position, unit is None)
    return Trace(run.title, equation, (run.loss,) if gradient else ())


def explore(
    network: Any,
    *,
    input: Any = None,  # noqa: A002 (as in cost)
    data: str | None = None,
    index: int = 0,
    target: int | None = None,
    weights: Path | str | None = None,
    seed: int = 0,
    arguments: Mapping[str, Any] | None = None,
) -> Exploration:
    """The network as one page to explore: maps of every layer's numbers, and the equation of any of them at a click.

    The arguments are those of `trace`. The page works offline; its numbers are thinned to what fits 5 MB, which it
    says.
    """
    run = _run(network, input, data, index, target, weights, seed, arguments)
    command = f"underhood trace {network if isinstance(network, str) else 'NETWORK'}"
    return explored(run.reading, run.title, run.loss, command, run.classes)


_gradient = gradient


# -- the network and what it is fed --


@dataclass(frozen=True)
class Run:
    """One pass of a network, and what it was."""

    title: str
    net: engine.nn.Module
    original: Any  # of torch.nn, None where there is none
    target: Any
    inputs: dict[str, Array]
    label: int
    reading: Reading
    classes: tuple[str, ...]  # of the data set, where there is one

    @property
    def loss(self) -> str:
        """What E is, in words."""
        by_class = self.reading.output.ndim == 2
        return f"E is the cross-entropy with class {self.label}." if by_class else "E is the output's mean."


def _run(
    network: Any,
    given: Any,
    data: str | None,
    index: int,
    target: int | None,
    weights: Path | str | None,
    seed: int,
    arguments: Mapping[str, Any] | None,
) -> Run:
    resolved = resolve(network, arguments) if not isinstance(network, engine.nn.Module) else None
    name = resolved.name if resolved else type(network).__name__
    engine.manual_seed(seed)
    net, original = _built(network, resolved, seed)
    net = net.double().eval()
    if weights is not None:
        _load(net, Path(weights))
    example = _inputs(given, resolved.input if resolved else None, data, index, seed, name)
    label = example.label if target is None else target
    reading = _read(net, example.inputs, label, name)
    title = f"{name}, {example.description}"
    return Run(title, net, original, resolved, example.inputs, label, reading, example.classes)


def _built(network: Any, target: Any, seed: int) -> tuple[engine.nn.Module, Any]:
    """The network on the engine, and the one of torch.nn that it came from, if it did."""
    if target is None:
        return deepcopy(network), None
    if target.pages:
        return target.build(engine.nn), None
    from underhood.instruments.on_engine import on_engine
    from underhood.instruments.pytorch import load_torch

    torch = load_torch("a network of torch.nn")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        original = target.build(torch.nn)
    return on_engine(original), original


def _load(net: engine.nn.Module, path: Path) -> None:
    if path.suffix not in FLAT:
        raise BadInput(f"{path}: weights are read from .npz and .safetensors")
    try:
        net.load_state_dict(load(path))
    except BadInput:
        raise
    except RuntimeError as error:  # "Error(s) in loading …:", and below it which
        _, *said = (line.strip() for line in str(error).splitlines() if line.strip())
        raise BadInput(f"{path}: {' '.join(said)[:300] or short(error)}") from error
    except Exception as error:
        raise BadInput(f"{path}: {short(error)}") from error


class Example(NamedTuple):
    """One example as (1, …) by its name, or several inputs; its class, what it is, and the names of all classes."""

    inputs: dict[str, Array]
    label: int
    description: str
    classes: tuple[str, ...] = ()


def _inputs(given: Any, image: tuple[int, ...] | None, data: str | None, index: int, seed: int, name: str) -> Example:
    if data is not None:
        from underhood.data import load

        found = load(data)
        if not 0 <= index < len(found.test):
            raise BadInput(f"--index {index}: {data} has {len(found.test)} test images, counted from 0")
        pixels = found.test.take(slice(index, index + 1)) / found.white
        label = int(found.test.labels[index])
        if image is not None and pixels.shape[1:] != image:
            raise BadInput(f"{name} takes {_times(image)}, {data} has images of {_times(pixels.shape[1:])}")
        description = f"test image {index} of {data}, a {found.classes[label]}"
        return Example({"input": pixels}, label, description, tuple(found.classes))
    if given is None and image is None:
        raise BadInput(f"{name}: say the shape of its input, as --input 1,1,28,28, or whose image, as --data mnist")
    texts = [given] if isinstance(given, str) else given
    is_text = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
    said = parse_inputs(texts, image) if is_text else as_inputs(given, image)
    specs = [spec for spec in said.positional if isinstance(spec, Spec)]
    if not specs or len(specs) < len(said.positional) or said.named:
        raise BadInput(f"{name}: trace feeds tensors by position, as --input 1,3 --input 1,4")
    rng = np.random.default_rng(seed)
    names = ["input"] if len(specs) == 1 else [f"input {i + 1}" for i in range(len(specs))]
    arrays = {key: _random(rng, spec) for key, spec in zip(names, specs, strict=True)}
    shapes = ", ".join(_times(spec.shape) for spec in specs)
    return Example(arrays, 0, f"a random input of {shapes}" if len(specs) == 1 else f"random inputs of {shapes}")


def _random(rng: np.random.Generator, spec: Spec) -> Array:
    """Normal numbers; 0 and 1 for integers."""
    if spec.dtype.startswith(("int", "uint", "bool")):
        return rng.integers(0, 2, spec.shape).astype(spec.dtype)
    return rng.normal(size=spec.shape)


def _read(net: engine.nn.Module, inputs: dict[str, Array], label: int, name: str) -> Reading:
    """One pass. What the network says to these inputs is said in one line."""
    tensors = {key: engine.tensor(x, requires_grad=x.dtype.kind == "f") for key, x in inputs.items()}
    try:
        return Reading(net, tensors, _loss(label))
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"{name} does not run on the engine with these inputs: {short(error)}") from error


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _loss(label: int) -> Any:
    def loss(output: engine.Tensor) -> engine.Tensor:
        if output.ndim != 2:
            return engine.functional.mean(output)
        targets = engine.tensor(np.full(len(output), label))
        return engine.functional.cross_entropy(output, targets)

    return loss


# -- the unit --


def _unit(reading: Reading, text: str) -> tuple[Any, tuple[int, ...]]:
    """The line or leaf, and the position in it, that a text names."""
    found = re.fullmatch(r"\s*([^\[\]]+?)\s*(?:\[([-\d,\s]*)\])?\s*", text)
    if not found:
        raise BadInput(f'"{text}": a unit is a name and a position in it, as conv2[3,4,5]')
    name, inside = found.groups()
    if name not in reading.named:
        raise BadInput(f'there is no unit "{name}"; {nearest(name, list(reading.named))}')
    source = reading.named[name]
    shape = reading.value(source).shape
    position = tuple(int(n) for n in (inside or "").split(",") if n.strip())
    if len(position) == len(shape) - 1 and shape[:1] == (1,):
        position = (0, *position)  # of the one example
    if len(position) != len(shape):
        example = ",".join("0" for _ in shape)
        raise BadInput(f"{name} is {_times(shape)}: say which number of it, as {name}[{example}]")
    for axis, (i, n) in enumerate(zip(position, shape, strict=True)):
        if not -n <= i < n:
            raise BadInput(f"{name} is {_times(shape)}: there is no {i} along axis {axis}, only 0 to {n - 1}")
    return source, tuple(i % n for i, n in zip(position, shape, strict=True))


def _checks(
    equation: Equation, reference: Theirs | None, name: str, position: tuple[int, ...], is_gradient: bool
) -> list[Check]:
    """The engine's number beside the equation's sum, and PyTorch's beside the engine's."""
    checks = [Check("the engine", equation.value, equation.off)] if equation.law else []
    value = None if reference is None else reference.find(name, position, is_gradient)
    if value is not None:
        size = max(abs(value), *(abs(term.value) for term in equation.terms), 1e-300)
        off = 0.0 if repr(value) == repr(equation.value) else abs(value - equation.value) / size
        checks.append(Check("PyTorch", value, off))
    return checks
