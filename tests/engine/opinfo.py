"""PyTorch's own database of operations, held against the engine.

    python -m tests.engine.opinfo                 what passes, what is refused and why, what is not offered
    python -m tests.engine.opinfo gather topk     these operations alone, every failure in full

`torch.testing` has for every operation the samples that PyTorch is tested with, and inputs that have to be errors.
Each sample runs through every way the engine offers the operation, the function, the method, the one in place and
its other names: outputs, their dtypes, and the gradients under random cotangents have to be PyTorch's.

A sample may be refused: `NotImplementedError`, which names what is missing, or a keyword that the function lacks.
Whatever else is raised where PyTorch computes is a failure, as is an input that is an error there and none here.
"""

import copy
import inspect
import random
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, reduce
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.testing._internal import common_utils
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo import core
from torch.testing._internal.opinfo.core import OpInfo

import underhood
from underhood.engine import dtypes, functional
from underhood.engine.tensor import Tensor

DTYPES = (torch.float32, torch.float64, torch.int64, torch.bool)
OURS = {getattr(torch, str(d)): d for d in dtypes.DTYPES}
TOLERANCES = {np.dtype("float32"): (2e-4, 2e-5), np.dtype("float64"): (1e-7, 1e-9)}  # relative, absolute

MOST_AXES = 64  # NumPy's, and torch's for reductions


def _seed(seed: int = common_utils.SEED) -> None:
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


# For each sample the database looks for its own test case up the whole stack, and for every kind of device it formats
# the stack while seeding: three quarters of the time, and neither is here.
common_utils.extract_test_fn = core.extract_test_fn = lambda: None
common_utils.set_rng_seed = _seed

# The database calls these with their arguments in another order.
IN_ANOTHER_ORDER: dict[str, Callable[..., Any]] = {
    "einsum": lambda tensors, equation: functional.einsum(equation, tensors),
    "where": lambda x, condition, other: functional.where(condition, x, other),
    "nn.functional.embedding": lambda weight, index, **settings: functional.embedding(index, weight, **settings),
}

# Drawn at random or left as it was in memory: shape and dtype alone can be compared.
RANDOM = re.compile(
    r"(new_)?empty|rand|normal|uniform|multinomial|bernoulli|exponential|nn.functional.\w*dropout|nn.functional.rrelu"
    r"|cauchy|geometric|log_normal"
)
# Where the order among equals is open: which of the numbers in a call is the axis.
TIES = {"sort": 0, "argsort": 0, "topk": 1, "kthvalue": 1, "median": 0, "nanmedian": 0, "mode": 0}
# Samples whose numbers are PyTorch's own error, each with its reason.
EXCEPT = {
    ("logcumsumexp", "float32[5, 5, 5]"): "the gradient is a small difference of large sums, rounded in both",
    (
        "nn.functional.layer_norm",
        "float32[1], (1)",
    ): "a single number has the gradient 0; PyTorch's is 0 up to rounding",
}


@dataclass
class Count:
    """What came of the samples of one operation."""

    passed: int = 0
    excepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


# -- what is offered --


@cache
def offered() -> list[OpInfo]:
    """The operations of the database that the engine has in some way."""
    return [info for info in op_db if ways(info)]


def ways(info: OpInfo) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """Every way to call the operation that the engine has: name → (the engine's, PyTorch's)."""
    found: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}
    for name in dict.fromkeys([info.name, *(alias.name for alias in info.aliases)]):
        ours, theirs = _lookup(functional, name) or _lookup(underhood, name), _lookup(torch, name)
        in_place = info.variant_test_name == "in_place"
        if ours is not None and theirs is not None and not _is_dtype(ours) and not in_place:
            found[name] = IN_ANOTHER_ORDER.get(name, ours), info.op if name == info.name else theirs
        if "." in name or not hasattr(torch.Tensor, name):
            continue
        if name in ("T", "H", "mT", "mH"):
            if name in Tensor.__dict__:
                found[f"Tensor.{name}"] = (lambda x, n=name: getattr(x, n)), info.op
            continue
        for method in (name, f"{name}_"):
            ours, theirs = Tensor.__dict__.get(method), getattr(torch.Tensor, method, None)
            if callable(ours) and theirs is not None:
                found[f"Tensor.{method}"] = ours, theirs
    return found


