"""check: is it right, and if not, what is the mistake?

    check("conv2d")                           every form of an operation, against PyTorch and against each other
    check("all")                              every operation
    check("flip"), check("cosine")            an augmentation; a schedule, where `schedules` are handed over
    check("schedule:linear")                  …whose name an operation has too
    check("resnet20")                         a network of ours, layer by layer, on the engine and on PyTorch
    check("net.py:Network", input=(2, 1, 28, 28))      a network of the user's, layer by layer
    check("net.py:Network", against="simple-nn")       …against the one that it is meant to be
    check("mine.py:linear")                   a function with its backward, a torch.autograd.Function, an optimiser
    check(training, against=other)            two trainings: the first step and layer that part

Outputs and every gradient are compared under random cotangents, in float64 and float32. What differs is diagnosed:
the modules of `faults` know what one finds when a sum is taken for a mean, a filter is flipped, a gradient overwritten.
"""

import importlib.util
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from underhood import engine
from underhood.data.augmentation import AUGMENTATIONS
from underhood.engine.forms import OPERATIONS, Form, Operation
from underhood.engine.optim import OPTIMIZERS
from underhood.errors import BadInput, nearest
from underhood.instruments.check import own as owns
from underhood.instruments.check.augmentations import check_augmentation
from underhood.instruments.check.findings import Findings
from underhood.instruments.check.gap import Array
from underhood.instruments.check.networks import check_network, inputs_for
from underhood.instruments.check.one_by_one import check_itself
from underhood.instruments.check.operations import check_all, check_operation, operation_named
from underhood.instruments.check.optimizers import check_optimizer, entry_named, is_optimizer, meant
from underhood.instruments.check.pairs import check_pair
from underhood.instruments.check.recording import Arguments, is_array, mapped
from underhood.instruments.check.schedules import Schedules, check_schedule
from underhood.instruments.check.trainings import Training, check_trainings
from underhood.instruments.inputs import Inputs, Spec, as_inputs, parse_inputs
from underhood.instruments.pytorch import load_torch
from underhood.instruments.target import Target, build, is_place, locate, resolve, short
from underhood.networks import NETWORKS

__all__ = ["Findings", "Schedules", "Training", "check"]


def check(
    thing: Any = "all",
    against: Any = None,
    *,
    input: Any = None,  # noqa: A002 (as in cost)
    arguments: Mapping[str, Any] | None = None,
    oracle: str | None = None,
    schedules: Schedules | None = None,
) -> Findings:
    """What `thing` computes, beside what is right.

    `against` names what it is meant to be: an operation, an optimiser, another network or training. `input` is the
    shape of what a network (or each argument of a function) is fed, `arguments` are the arguments of a network's class.
    `oracle` is who is right: "torch" where it is installed, else "numbers", the vector forms and numerical
    differentiation. `schedules` are the schedules of the learning rate, which the commands know.
    """
    if isinstance(thing, Operation):
        thing = thing.name
    if isinstance(thing, str):
        if thing == "all":
            return check_all(oracle=oracle)
        if thing in OPERATIONS and against is None:
            return check_operation(thing, oracle)
        if (entry := _entry(thing, schedules, oracle)) is not None and against is None:
            return entry
        if thing not in NETWORKS and not is_place(thing):
            names = [
                "all",
                *OPERATIONS,
                *NETWORKS,
                *OPTIMIZERS,
                *AUGMENTATIONS,
                *(schedules.entries if schedules else ()),
            ]
            hint = nearest(thing, names)
            hint = hint if hint.startswith("did") else "try an operation (conv2d), a network (resnet20) or all"
            raise BadInput(f'there is no operation or network "{thing}"; {hint}, or FILE.py:thing')
    name, home = getattr(thing, "__name__", type(thing).__name__), None
    if isinstance(thing, str) and thing not in NETWORKS:
        thing, name, home = locate(thing)
    thing = _made(thing, name, dict(arguments or {}))
    if _is_training(thing):
        if against is None:
            raise BadInput(f"{name}: say which training it is to be held against: --against mine.py:other")
        return check_trainings(_training(against), _training(thing))
    if is_optimizer(thing):
        row = meant(name) if against is None else entry_named(against)
        if row is None:
            raise BadInput(f"{name}: say which optimiser it is meant to be: --against adam")
        return check_optimizer(thing, name, row, oracle)
    if isinstance(thing, str) or _is_network(thing):
        return _network(thing, name, against, input, dict(arguments or {}), oracle)
    return _function(thing, name, home, against, input, oracle)


