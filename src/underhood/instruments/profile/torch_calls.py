"""Every layer's call in one pass, recorded with its inputs, to be repeated alone: a network of torch's.

The pass runs on a replica of the network. Hooks note what each module was called with, a function mode what each
function between the modules was; then the hooks are gone, and what is timed is the bare call. (A clock in the
hooks themselves would time the hooks too: 40 % of a small layer.)

A call is repeated as in training: on inputs that want a gradient where they did in the pass, forward, then
backward from a random cotangent with respect to these inputs and the layer's parameters. `.grad` is not touched.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from underhood.instruments.pytorch import load_torch, tensors_in
from underhood.instruments.record import PassError
from underhood.instruments.stopwatch import Clock


@dataclass
class TorchCall:
    """One call. `work(*args, **kwargs)` repeats it; `learnt` are the parameters that it gets gradients for.

    `writes` says that it changes its input in place, so that each repetition is given a copy.
    """

    name: str
    work: Callable[..., Any]
    args: Any
    kwargs: Any
    learnt: list[Any] = field(default_factory=list)
    backward: bool = True
    writes: bool = False
    cotangents: list[Any] | None = None

    @property
    def moved(self) -> int:
        """Bytes that its inputs and parameters have; what it writes comes in addition."""
        tensors = [*tensors_in((self.args, self.kwargs)), *self.learnt]
        return sum(x.numel() * x.element_size() for x in {id(x): x for x in tensors}.values())

    def __call__(self, clock: Clock) -> tuple[float | None, ...]:
        """Seconds of forward and, where something wants a gradient, of backward."""
        torch = load_torch()
        with torch.set_grad_enabled(self.backward):
            (args, kwargs), leaves = self._fresh()
            out, forward = clock(lambda: self.work(*args, **kwargs))
        results = [x for x in tensors_in(out) if x.requires_grad]
        wanted = [*leaves, *self.learnt]
        if not results or not wanted:
            return forward, None
        if self.cotangents is None:
            self.cotangents = [torch.randn_like(x) for x in results]
        cotangents = self.cotangents
        del out  # as in a network: what backward doesn't need is not kept
        _, backward = clock(lambda: torch.autograd.grad(results, wanted, cotangents, allow_unused=True))
        return forward, backward

    def _fresh(self) -> tuple[Any, list[Any]]:
        """The inputs as leaves of a graph of their own, copied where the call will write to them."""
        torch = load_torch()
        leaves: list[Any] = []

        def fresh(tensor: Any) -> Any:
            leaf = tensor.detach()
            if tensor.requires_grad and self.backward:
                leaves.append(leaf.requires_grad_())
            return leaf.clone() if self.writes else leaf

        return torch.utils._pytree.tree_map_only(torch.Tensor, fresh, (self.args, self.kwargs)), leaves


def capture(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wanted: Collection[str], backward: bool
) -> list[TorchCall]:
    """The calls named in `wanted` (as `cost` names its rows) in one pass of `module`, in their order.

    A second call of the same layer is `name#2`. Raises PassError with the layer's name.
    """
    torch = load_torch()
    scribe = _Scribe(wanted, backward)
    handles = [handle for path, member in module.named_modules() for handle in scribe.watch(path, member)]
    try:
        with torch.set_grad_enabled(backward), _functions(scribe):
            module(*args, **kwargs)
    except Exception as error:
        raise PassError((scribe.stack and scribe.stack[-1]) or type(module).__name__, error) from error
    finally:
        for handle in handles:
            handle.remove()
    return scribe.calls


class _Scribe:
    """Names calls as the record of `cost` does, and keeps those that are wanted."""

    def __init__(self, wanted: Collection[str], backward: bool) -> None:
        self.wanted, self.backward = wanted, backward
        self.calls: list[TorchCall] = []
        self.stack: list[str] = []  # paths of the modules that are running
        self.inside = 0  # how many of them are wanted: what they call is theirs
        self.times: dict[str, int] = {}

    def name(self, path: str) -> str:
        self.times[path] = self.times.get(path, 0) + 1
        return path if self.times[path] == 1 else f"{path}#{self.times[path]}"

    def watch(self, path: str, module: Any) -> list[Any]:
        """Hooks that open and close the module's call; looking at tensors in them is no part of the pass."""
        quiet = load_torch()._C.DisableTorchFunction
        opened: list[tuple[TorchCall | None, list[int]]] = []

        def before(member: Any, args: Any, kwargs: Any) -> None:
            with quiet():
                name = self.name(path or type(member).__name__)
                self.stack.append(path)
                call = None
                if name in self.wanted and not self.inside:
                    learnt = [p for p in member.parameters() if p.requires_grad]
                    call = _call(name, member, _held((args, kwargs)), learnt, self.backward)
                    self.inside += 1
                opened.append((call, _versions((args, kwargs))))

        def after(member: Any, args: Any, kwargs: Any, out: Any) -> None:
            call, versions = opened.pop()
            self.stack.pop()
            if call is not None:
                self.inside -= 1
                with quiet():
                    call.writes = _versions((args, kwargs)) != versions
                self.calls.append(call)

        return [
            module.register_forward_pre_hook(before, with_kwargs=True),
            module.register_forward_hook(after, with_kwargs=True),
        ]

    def function(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call a function, and keep it if it stands between the layers."""
        versions = _versions((args, kwargs))
        held = _held((args, kwargs))
        out = func(*args, **kwargs)
        word = getattr(func, "__name__", type(func).__name__).strip("_")
        if self.inside or not (tensors_in(out) or word == "setitem"):
            return out
        owner = self.stack[-1] if self.stack else ""
        name = self.name(f"{owner}.{word}" if owner else word)
        if name in self.wanted:
            writes = _versions((args, kwargs)) != versions
            self.calls.append(_call(name, func, held, [], self.backward, writes))
        return out


def _call(name: str, work: Any, held: Any, learnt: list[Any], backward: bool, writes: bool = False) -> TorchCall:
    args, kwargs = held
    return TorchCall(name, work, args, kwargs, learnt, backward, writes)


def _functions(scribe: _Scribe) -> Any:
    mode: Any = load_torch().overrides.TorchFunctionMode

    class Functions(mode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return scribe.function(func, args, kwargs or {})

    return Functions()


def _versions(tree: Any) -> list[int]:
    return [x._version for x in tensors_in(tree)]


def _held(tree: Any) -> Any:
    """The same tensors off the graph, which remember whether they wanted a gradient."""
    torch = load_torch()

    return torch.utils._pytree.tree_map_only(torch.Tensor, lambda x: x.detach().requires_grad_(x.requires_grad), tree)