def _lookup(library: Any, name: str) -> Any:
    try:
        return reduce(getattr, name.split("."), library)
    except AttributeError:
        return None


def _is_dtype(x: Any) -> bool:
    return isinstance(x, np.dtype)


def missing() -> list[str]:
    """The functions and methods of PyTorch's documented namespaces that the engine has under no such name."""
    names = [n for n in dir(torch) if callable(getattr(torch, n)) and _is_operation(n)]
    found = [f"torch.{n}" for n in names if not hasattr(underhood, n)]
    names = [n for n in dir(torch.nn.functional) if callable(getattr(torch.nn.functional, n)) and _is_operation(n)]
    found += [f"torch.nn.functional.{n}" for n in names if not hasattr(functional, n)]
    names = [n for n in dir(torch.Tensor) if callable(getattr(torch.Tensor, n)) and _is_operation(n)]
    return found + [f"torch.Tensor.{n}" for n in names if not hasattr(Tensor, n)]


def _is_operation(name: str) -> bool:
    return not name.startswith("_") and name.islower() and (name in _documented())


def _documented() -> frozenset[str]:
    if not hasattr(_documented, "names"):
        overrides = torch.overrides.get_testing_overrides()
        names = {getattr(f, "__name__", "") for f in overrides} | {getattr(f, "__qualname__", "") for f in overrides}
        _documented.names = frozenset(n.split(".")[-1] for n in names)
    return _documented.names


# -- one sample --


def here(x: Any) -> Any:
    """PyTorch's argument as the engine's: tensors keep their strides and whether they want a gradient."""
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided or x.dtype not in OURS or x.ndim > MOST_AXES:
            raise _Elsewhere
        made = underhood.from_numpy(_as_strided(x.detach().numpy()))
        return made.requires_grad_(x.requires_grad) if x.requires_grad else made
    if isinstance(x, torch.dtype):
        if x not in OURS:
            raise _Elsewhere
        return OURS[x]
    if isinstance(x, torch.device):
        return str(x)
    if isinstance(x, torch.layout | torch.memory_format | complex | torch.Generator):
        raise _Elsewhere
    if callable(x):
        if _lookup(functional, getattr(x, "__name__", "")) is None:
            raise _Elsewhere
        return getattr(functional, x.__name__)
    if isinstance(x, torch.Size):
        return tuple(x)
    if isinstance(x, list):
        return [here(y) for y in x]
    if isinstance(x, tuple):
        return tuple(here(y) for y in x)
    if isinstance(x, dict):
        return {k: here(v) for k, v in x.items()}
    return x


class _Elsewhere(Exception):
    """The sample has complex numbers, sparse tensors, or another thing that the engine has no word for."""


def _as_strided(x: np.ndarray) -> np.ndarray:
    """A copy of x with the strides of x, in memory of its own."""
    if x.flags.c_contiguous or any(s < 0 for s in x.strides):
        return x.copy()
    room = sum((n - 1) * abs(s) for n, s in zip(x.shape, x.strides, strict=True)) // x.itemsize + 1 if x.size else 0
    made = np.lib.stride_tricks.as_strided(np.zeros(room, x.dtype), x.shape, x.strides)
    if 0 in x.strides:
        return np.broadcast_to(x[tuple(slice(0, 1 if s == 0 else None) for s in x.strides)].copy(), x.shape)
    made[...] = x
    return made


def clone(x: Any) -> Any:
    """The sample once more, on leaves of its own."""
    if isinstance(x, torch.Tensor):
        return x.detach().clone().requires_grad_(x.requires_grad)
    if isinstance(x, list | tuple) and type(x) in (list, tuple):
        return type(x)(clone(y) for y in x)
    return {k: clone(v) for k, v in x.items()} if isinstance(x, dict) else copy.copy(x)