def _entry(name: str, schedules: Schedules | None, oracle: str | None) -> Findings | None:
    """An optimiser, augmentation or schedule of ours by its name, or as `schedule:linear`; None for other words."""
    kind, _, plain = name.rpartition(":")
    if kind not in ("", "optimizer", "augmentation", "schedule"):
        return None
    if plain in NETWORKS and not kind:
        return None
    if kind in ("", "optimizer") and plain in OPTIMIZERS:
        return check_optimizer(OPTIMIZERS[plain].optimizer, plain, OPTIMIZERS[plain], oracle)
    if kind in ("", "augmentation") and plain in AUGMENTATIONS:
        return check_augmentation(plain)
    if schedules is not None and kind in ("", "schedule") and plain in schedules.entries:
        return check_schedule(plain, schedules)
    if kind:
        names = {"optimizer": list(OPTIMIZERS), "augmentation": list(AUGMENTATIONS)}
        choices = names.get(kind, list(schedules.entries) if schedules else [])
        raise BadInput(f'there is no {kind} "{plain}"; {nearest(plain, choices)}')
    return None


def _made(thing: Any, name: str, arguments: dict[str, Any]) -> Any:
    """What a function makes that can be called as it is: a network, a training. Everything else stays."""
    if not inspect.isfunction(thing) or _is_network(thing) or inspect.isgeneratorfunction(thing):
        return thing
    parameters = inspect.signature(thing).parameters.values()
    wanted = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if any(p.name not in arguments for p in wanted) or (any(True for _ in parameters) and owns.backward_of(thing)):
        return thing
    try:
        with _seeded():
            made = thing(**arguments)
    except Exception as error:
        if any(True for _ in parameters) and not arguments:
            return thing
        raise BadInput(f"{name}: {type(error).__name__}: {error}") from error
    return made if _is_network(made) or _is_training(made) else thing


# -- networks --


def _is_network(thing: Any) -> bool:
    """A module of either library, its class, or a function that builds one from `nn`."""
    if isinstance(thing, Target):
        return True
    cls = thing if inspect.isclass(thing) else type(thing)
    if any(base.__module__.startswith(("torch.nn.modules", "underhood.engine.nn")) for base in cls.__mro__):
        return True
    return inspect.isfunction(thing) and next(iter(inspect.signature(thing).parameters), "") == "nn"


def _network(
    thing: Any, name: str, against: Any, inputs: Any, arguments: dict[str, Any], oracle: str | None
) -> Findings:
    target = _target(thing, name, arguments)
    other = None
    if against is not None:
        other = _reference(against)
    x = _arguments(inputs, target.input or (other.input if other else None), target.name)
    single = len(x[0]) == 1 and not x[1] and is_array(x[0][0])
    if other is not None:
        return check_pair(_built(target, x), _built(other, x), target.name, other.name, x)
    if target.pages and single:
        return check_network(target.build, target.name, x[0][0], oracle)
    if target.pages:
        return check_pair(target.build(engine.nn), _built(target, x), f"{target.name} on the engine", target.name, x)
    return check_itself(_built(target, x), target.name, x)


def _reference(against: Any) -> Target:
    """The network that another is meant to be."""
    name = getattr(against, "__name__", type(against).__name__)
    if isinstance(against, str) and against not in NETWORKS and is_place(against):
        against, name, _ = locate(against)
    return _target(_made(against, name, {}), name, {})


