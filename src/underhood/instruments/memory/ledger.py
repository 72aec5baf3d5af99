"""The books of one training step: what lies in memory at every operation, by kind and by layer. No number is computed.

The step (forward, cross-entropy or a sum, backward, update) runs on the meta device, where tensors have shapes and
nothing else; a dispatch mode enters every new storage once and strikes it out when it is freed. Of two steps the
second is kept: from then on the optimiser's state is there from the beginning.

    weights       parameters and buffers
    gradients     what stands in .grad
    state         what the optimiser keeps between steps
    activations   what forward makes and backward will read (found by saved-tensor hooks), and the batch itself
    workspace     everything else that is alive for a while: temporaries, gradients of activations, the
                  reordered copies that the convolutions make (workspace.py)

Assumed: optimizer.zero_grad() (to None), forward, backward, step, in this order, as in PyTorch's tutorials.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.memory.recurrent import fused_lstms
from underhood.instruments.memory.replay import heap_bytes
from underhood.instruments.memory.workspace import workspace
from underhood.instruments.pytorch import load_torch, tensors_in
from underhood.instruments.record import PassError
from underhood.instruments.shapes import by_rule

KINDS = ("weights", "gradients", "state", "activations", "workspace")
STEPS = 3
OWN_REFERENCES = 2  # to a storage that one tensor has, while Python looks at it


@dataclass(frozen=True)
class Moment:
    """What is alive while one operation runs; `layer` is its own in forward, the one whose turn it is in backward."""

    phase: str
    layer: str
    operation: str
    kinds: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.kinds.values())


@dataclass
class Ledger:
    """A step's moments in order; `saved` are the bytes that each layer keeps for backward, `written` all new bytes.

    `heap` is what the C library's heap takes from the system for all blocks taken and given back in `events`, 0 where
    the memory is a GPU's.
    """

    moments: list[Moment] = field(default_factory=list)
    saved: Counter[str] = field(default_factory=Counter)
    written: int = 0
    events: list[tuple[int, int]] = field(default_factory=list)

    @cached_property
    def heap(self) -> int:
        return heap_bytes(self.events) if self.events else 0

    @property
    def peak(self) -> Moment:
        return max(self.moments, key=lambda moment: moment.bytes)

    @property
    def gaps(self) -> int:
        """What the heap held beyond what was alive at the peak."""
        return max(0, self.heap - self.peak.bytes)

    def highest(self, kind: str) -> int:
        return max(moment.kinds[kind] for moment in self.moments)


def keep_books(
    module: Any,
    args: Any,
    kwargs: Any,
    optimizer: Callable[[Any], Any] | None,
    *,
    in_backward: bool = False,
    reordered: bool = True,
    passes: int = 1,
) -> Ledger:
    """Three steps of `module`, a replica on meta in the mode to be looked at, of which the last is reported.

    `optimizer(parameters)` makes the optimiser. `in_backward` updates every weight as soon as its gradient is
    there and frees the gradient at once. `reordered` counts what a CPU's convolutions and heap take. A step
    may have several `passes`, whose gradients add up. Raises PassError with the layer.
    """
    books = _Books(module, (args, kwargs), reordered)
    learnt = [p for p in module.parameters() if p.requires_grad]
    rules = _rules(learnt, optimizer, in_backward, books)
    for path, member in module.named_modules():
        books.watch(path, member)
    ledger = Ledger()
    with ExitStack() as stack:
        stack.enter_context(books.on_meta())
        for _ in range(STEPS):
            ledger = books.open()
            books.phase = "forward"
            for rule in rules:
                rule.zero_grad()
            try:
                for _ in range(passes):
                    _step(module, args, kwargs, books)
            except Exception as error:
                raise PassError(books.layer or type(module).__name__, error) from error
            books.phase, books.layer = "update", ""
            for rule in rules if not in_backward else ():
                rule.step()
            books.settle(rules)
    ledger.events = books.events if reordered else []
    return ledger


def keep_books_of_evaluation(module: Any, args: Any, kwargs: Any) -> Ledger:
    """The answers of `module`, a replica on meta in evaluation mode, to two batches one after the other, on a CPU."""
    books = _Books(module, (args, kwargs), True)
    ledger = books.open()
    with ExitStack() as stack:
        stack.enter_context(books.on_meta())
        stack.enter_context(load_torch().no_grad())
        for _ in range(2):
            module(*args, **kwargs)
    ledger.events = books.events
    return ledger


def _step(module: Any, args: Any, kwargs: Any, books: "_Books") -> None:
    books.phase = "forward"
    with books.saving():
        loss = loss_of(module(*args, **kwargs))
    books.phase = "backward"
    if loss.requires_grad:
        loss.backward()


def loss_of(out: Any) -> Any:
    """Cross-entropy where the output is logits (N, C) or (N, C, …), else the sum of the squares of all outputs."""
    torch = load_torch()
    leaves = [x for x in tensors_in(out) if x.is_floating_point()]
    if not leaves:
        raise BadInput(f"its output, a {type(out).__name__}, holds no tensor of floats to make a loss of")
    first = leaves[0]
    if len(leaves) == 1 and first.dim() > 1 and first.shape[1] > 1:
        labels = torch.zeros((first.shape[0], *first.shape[2:]), dtype=torch.int64, device=first.device)
        return torch.nn.functional.cross_entropy(first, labels)
    return sum(x.square().sum() for x in leaves)


def _shapes_of(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation's outputs on meta; by rules of our own where torch would work them out from small parts."""
    torch = load_torch()
    if not (args and torch.is_tensor(args[0]) and args[0].device.type == "meta"):
        return func(*args, **kwargs)  # an optimiser's counter of steps is a number, here too
    if func.overloadpacket.__name__ == "native_batch_norm_backward" and not kwargs:
        _, x, weight, *_, wanted = args
        like = (x, weight, weight)
        return tuple(_like(one) if want else None for one, want in zip(like, wanted, strict=True))
    out = by_rule(func, args, kwargs)
    return func(*args, **kwargs) if out is None else out