def tensors(x: Any, kind: type) -> Iterator[Any]:
    if isinstance(x, kind):
        yield x
    elif isinstance(x, dict):
        for y in x.values():
            yield from tensors(y, kind)
    elif isinstance(x, list | tuple):
        for y in x:
            yield from tensors(y, kind)


def run(
    call: Callable[..., Any], arguments: Any, kind: type, make: Callable[..., Any], in_place: bool
) -> tuple[Any, list[Any], list[bool]]:
    """What the call returns, the gradients of the arguments under random cotangents, what lies in their memory."""
    inputs, keywords = arguments
    memory = [x.detach().numpy() for x in tensors(arguments, kind)]
    asked = [x for x in tensors(arguments, kind) if x.requires_grad]
    if in_place and inputs[0].requires_grad:
        inputs = (inputs[0].clone(), *inputs[1:])  # a leaf is not changed in place
    out = call(*inputs, **keywords)
    rng = np.random.default_rng(3)
    for z in tensors(out, kind):
        weight = rng.normal(size=tuple(z.shape))
        if z.requires_grad:
            z.backward(make(weight, z), retain_graph=True)
    shared = [any(np.shares_memory(z.detach().numpy(), x) for x in memory) for z in tensors(out, kind)]
    return out, [None if x.grad is None else x.grad.detach().numpy() for x in asked], shared


def judge(
    ours: Callable[..., Any], theirs: Callable[..., Any], sample: Any, drawn: bool, in_place: bool, ties: str
) -> str | None:
    """ "" when all agrees, None where the sample is not one of the engine's, else what differs."""
    arguments = (sample.input, *sample.args), dict(sample.kwargs)
    try:
        mine = here(arguments)
        expected, gradients, shared = run(
            theirs, clone(arguments), torch.Tensor, lambda w, z: torch.tensor(w).to(z.dtype).reshape(z.shape), in_place
        )
        if any(z.dtype not in OURS or z.layout != torch.strided for z in tensors(expected, torch.Tensor)):
            return None
    except _Elsewhere:
        return None
    except Exception:  # an in-place form that PyTorch refuses itself
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found, own, shares = run(
            ours, mine, Tensor, lambda w, z: underhood.from_numpy(np.asarray(w, z.dtype).reshape(z.shape)), in_place
        )
    # unfold is a copy here: its slices overlap, so what is written into one would stand in the others
    if not in_place and ours is not Tensor.unfold and shares != shared:
        return f"outputs that share an input's memory: {shares}; there: {shared}"
    if ties:
        found, expected = by_values(found, sample, ties), by_values(expected, sample, ties)
    if difference := differs(found, expected, drawn):
        return difference
    if not drawn:
        for i, (a, b) in enumerate(zip(own, gradients, strict=True)):
            zero = np.zeros((1,))
            if a is None and b is None:
                continue
            a = np.zeros_like(b) if a is None else a
            b = np.zeros_like(a) if b is None else b
            if difference := apart(a, b, zero):
                return f"gradient {i}: {difference}"
    return ""


def by_values(out: Any, sample: Any, name: str) -> Any:
    """Indices as the elements they name: among equals any index is right."""
    if isinstance(out, list | tuple):
        return [out[0], by_values(out[1], sample, "argsort" if name == "argsort" else f"{name}.indices")]
    if name.removesuffix(".indices") not in TIES or not (name == "argsort" or name.endswith(".indices")):
        return out
    x, index = sample.input.detach(), torch.from_numpy(np.array(out.detach().numpy()))
    numbers = [a for a in sample.args if not isinstance(a, bool)]
    position = TIES[name.removesuffix(".indices")] - ("k" in sample.kwargs)
    at = int(sample.kwargs.get("dim", numbers[position] if len(numbers) > position else -1))
    if not x.ndim:
        return type(out)(x.numpy()) if isinstance(out, Tensor) else x
    picked = torch.take_along_dim(x, index if index.ndim == x.ndim else index.unsqueeze(at), at)
    return type(out)(picked.numpy()) if isinstance(out, Tensor) else picked


