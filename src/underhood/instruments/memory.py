"""What training a network takes: the peak of a step by kind, predicted without running it, and measured.

    >>> from underhood.instruments.memory import memory
    >>> found = memory("vgg11", batch=[1, 64], optimizer="adam", measure=True)      # doctest: +SKIP
    >>> found.steps[0].kinds["state"]                                               # doctest: +SKIP
    1062906688

The prediction is the books of a step on the meta device (ledger.py), what the C library's heap makes of them
(heap.py), and what the runtime itself takes. The measured peak is that of a process of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underhood.errors import BadInput, UnderhoodError
from underhood.instruments.devices import Device, device_named
from underhood.instruments.inputs import Inputs, Spec, as_inputs, make
from underhood.instruments.ledger import KINDS, Ledger, Moment, keep_books
from underhood.instruments.measures import Choice, choices
from underhood.instruments.optimizers import optimizer as optimizer_of
from underhood.instruments.peak import measured_peak, runtime_bytes
from underhood.instruments.profile import with_batch
from underhood.instruments.pytorch import load_torch
from underhood.instruments.record import PassError
from underhood.instruments.replica import replica
from underhood.instruments.sizes import parse_size
from underhood.instruments.target import Target, resolve
from underhood.tables import Table

if TYPE_CHECKING:
    from underhood.figures import Figure

SCHEMA = "underhood.memory/1"


@dataclass(frozen=True)
class Step:
    """A training step: its books, what the runtime takes beside them, and the measured peak with why there is none."""

    batch: int
    optimizer: str
    ledger: Ledger
    runtime: int
    measured: int | None = None
    why: str = ""

    @property
    def peak(self) -> Moment:
        return self.ledger.peak

    @property
    def kinds(self) -> dict[str, int]:
        """Bytes of every kind at the peak."""
        return {**self.peak.kinds, "heap": self.ledger.gaps, "runtime": self.runtime}

    @property
    def predicted(self) -> int:
        return sum(self.kinds.values())

    @property
    def error(self) -> float | None:
        """How far the prediction is from the measured peak, as a share of it."""
        return None if self.measured is None else self.predicted / self.measured - 1


@dataclass(frozen=True)
class LayerMemory:
    """What a layer owns, and what it makes in forward that backward reads."""

    name: str
    kind: str
    weights: int
    saved: int


@dataclass(frozen=True)
class Memory:
    """All steps asked for; `layers` are those of the first. `choices` are what fits `ceiling`, cheapest first."""

    name: str
    inputs: Inputs
    steps: list[Step]
    layers: list[LayerMemory]
    ceiling: int | None = None
    choices: tuple[Choice, ...] = ()
    device: Device | None = None

    def tables(self) -> list[Table]:
        from underhood.instruments import memory_tables as tables

        fit = [tables.fit_table(self)] if self.ceiling is not None else []
        return [tables.kind_table(self), *fit, tables.layer_table(self), tables.moment_table(self)]

    def figure(self) -> "Figure":
        """The step's timeline."""
        from underhood.instruments.memory_tables import timeline_figure

        return timeline_figure(self)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables()))

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self.tables())

    def to_markdown(self) -> str:
        return "\n\n".join(table.to_markdown() for table in self.tables())

    def to_csv(self) -> str:
        """A line for every step asked for, in bytes."""
        from underhood.instruments.memory_tables import long_table

        return long_table(self).to_csv()

    def to_html(self) -> str:
        from underhood.instruments.page import page

        return page(f"What training {self.name} takes", [*self.tables(), self.figure()])

    def to_json(self) -> dict[str, Any]:
        from underhood.instruments.memory_tables import as_json

        return {"schema": SCHEMA, **as_json(self)}