def _is_accumulation(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether two gradients of one tensor are added up, which autograd does in place where nobody else has the first.

    Under a dispatch mode it does not, and this is one.
    """
    if func.overloadpacket.__name__ != "add" or kwargs or len(args) != 2:
        return False
    torch = load_torch()
    one, other = args
    if not (torch.is_tensor(one) and torch.is_tensor(other)) or one.shape != other.shape or one.dtype != other.dtype:
        return False
    own = one.untyped_storage()
    whole = one.is_contiguous() and own.nbytes() == one.numel() * one.element_size()
    return whole and torch._C._storage_Use_Count(own._cdata) <= OWN_REFERENCES


def _like(x: Any) -> Any:
    return None if x is None else load_torch().empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")


def _rules(learnt: list[Any], optimizer: Any, in_backward: bool, books: "_Books") -> list[Any]:
    """The optimisers: one for all weights, or one for each, called by its weight's gradient."""
    if optimizer is None or not learnt:
        return []
    if not in_backward:
        for weight in learnt:
            weight.register_post_accumulate_grad_hook(books.mark_gradient)
        return [optimizer(learnt)]
    rules = []
    for weight in learnt:
        rule = optimizer([weight])

        def update(weight: Any, rule: Any = rule) -> None:
            books.mark_gradient(weight)
            rule.step()
            rule.zero_grad()
            books.settle([rule])

        weight.register_post_accumulate_grad_hook(update)
        rules.append(rule)
    return rules


class _Books:
    """Every living storage with its bytes and kind, and the running sums."""

    def __init__(self, module: Any, given: Any, reordered: bool) -> None:
        torch = load_torch()
        self.reordered = reordered
        self.events: list[tuple[int, int]] = []  # blocks taken, and given back with 0
        self.kinds: dict[int, str] = {}
        self.sizes: dict[int, int] = {}
        self.sums = dict.fromkeys(KINDS, 0)
        self.ledger = Ledger()
        self.phase, self.layer = "forward", ""
        self.layers: list[str] = []
        self.keepers: dict[int, str] = {}
        for tensor in (*module.parameters(), *module.buffers()):
            self.enter(tensor, "weights")
        for tensor in torch.utils._pytree.tree_leaves(given):
            if torch.is_tensor(tensor):
                self.enter(tensor, "activations")

    def open(self) -> Ledger:
        self.ledger = Ledger()
        self.keepers.clear()
        return self.ledger

    def enter(self, tensor: Any, kind: str) -> None:
        """A storage that is new, as `kind`."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.sizes:
            return
        self.kinds[key], self.sizes[key] = kind, storage.nbytes()
        self.sums[kind] += self.sizes[key]
        self.ledger.written += self.sizes[key]
        self.events.append((key, self.sizes[key]))
        weakref.finalize(storage, self.strike, key).atexit = False

    def strike(self, key: int) -> None:
        """A storage that is freed."""
        self.events.append((key, 0))
        self.sums[self.kinds.pop(key)] -= self.sizes.pop(key)

    def mark(self, tensor: Any, kind: str) -> None:
        """A storage that turns out to be of another kind."""
        key = tensor.untyped_storage()._cdata
        if key in self.sizes and self.kinds[key] == "workspace":
            self.sums["workspace"] -= self.sizes[key]
            self.sums[kind] += self.sizes[key]
            self.kinds[key] = kind

    def mark_gradient(self, weight: Any) -> None:
        self.mark(weight.grad, "gradients")

    def settle(self, rules: list[Any]) -> None:
        """After an update: what the optimisers keep."""
        torch = load_torch()
        for rule in rules:
            for state in rule.state.values():
                for value in state.values():
                    if torch.is_tensor(value):
                        self.mark(value, "state")

    def watch(self, path: str, member: Any) -> None:
        """Know the layer that is running."""

        def before(*_: Any) -> None:
            self.layers.append(path)
            self.layer = path

        def after(*_: Any) -> None:
            self.layers.pop()
            self.layer = self.layers[-1] if self.layers else ""

        member.register_forward_pre_hook(before)
        member.register_forward_hook(after)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Notes what forward saves for backward, and in backward whose turn it is."""

        def pack(tensor: Any) -> Any:
            key = tensor.untyped_storage()._cdata
            if self.kinds.get(key) == "workspace":
                self.mark(tensor, "activations")
                self.keepers[key] = self.layer
                self.ledger.saved[self.layer] += self.sizes[key]
            return self.layer, tensor

        def unpack(packed: Any) -> Any:
            self.layer = packed[0]
            return packed[1]

        with load_torch().autograd.graph.saved_tensors_hooks(pack, unpack):
            yield

    @contextmanager
    def on_meta(self) -> Iterator[None]:
        """Within, all that is made is on meta and entered."""
        with ExitStack() as stack:
            stack.enter_context(load_torch().device("meta"))
            if self.reordered:
                stack.enter_context(fused_lstms())
            stack.enter_context(self.mode())
            yield

    def mode(self) -> Any:
        torch = load_torch()
        base: Any = torch.utils._python_dispatch.TorchDispatchMode

        class Entries(base):  # type: ignore[misc]
            def __torch_dispatch__(mode, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: N805
                kwargs = kwargs or {}
                if self.phase == "backward" and _is_accumulation(func, args, kwargs):
                    out = args[0]
                else:
                    out = _shapes_of(func, args, kwargs)
                extra = workspace(func, args, out) if self.reordered else []
                with self.lent(extra):  # the copies are made first, the outputs beside them
                    for tensor in torch.utils._pytree.tree_leaves(out):
                        if torch.is_tensor(tensor):
                            self.enter(tensor, "workspace")
                if func.namespace != "profiler":  # marks that optimisers set
                    self.note(str(func.overloadpacket.__name__), sum(extra))
                return out

        return Entries()

    @contextmanager
    def lent(self, blocks: list[int]) -> Iterator[None]:
        """Blocks of the heap for the time of one operation."""
        keys = range(-len(blocks), 0)
        for key, size in zip(keys, blocks, strict=True):
            self.events.append((key, size))
        yield
        self.events += [(key, 0) for key in keys]

    def note(self, operation: str, extra: int) -> None:
        """Write the moment down, with what the operation took for itself."""
        kinds = {**self.sums, "workspace": self.sums["workspace"] + extra}
        self.ledger.moments.append(Moment(self.phase, self.layer, operation, kinds))
