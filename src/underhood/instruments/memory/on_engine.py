"""A training step on the engine: what the plan lays out, and what its first replays take to be checked.

A plan's buffers are laid out when it is made, and stay. Its first two replays are held against the step as it stands
(engine/fast/comparison.py); the peak is there:

    weights W, the optimiser's state S, buffers, batch
    the state before and after a replay, its gradients     3·W + 2·S
    then the larger of
        the step as it stands                              what it allocates at the most, the gradients among it
        gradients held against each other                  2·W, and five arrays of float64 and one of bytes in the
                                                           shape of the largest parameter (engine/fast/rounding.py)

The buffers are asked of a plan that is made and never run, so that their pages are not written. The step as it stands
runs once, without an update, and Python's tracemalloc counts what NumPy allocates for it; what a compiled kernel takes
for itself is not seen. A batch in several passes has no plan: its peak is in the second pass, beside the first one's
gradients.
"""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.errors import BadInput, nearest
from underhood.instruments.inputs import Inputs, Spec
from underhood.instruments.memory.ledger import KINDS, Ledger, Moment
from underhood.instruments.target import Target, parse_arguments
from underhood.instruments.threads import threads


def engine_ledger(target: Target, inputs: Inputs, optimizer: str, passes: int = 1) -> Ledger:
    """The moment of the peak, of one thread; of a batch in several `passes`, each of them of these inputs.

    BadInput where the step can't be planned, and so not be predicted.
    """
    from underhood.engine.fast.plan import Plan

    net, rule, step, given = prepared(target, inputs, optimizer)
    plan = Plan(step, rule)
    with threads(1):
        try:
            buffers = plan_bytes(plan, *given) if passes == 1 else 0
            eager = eager_bytes(step, *given)
            if passes == 1:
                eager = max(eager, compared_bytes(net))
            else:
                rule.step()  # which makes its state; a plan has made it above
                eager = eager_bytes(step, *given)  # beside the gradients of the pass before
        except RuntimeError as error:
            raise BadInput(f"{target.name} on the engine: {error}") from error
        except Exception as error:
            raise BadInput(f"{target.name} on the engine, input {inputs}: {type(error).__name__}: {error}") from error
    weights = sum(tensor.array.nbytes for tensor in (*net.parameters(), *net.buffers()))
    kept = (value for state in rule.state.values() for value in state.values())
    state = sum(value.array.nbytes for value in kept if hasattr(value, "array"))
    kinds = dict.fromkeys(KINDS, 0) | {
        "weights": weights,
        "gradients": weights,
        "state": state,
        "activations": buffers + eager + sum(x.array.nbytes for x in given),
    }
    if passes > 1:
        return Ledger([Moment("second pass", "", "the step as it stands", kinds)])
    kinds["workspace"] = 2 * weights + 2 * state
    return Ledger([Moment("first replays", "", "the plan held against the step as it stands", kinds)])


def plan_bytes(plan: Any, *given: Any) -> int:
    """The buffers of a plan for such inputs. RuntimeError where the step can't be planned."""
    lowered, _ = plan.laid_out(*given)
    return _bytes(memory.array for memory in lowered.memory.memories)


def eager_bytes(step: Callable[..., Any], *given: Any) -> int:
    """The most that the step as it stands allocates at once, with backward where its first result wants one."""
    traced = tracemalloc.is_tracing()  # by somebody else, who goes on
    tracemalloc.reset_peak() if traced else tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        results = step(*given)
        loss = results[0] if isinstance(results, tuple) else results
        if loss.requires_grad:
            loss.backward()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not traced:
            tracemalloc.stop()


def compared_bytes(net: Any) -> int:
    """What it takes to hold two sets of gradients against each other, these among it."""
    sizes = [p.array.size for p in net.parameters()]
    return 2 * sum(p.array.nbytes for p in net.parameters()) + 41 * max(sizes, default=0)


def prepared(target: Target, inputs: Inputs, optimizer: str) -> tuple[Any, Any, Any, tuple[Any, ...]]:
    """The network on the engine in training mode, its optimiser, the step with cross-entropy, and what it is given."""
    from underhood.engine import from_numpy, nn
    from underhood.engine import functional as F
    from underhood.engine.optim import OPTIMIZERS

    if not target.pages:
        raise BadInput(f"{target.name}: the engine needs a function of `nn` that either library can build")
    if inputs.named or len(inputs.positional) != 1 or not isinstance(inputs.positional[0], Spec):
        raise BadInput("a network on the engine is given one tensor: --input SHAPE")
    name, *arguments = [part.strip() for part in optimizer.split(",")]
    if name not in OPTIMIZERS:
        raise BadInput(f'optimizer: unknown "{name}": {nearest(name, list(OPTIMIZERS))}')
    try:
        net = target.build(nn).train()
        rule = OPTIMIZERS[name].optimizer(net.parameters(), **{"lr": 1e-3, **parse_arguments(arguments)})
    except (AttributeError, TypeError, ValueError) as error:
        raise BadInput(f"{target.name} on the engine, {optimizer}: {error}") from error
    shape = inputs.positional[0].shape
    batch = np.random.default_rng(0).standard_normal(shape, np.float32)
    given = (from_numpy(batch), from_numpy(np.zeros(shape[0], np.int64)))
    return net, rule, lambda x, labels: F.cross_entropy(net(x), labels), given


def _bytes(arrays: Any) -> int:
    """Of the memory behind some arrays, each piece once."""
    owners = {}
    for array in arrays:
        while array is not None and isinstance(array.base, np.ndarray):
            array = array.base
        if array is not None:
            owners[id(array)] = array.nbytes
    return sum(owners.values())
