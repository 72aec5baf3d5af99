"""check: is it right, and if not, what is the mistake?

    check("conv2d")                           every form of an operation, against PyTorch and against each other
    check("all")                              every operation
    check("resnet20")                         a network of ours, layer by layer, on the engine and on PyTorch
    check("net.py:Network", input=(2, 1, 28, 28))      a network of the user's, layer by layer
    check("net.py:Network", against="simple-nn")       …against the one that it is meant to be
    check("mine.py:linear")                   a function with its backward, a torch.autograd.Function, an optimiser
    check(training, against=other)            two trainings: the first step and layer that part

Outputs and every gradient are compared under random cotangents, in float64 and float32. What differs is diagnosed:
the modules of `faults` know what one finds when a sum is taken for a mean, a filter is flipped, a gradient overwritten.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from underhood import engine
from underhood.engine.forms import OPERATIONS, Form, Operation
from underhood.errors import BadInput, nearest
from underhood.instruments.check import own as owns
from underhood.instruments.check.findings import Findings
from underhood.instruments.check.gap import Array
from underhood.instruments.check.networks import check_network, inputs_for
from underhood.instruments.check.one_by_one import check_itself, check_pair
from underhood.instruments.check.operations import check_all, check_operation, operation_named
from underhood.instruments.check.optimizers import check_optimizer, entry_named, is_optimizer, meant
from underhood.instruments.check.trainings import Training, check_trainings
from underhood.instruments.inputs import Inputs, Spec, as_inputs, parse_inputs
from underhood.instruments.target import Target, is_place, locate, resolve
from underhood.networks import NETWORKS

__all__ = ["Findings", "Training", "check"]


def check(
    thing: Any = "all",
    against: Any = None,
    *,
    input: Any = None,  # noqa: A002 (as in cost)
    arguments: Mapping[str, Any] | None = None,
    oracle: str | None = None,
) -> Findings:
    """What `thing` computes, beside what is right.

    `against` names what it is meant to be: an operation, an optimiser, another network or training. `input` is the
    shape of what a network (or each argument of a function) is fed, `arguments` are the arguments of a network's class.
    `oracle` is who is right: "torch" where it is installed, else "numbers", the vector forms and numerical
    differentiation.
    """
    if isinstance(thing, Operation):
        thing = thing.name
    if isinstance(thing, str):
        if thing == "all":
            return check_all(oracle=oracle)
        if thing in OPERATIONS and against is None:
            return check_operation(thing, oracle)
        if thing not in NETWORKS and not is_place(thing):
            hint = nearest(thing, ["all", *OPERATIONS, *NETWORKS])
            hint = hint if hint.startswith("did") else "try an operation (conv2d), a network (resnet20) or all"
            raise BadInput(f'there is no operation or network "{thing}"; {hint}, or FILE.py:thing')
    name, home = getattr(thing, "__name__", type(thing).__name__), None
    if isinstance(thing, str) and thing not in NETWORKS:
        thing, name, home = locate(thing)
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


# -- networks --


def _is_network(thing: Any) -> bool:
    """A module of either library, its class, or a function that builds one from `nn`."""
    if isinstance(thing, Target):
        return True
    cls = thing if inspect.isclass(thing) else type(thing)
    if any(base.__module__.startswith(("torch.nn", "underhood.engine.nn")) for base in cls.__mro__):
        return True
    return inspect.isfunction(thing) and next(iter(inspect.signature(thing).parameters), "") == "nn"


def _network(
    thing: Any, name: str, against: Any, inputs: Any, arguments: dict[str, Any], oracle: str | None
) -> Findings:
    target = _target(thing, name, arguments)
    other = None
    if against is not None:
        other = _target(against, getattr(against, "__name__", type(against).__name__), {})
    shape = target.input or (other.input if other else None)
    x = _input(inputs, shape, target.name)
    if other is not None:
        return check_pair(_built(target), _built(other), target.name, other.name, x)
    if target.pages:
        return check_network(target.build, target.name, x, oracle)
    return check_itself(_built(target), target.name, x)


def _target(thing: Any, name: str, arguments: dict[str, Any]) -> Target:
    """A network of the engine is one as it is; the rest is `resolve`'s."""
    if inspect.isclass(thing) and issubclass(thing, engine.nn.Module):
        thing = thing(**arguments)
    if isinstance(thing, engine.nn.Module):
        return Target(name, lambda _: thing, built=thing)
    target = resolve(thing, arguments)
    return target if isinstance(thing, str | Target) else Target(name, target.build, target.input, target.pages)


def _built(target: Target) -> Any:
    """A network; PyTorch's where it may be either's and PyTorch is there."""
    if not target.pages:
        return target.build(None if target.built is not None else _torch_nn())
    return target.build(engine.nn)


def _torch_nn() -> Any:
    from underhood.instruments.pytorch import load_torch

    return load_torch("a network of PyTorch's").nn


def _input(given: Any, image: tuple[int, ...] | None, name: str) -> Array:
    """Random numbers for the network; two examples, where the shape of one is known."""
    if given is None and image is not None:
        return inputs_for((2, *image))
    if given is None:
        raise BadInput(f"{name}: say the shape of its input with its batch, as --input 2,1,28,28")
    spec = _specs(given, image)[0]
    return inputs_for(spec.shape, spec.dtype)


def _specs(given: Any, image: tuple[int, ...] | None = None) -> list[Spec]:
    """The shapes that `--input` or the argument `input` gives."""
    if isinstance(given, Sequence) and given and all(isinstance(text, str) for text in given):
        found: Inputs = parse_inputs([given] if isinstance(given, str) else given, image)
    else:
        found = as_inputs(given, image)
    return [spec for spec in found.positional if isinstance(spec, Spec)]


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
    """A Training, its loop, or a function without arguments that makes one."""
    if isinstance(thing, Training) or inspect.isgenerator(thing):
        return True
    return inspect.isfunction(thing) and not inspect.signature(thing).parameters


def _training(thing: Any) -> Any:
    """A Training, or the one that a function makes; (net, optimizer, loss, batches) will do."""
    name = ""
    if isinstance(thing, str):
        thing, name, _ = locate(thing)
    if inspect.isfunction(thing):
        thing = thing()
    if isinstance(thing, tuple):
        net, optimizer, loss, batches = thing
        return Training(net, optimizer, loss, batches, name)
    return thing