def differs(a: Any, b: Any, drawn: bool) -> str:
    """How what was returned differs from PyTorch's, or nothing."""
    if isinstance(b, torch.Tensor):
        if not isinstance(a, Tensor):
            return f"{type(a).__name__} for a tensor"
        if OURS[b.dtype] != a.dtype:
            return f"dtype {a.dtype}, expected {b.dtype}"
        if tuple(a.shape) != tuple(b.shape):
            return f"shape {tuple(a.shape)}, expected {tuple(b.shape)}"
        if a.requires_grad != b.requires_grad and not drawn:
            return f"requires_grad {a.requires_grad}, expected {b.requires_grad}"
        return "" if drawn else apart(a.detach().numpy(), b.detach().numpy(), None)
    if isinstance(b, list | tuple):
        if not isinstance(a, list | tuple) or len(a) != len(b):
            return f"{type(a).__name__} for {len(b)} results"
        return next((d for x, y in zip(a, b, strict=True) if (d := differs(x, y, drawn))), "")
    return "" if drawn or a == b or (a != a and b != b) else f"{a!r}, expected {b!r}"


def apart(a: np.ndarray, b: np.ndarray, _: Any) -> str:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype}{list(a.shape)}, expected {b.dtype}{list(b.shape)}"
    rtol, atol = TOLERANCES.get(b.dtype, (0, 0))
    near = np.isclose(a, b, rtol=rtol, atol=atol * max(1.0, _scale(b)), equal_nan=True)
    if near.all():
        return ""
    i = tuple(int(j) for j in np.argwhere(~near)[0])
    return f"{(~near).sum()} of {near.size} differ; [{', '.join(map(str, i))}] is {a[i]}, expected {b[i]}"


def _scale(b: np.ndarray) -> float:
    finite = b[np.isfinite(b)]
    return float(np.abs(finite).max()) if finite.size and b.dtype.kind == "f" else 0.0


# -- one operation --

CLEAR = (NotImplementedError, TypeError, RuntimeError, ValueError, IndexError)
KEYWORD = re.compile(
    r"unexpected keyword argument|too many positional arguments|positional arguments? but \d+ were given"
)


def samples(info: OpInfo, dtype: torch.dtype) -> Iterator[Any]:
    if info.supports_dtype(dtype, "cpu"):
        _seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from info.sample_inputs(
                "cpu", dtype, requires_grad=dtype.is_floating_point and info.supports_autograd
            )


def try_samples(info: OpInfo, some: tuple[torch.dtype, ...] = ()) -> Count:
    """All samples of one operation in all the ways that the engine has, or a few in the dtypes named."""
    count = Count()
    offered = ways(info)
    label = f"{info.name}.{info.variant_test_name}".rstrip(".")
    for dtype in (some or DTYPES) if offered else ():
        for sample in islice(samples(info, dtype), 0, *((16, 4) if some else (None, 1))):
            for name, (ours, theirs) in offered.items():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    _try(count, f"{label} as {name}", ours, theirs, sample, is_drawn(info, sample))
    return count


def is_drawn(info: OpInfo, sample: Any) -> bool:
    return bool(RANDOM.match(info.name) or sample.kwargs.get("dropout_p"))


def _try(
    count: Count, where: str, ours: Callable[..., Any], theirs: Callable[..., Any], sample: Any, drawn: bool
) -> None:
    try:
        verdict = judge(
            ours,
            theirs,
            sample,
            drawn,
            where.endswith("_"),
            name if (name := where.split()[0].split(".")[0]) in TIES else "",
        )
    except NotImplementedError as error:
        count.refused[_reason(error)] += 1
        return
    except TypeError as error:
        if not KEYWORD.search(str(error)):
            count.failed.append(f"{where}: {type(error).__name__}: {error}  {show(sample)}")
            return
        count.refused[_reason(error)] += 1
        return
    except Exception as error:
        verdict = f"{type(error).__name__}: {error}"
    if verdict and any(where.startswith(name) and show(sample).startswith(what) for name, what in EXCEPT):
        count.excepted += 1
    elif verdict:
        count.failed.append(f"{where}: {verdict}  {show(sample)}")
    elif verdict is not None:
        count.passed += 1