def memory(
    network: Any,
    input: Any = None,  # noqa: A002 (what every user calls it)
    *,
    arguments: Mapping[str, Any] | None = None,
    batch: int | Sequence[int] | None = None,
    optimizer: str | Sequence[str] = "sgd",
    measure: bool = False,
    fit: int | str | None = None,
    device: str | None = None,
    where: str = "cpu",
) -> Memory:
    """Predict the peak of a training step of a network: a torch.nn.Module, a class, or a text such as "vgg16".

    `batch` and `optimizer` may be several: all pairs are told. `optimizer` is in words, "sgd,momentum=0.9".
    `measure` runs each step in a process of its own, on `where` ("cpu" or "cuda"); for that the network has to
    be given as a text. `fit` is a ceiling for the whole process ("512MB", "1GiB", or bytes): the largest batch
    and the cheapest measures that fit. `device` names a device profile, which brings a ceiling of its own.

    The network is never run and never changed. Raises BadInput when it can't be built or the pass fails.
    """
    target = resolve(network, arguments)
    inputs = as_inputs(input, target.input)
    profile = device_named(device) if device else None
    if profile and measure:
        raise BadInput(f"device {device}: what it would take there is predicted; measured can only be what runs here")
    batches = [batch] if isinstance(batch, int) else list(batch or [_first_size(inputs)])
    words = [optimizer] if isinstance(optimizer, str) else list(optimizer)
    rules = {each: optimizer_of(each) for each in words}
    runtime = profile.runtime if profile else 0 if where.startswith("cuda") else runtime_bytes()
    reordered = profile is None and where == "cpu"
    pairs = [(each, size) for each in words for size in batches]
    ledgers = [_books(target, with_batch(inputs, size), rules[each], reordered) for each, size in pairs]
    steps = []
    for (each, size), ledger in zip(pairs, ledgers, strict=True):
        found, why = _measured(network, arguments, with_batch(inputs, size), each, where) if measure else (None, "")
        steps.append(Step(size, each, ledger, runtime, found, why))
    ceiling = parse_size(fit) if fit is not None else profile.free if profile else None
    chosen: tuple[Choice, ...] = ()
    if ceiling is not None:
        wanted = batches[0] if batch is not None else None
        chosen = choices(target, inputs, rules[words[0]], ceiling - runtime, wanted, reordered)
    return Memory(target.name, inputs, steps, _layers(target, ledgers[0]), ceiling, chosen, profile)


def _first_size(inputs: Inputs) -> int:
    first = next((spec for spec in inputs.positional if isinstance(spec, Spec)), None)
    return first.shape[0] if first is not None and first.shape else 1


def on_meta(target: Target) -> Any:
    """A replica of the network on the meta device, in training mode."""
    torch = load_torch("memory")
    if target.built is None:
        try:
            with torch.device("meta"):
                module = target.build(torch.nn)
        except BadInput:
            raise
        except Exception:  # a constructor that wants numbers gets them
            module = _with_numbers(target)
    else:
        module = target.built
    if not isinstance(module, torch.nn.Module):
        raise BadInput(f"{target.name} gave a {type(module).__name__}, not a torch.nn.Module")
    return replica(module).train()


def _with_numbers(target: Target) -> Any:
    try:
        return target.build(load_torch().nn)
    except Exception as error:
        raise BadInput(f"{target.name} could not be built: {type(error).__name__}: {error}") from error


def _books(target: Target, inputs: Inputs, rule: Any, reordered: bool) -> Ledger:
    return books(target, on_meta(target), inputs, rule, reordered=reordered)


def books(
    target: Target, module: Any, inputs: Inputs, rule: Any, *, reordered: bool = True, in_backward: bool = False
) -> Ledger:
    """The ledger of a step of `module`, a replica on meta; an error of the pass says in which layer."""
    torch = load_torch()
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    args, kwargs = make(inputs, dtype, "meta")
    try:
        return keep_books(module, args, kwargs, rule, in_backward=in_backward, reordered=reordered)
    except PassError as error:
        raise BadInput(f"{target.name}, input {inputs}: {error}") from error


def _measured(
    network: Any, arguments: Mapping[str, Any] | None, inputs: Inputs, rule: str, where: str
) -> tuple[int | None, str]:
    """The measured peak, or why there is none."""
    if not isinstance(network, str):
        return None, "not measured: only a network given as a text can be built again in a process of its own"
    try:
        return measured_peak(network, arguments or {}, inputs, rule, device=where), ""
    except UnderhoodError as error:
        return None, f"not measured: {error}"


def _layers(target: Target, ledger: Ledger) -> list[LayerMemory]:
    """A row for every module that owns weights or makes what is saved, in the network's order."""
    rows, seen = [], set()
    for path, member in on_meta(target).named_modules():
        own = [x for x in (*member.parameters(recurse=False), *member.buffers(recurse=False)) if id(x) not in seen]
        seen |= {id(x) for x in own}
        weights = sum(x.numel() * x.element_size() for x in own)
        if weights or ledger.saved[path] or not any(True for _ in member.children()):
            rows.append(LayerMemory(path or type(member).__name__, type(member).__name__, weights, ledger.saved[path]))
    return rows


__all__ = ["KINDS", "Memory", "Step", "memory"]