def _target(thing: Any, name: str, arguments: dict[str, Any]) -> Target:
    """A network of the engine is one as it is; the rest is `resolve`'s."""
    if inspect.isclass(thing) and issubclass(thing, engine.nn.Module):
        thing = thing(**arguments)
    if isinstance(thing, engine.nn.Module):
        return Target(name, lambda _: thing, built=thing)
    if not isinstance(thing, str) and not inspect.isclass(thing) and not inspect.isfunction(thing) and arguments:
        arguments = {}  # a function has used them
    target = resolve(thing, arguments)
    return (
        target
        if isinstance(thing, str | Target)
        else Target(name, target.build, target.input, target.pages, target.built)
    )


@contextmanager
def _seeded() -> Iterator[None]:
    """PyTorch's random numbers from seed 0, and the caller's as they were; where it is not installed, nothing."""
    if not importlib.util.find_spec("torch"):
        yield
        return
    torch = load_torch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _built(target: Target, x: Arguments) -> Any:
    """A network, the same every time: PyTorch's where PyTorch is there, for its functions can be watched."""
    if isinstance(target.built, engine.nn.Module):
        return target.built
    if target.pages and not importlib.util.find_spec("torch"):
        return target.build(engine.nn)
    torch = load_torch("a network of PyTorch's")
    with _seeded():
        net = build(target)[0]
        if any(torch.nn.parameter.is_lazy(p) for p in net.parameters()):  # they learn their shapes from a first pass
            args, kwargs = mapped(
                x, lambda array: torch.tensor(array, dtype=torch.float32 if array.dtype.kind == "f" else None), is_array
            )
            try:
                with torch.no_grad():
                    net(*args, **kwargs)
            except Exception as error:
                raise BadInput(f"{target.name}: its forward raised: {short(error)}") from error
        return net


def _arguments(given: Any, image: tuple[int, ...] | None, name: str) -> Arguments:
    """Random numbers for everything that a network is called with; two examples, where the shape of one is known."""
    if given is None and image is not None:
        return (inputs_for((2, *image)),), {}
    if given is None:
        raise BadInput(f"{name}: say the shape of its input with its batch, as --input 2,1,28,28")
    inputs = _inputs(given, image)
    count = iter(range(1000))

    def numbers(spec: Spec) -> Array:
        return inputs_for(spec.shape, spec.dtype, next(count))

    return mapped((inputs.positional, dict(inputs.named or {})), numbers, lambda x: isinstance(x, Spec))


def _inputs(given: Any, image: tuple[int, ...] | None = None) -> Inputs:
    """The shapes that `--input` or the argument `input` gives."""
    if isinstance(given, Sequence) and given and all(isinstance(text, str) for text in given):
        return parse_inputs([given] if isinstance(given, str) else given, image)
    return as_inputs(given, image)


def _specs(given: Any) -> list[Spec]:
    return [spec for spec in _inputs(given).positional if isinstance(spec, Spec)]


# -- functions, trainings --


def _function(thing: Any, name: str, home: Any, against: Any, inputs: Any, oracle: str | None) -> Findings:
    if isinstance(thing, Form | tuple | list) and name in ("Form", "tuple", "list"):
        name = "the pair"
    mine = owns.own(thing, name, home)
    operation = owns.meant(name) if against is None and inputs is None else None
    if against is not None:
        operation = against if isinstance(against, Operation) else operation_named(against)
    if operation is not None:
        return owns.check_own(mine, operation, oracle)
    return owns.check_gradients(mine, [] if inputs is None else [spec.shape for spec in _specs(inputs)])


def _is_training(thing: Any) -> bool:
    """A Training, its loop, the four things that make one, or a generator function of steps."""
    if isinstance(thing, Training) or inspect.isgenerator(thing):
        return True
    if inspect.isgeneratorfunction(thing):
        return not inspect.signature(thing).parameters
    return isinstance(thing, tuple) and len(thing) == 4 and callable(getattr(thing[1], "step", None))


def _training(thing: Any) -> Any:
    """A Training, or the one that a function makes; (net, optimizer, loss, batches) will do."""
    name = ""
    if isinstance(thing, str):
        thing, name, _ = locate(thing)
    if inspect.isfunction(thing):
        with _seeded():
            thing = thing()
    if isinstance(thing, tuple):
        net, optimizer, loss, batches = thing
        return Training(net, optimizer, loss, batches, name)
    return thing
