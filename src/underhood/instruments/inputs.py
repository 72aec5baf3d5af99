"""What a network is fed: shapes said in words or in Python, made into tensors.

    3,224,224            one tensor (an image of a network of ours: the batch of 1 goes without saying)
    32,3,224,224         one tensor with its batch
    1,16:int64           with a dtype
    image=1,3,32,32      a keyword argument of forward
    batch.image=1,3,8,8  an entry of a dict that is the argument `batch`

In Python a shape is a tuple of ints; lists, tuples of shapes, dicts, tensors and `Spec` nest as forward wants them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.instruments.pytorch import load_torch

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")


@dataclass(frozen=True)
class Spec:
    """One tensor to be: its shape, and its dtype's name ("" means the network's own)."""

    shape: tuple[int, ...]
    dtype: str = ""

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape)) or "a number"
        return f"{shape} {self.dtype}".rstrip()


@dataclass(frozen=True)
class Inputs:
    """The arguments of one call of forward: nests of Specs."""

    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        parts = [_text(value) for value in self.positional]
        parts += [f"{name}={_text(value)}" for name, value in (self.named or {}).items()]
        return ", ".join(parts)


def parse_inputs(texts: Iterable[str], image: tuple[int, ...] | None = None) -> Inputs:
    """The command line's `--input`s; `image` is the shape of one image of the network, if it is known."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for text in texts:
        name, equals, shape = text.rpartition("=")
        spec = _with_batch(_parse_spec(shape, text), image)
        if not equals:
            positional.append(spec)
            continue
        first, *rest = name.split(".")
        if not rest:
            named[first] = spec
            continue
        level = named.setdefault(first, {})
        for key in rest[:-1]:
            level = level.setdefault(key, {})
        level[rest[-1]] = spec
    return Inputs(tuple(positional), named)


def as_inputs(value: Any, image: tuple[int, ...] | None = None) -> Inputs:
    """What Python code says: a shape, a tensor, a list of several, a dict for one dict argument, Inputs."""
    if isinstance(value, Inputs):
        return value
    if isinstance(value, str):
        return parse_inputs([value], image)
    if value is None:
        if image is None:
            raise BadInput(
                "say the input's shape, batch included: --input 1,3,224,224, or cost(network, (1, 3, 224, 224))"
            )
        return Inputs((Spec((1, *image)),))
    if isinstance(value, list):
        return Inputs(tuple(as_spec(entry) for entry in value))
    return Inputs((_with_batch(as_spec(value), image),))


def as_spec(value: Any) -> Any:
    """A nest of shapes and tensors as a nest of Specs; what is neither stays as it is."""
    if isinstance(value, tuple) and all(isinstance(size, int) for size in value):
        return Spec(value)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return Spec(tuple(value.shape), str(value.dtype).removeprefix("torch."))
    if isinstance(value, Mapping):
        return {key: as_spec(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return type(value)(as_spec(entry) for entry in value)  # type: ignore[call-arg]
    return value


def make(inputs: Inputs, dtype: Any, device: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Tensors on `device`: normal numbers (in `dtype`, where the Spec has none), zeros for whole numbers."""
    positional = tuple(_make(value, dtype, device) for value in inputs.positional)
    return positional, {name: _make(value, dtype, device) for name, value in (inputs.named or {}).items()}


def make_for(module: Any, inputs: Inputs, device: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same in the dtype of the module's parameters; float32 where it has none."""
    torch = load_torch()
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    return make(inputs, dtype, device)


def batch_size(inputs: Inputs) -> int:
    """The first size of the first input."""
    specs = _specs((inputs.positional, inputs.named))
    return specs[0].shape[0] if specs and specs[0].shape else 1


def _specs(tree: Any) -> list[Spec]:
    if isinstance(tree, Spec):
        return [tree]
    parts = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list | tuple) else ()
    return [spec for part in parts for spec in _specs(part)]


def with_batch(inputs: Inputs, batch: int) -> Inputs:
    """The inputs with `batch` as the first size of every tensor that had the old one there."""
    if batch < 1:
        raise BadInput(f"batch: at least 1, not {batch}")
    old = batch_size(inputs)

    def changed(tree: Any) -> Any:
        if isinstance(tree, Spec):
            fits = tree.shape and tree.shape[0] == old
            return replace(tree, shape=(batch, *tree.shape[1:])) if fits else tree
        if isinstance(tree, Mapping):
            return {key: changed(part) for key, part in tree.items()}
        return type(tree)(changed(part) for part in tree) if isinstance(tree, list | tuple) else tree

    return Inputs(changed(inputs.positional), changed(inputs.named) if inputs.named else inputs.named)


def _make(value: Any, dtype: Any, device: Any) -> Any:
    torch = load_torch()
    if isinstance(value, Spec):
        dtype = getattr(torch, value.dtype) if value.dtype else dtype
        if str(device) == "meta":
            return torch.empty(value.shape, dtype=dtype, device=device)
        if dtype.is_floating_point or dtype.is_complex:
            return torch.randn(value.shape, dtype=dtype, device=device)
        return torch.zeros(value.shape, dtype=dtype, device=device)
    if isinstance(value, Mapping):
        return {key: _make(entry, dtype, device) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_make(entry, dtype, device) for entry in value)
    return value


def _with_batch(spec: Any, image: tuple[int, ...] | None) -> Any:
    """A network of ours takes one image's shape as a batch of one."""
    if isinstance(spec, Spec) and image is not None and len(spec.shape) == len(image):
        return Spec((1, *spec.shape), spec.dtype)
    return spec


def _parse_spec(text: str, whole: str) -> Spec:
    sizes, _, dtype = text.partition(":")
    if dtype and dtype not in DTYPES:
        raise BadInput(f'--input {whole}: unknown dtype "{dtype}": {nearest(dtype, list(DTYPES))}')
    try:
        shape = tuple(int(size) for size in sizes.replace("x", ",").replace("×", ",").split(",") if size.strip())
    except ValueError:
        raise BadInput(f"--input {whole}: sizes are whole numbers with commas between, as 1,3,224,224") from None
    if not shape or min(shape) < 1:
        raise BadInput(f"--input {whole}: every size is 1 or more, as 1,3,224,224")
    return Spec(shape, dtype)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_text(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)