def _reason(error: Exception) -> str:
    return re.sub(r"\b[\w<>.]*\.", "", str(error).splitlines()[0])[:110] if str(error) else type(error).__name__


def try_errors(info: OpInfo) -> Count:
    """PyTorch's inputs that are errors: they have to be errors here."""
    count = Count()
    offered = ways(info)
    label = f"{info.name}.{info.variant_test_name}".rstrip(".")
    if info.error_inputs_func is None or not offered:
        return count
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for error_input in info.error_inputs("cpu"):
            sample = error_input.sample_input
            for name, (ours, theirs) in offered.items():
                if name.startswith("Tensor.") and (name.endswith("_") or not isinstance(sample.input, torch.Tensor)):
                    continue
                if not _refused_there(theirs, sample):
                    continue
                try:
                    (inputs, keywords) = here(((sample.input, *sample.args), dict(sample.kwargs)))
                    out = ours(*inputs, **keywords)
                    list(out) if inspect.isgenerator(out) else None
                except _Elsewhere:
                    continue
                except CLEAR as error:
                    right = isinstance(error, error_input.error_type | NotImplementedError | TypeError)
                    if right:
                        count.passed += 1
                    else:
                        count.failed.append(
                            f"{label} as {name}: {type(error).__name__} ({error}), expected "
                            f"{error_input.error_type.__name__} ({error_input.error_regex})  {show(sample)}"
                        )
                except Exception as error:
                    count.failed.append(f"{label} as {name}: unclear {type(error).__name__}: {error}  {show(sample)}")
                else:
                    count.failed.append(
                        f"{label} as {name}: no error, expected {error_input.error_type} "
                        f"({error_input.error_regex})  {show(sample)}"
                    )
    return count


def _refused_there(theirs: Callable[..., Any], sample: Any) -> bool:
    """Whether PyTorch itself refuses it: a few of the database's errors are none."""
    try:
        theirs(*clone((sample.input, *sample.args)), **clone(dict(sample.kwargs)))
    except Exception:
        return True
    return False


def show(sample: Any) -> str:
    """A sample's shapes, dtypes and settings in a line."""

    def one(x: Any) -> str:
        if isinstance(x, torch.Tensor):
            return f"{str(x.dtype).removeprefix('torch.')}{list(x.shape)}" + ("" if x.is_contiguous() else "~")
        if isinstance(x, list | tuple):
            return "(" + ", ".join(map(one, x)) + ")"
        return repr(x)

    return ", ".join([*map(one, (sample.input, *sample.args)), *(f"{k}={one(v)}" for k, v in sample.kwargs.items())])


# -- the summary --


def main(names: list[str]) -> int:
    chosen = [info for info in op_db if not names or info.name in names]
    passed = errors = 0
    refused: dict[str, Counter[str]] = {}
    failed: list[str] = []
    offered: set[str] = set()
    unknown: list[str] = []
    for info in chosen:
        if not ways(info):
            unknown.append(info.name)
            continue
        offered.add(info.name)
        found, wrong = try_samples(info), try_errors(info)
        passed, errors = passed + found.passed, errors + wrong.passed
        if found.refused:
            refused.setdefault(info.name, Counter()).update(found.refused)
        failed += found.failed + wrong.failed
        if found.failed or wrong.failed:
            print(f"{info.name}: {len(found.failed)} samples, {len(wrong.failed)} error inputs fail")
            for line in (found.failed + wrong.failed)[: 10**9 if names else 3]:
                print("   ", line[:600])
    total = sum(sum(reasons.values()) for reasons in refused.values())
    print("\nrefused, by operation and reason")
    for name, reasons in sorted(refused.items()):
        for reason, n in reasons.most_common():
            print(f"  {n:6d}  {name}: {reason}")
    if not names:
        print(f"\nof the database's operations not offered ({len(set(unknown))}): {', '.join(sorted(set(unknown)))}")
        lacking = missing()
        print(f"\nof PyTorch's functions and methods not offered ({len(lacking)}): {', '.join(lacking)}")
    print(
        f"\n{len(offered)} operations: {passed} samples passed, {len(failed)} failed, {total} refused; "
        f"{errors} inputs that are errors raised"
    )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
