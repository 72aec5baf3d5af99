"""What training a network takes: the peak of a step by kind, predicted without running it, and measured.

    >>> from underhood.instruments.memory import memory
    >>> found = memory("vgg11", batch=[1, 64], optimizer="adam", measure=True)      # doctest: +SKIP
    >>> found.steps[0].kinds["state"]                                               # doctest: +SKIP
    1062906688

The prediction is the books of a step on the meta device (ledger.py), what the C library's heap makes of them
(heap.py), and what the runtime itself takes. The measured peak is that of a process of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from underhood.errors import BadInput, MissingPiece, UnderhoodError, nearest
from underhood.instruments.devices import device_named
from underhood.instruments.inputs import Inputs, as_inputs, batch_size, with_batch
from underhood.instruments.memory import tables
from underhood.instruments.memory.ledger import Ledger
from underhood.instruments.memory.measures import choices, smallest_change, smallest_on_engine
from underhood.instruments.memory.on_engine import engine_ledger
from underhood.instruments.memory.optimizers import optimizer as optimizer_of
from underhood.instruments.memory.peak import measured_peak, runtime_bytes
from underhood.instruments.memory.result import LayerMemory, MemoryResult, Step
from underhood.instruments.memory.step import on_meta, step_ledger
from underhood.instruments.page import Presented, page
from underhood.instruments.pytorch import load_torch
from underhood.instruments.target import Target, resolve
from underhood.sizes import parse_size
from underhood.tables import Table

if TYPE_CHECKING:
    from underhood.figures import Figure

SCHEMA = "underhood.memory/1"


class Memory(MemoryResult, Presented):
    """What was found, and how it looks."""

    def tables(self) -> list[Table]:
        if self.backend == "underhood":
            return [tables.kind_table(self), *([tables.search_table(self)] if self.search else [])]
        fit = [tables.fit_table(self)] if self.ceiling is not None else []
        return [tables.kind_table(self), *fit, tables.layer_table(self), tables.moment_table(self)]

    def figure(self) -> "Figure":
        """The step's timeline."""
        return tables.timeline_figure(self)

    def to_csv(self) -> str:
        """A line for every step asked for, in bytes."""
        return tables.long_table(self).to_csv()

    def to_html(self) -> str:
        figures = [self.figure()] if self.backend == "torch" else []
        return page(f"What training {self.name} takes", [*self.tables(), *figures])

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **tables.as_json(self)}


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
    backend: str = "torch",
) -> Memory:
    """Predict the peak of a training step of a network: a torch.nn.Module, a class, or a text such as "vgg16".

    `batch` and `optimizer` may be several: all pairs are predicted. `optimizer` is in words, "sgd,momentum=0.9".
    `measure` runs each step in a process of its own, on `where` ("cpu" or "cuda"); for that the network has to
    be given as a text. `fit` is a ceiling for the whole process ("512MB", "1GiB", or bytes): the largest batch with
    each measure, and of the batch asked for the smallest change that fits, as `run --fit` takes it. `device` names a
    device profile, which brings a ceiling of its own.

    `backend` "underhood" is a step of the engine's plan, on one thread; what fits is searched among passes and a leaner
    optimiser.

    The network is never run and never changed. Raises BadInput when it can't be built or the pass fails.
    """
    if backend == "underhood":
        return _on_engine(network, input, arguments, batch, optimizer, measure, fit, (device, where))
    if backend != "torch":
        raise BadInput(f'backend: unknown "{backend}": {nearest(backend, ["torch", "underhood"])}')
    notes = _about_gpu(where, measure)
    target = resolve(network, arguments)
    inputs = as_inputs(input, target.input)
    profile = device_named(device) if device else None
    if profile and measure:
        raise BadInput(f"device {device}: what it would take there is predicted; measured can only be what runs here")
    batches = [batch] if isinstance(batch, int) else list(batch or [batch_size(inputs)])
    words = [optimizer] if isinstance(optimizer, str) else list(optimizer)
    rules = {each: optimizer_of(each) for each in words}
    reordered = profile is None and where == "cpu"
    pairs = [(each, size) for each in words for size in batches]
    ledgers = [_ledger(target, with_batch(inputs, size), rules[each], reordered) for each, size in pairs]
    runtime = profile.runtime if profile else _runtime(target, ledgers[0], where)
    steps = []
    for (each, size), ledger in zip(pairs, ledgers, strict=True):
        steps.append(Step(size, each, ledger, runtime))
        if measure:
            steps[-1] = _measured(steps[-1], network, arguments, with_batch(inputs, size), where)
    ceiling = parse_size(fit) if fit is not None else profile.free if profile else None
    found = Memory(target.name, inputs, steps, _layers(target, ledgers[0]), ceiling, device=profile, notes=notes)
    if ceiling is None:
        return found
    wanted = batches[0] if batch is not None else None
    sets = choices(target, inputs, rules[words[0]], ceiling - runtime, wanted, reordered)
    search = smallest_change(target, inputs, words[0], wanted, ceiling, runtime, reordered) if wanted else None
    return replace(found, choices=sets, search=search)


def _runtime(target: Target, ledger: Ledger, where: str) -> int:
    """What the process takes without the step. oneDNN is loaded for convolutions, and for LSTMs, which the books of a
    step have in one piece, without a name.
    """
    if where.startswith("cuda"):
        return 0
    convolves = any("convolution" in moment.operation for moment in ledger.moments)
    LSTM = load_torch("memory").nn.LSTM
    return runtime_bytes(onednn=convolves or any(isinstance(member, LSTM) for member in on_meta(target).modules()))


def _on_engine(
    network: Any,
    input: Any,  # noqa: A002
    arguments: Mapping[str, Any] | None,
    batch: int | Sequence[int] | None,
    optimizer: str | Sequence[str],
    measure: bool,
    fit: int | str | None,
    unasked: tuple[Any, ...],
) -> Memory:
    """The same for a step of the engine's plan, whose buffers are laid out before it runs."""
    if unasked != (None, "cpu"):
        raise BadInput("--device and --where are for torch: the engine's step is predicted for this machine")
    target = resolve(network, arguments)
    inputs = as_inputs(input, target.input)
    batches = [batch] if isinstance(batch, int) else list(batch or [batch_size(inputs)])
    steps = []
    for words in [optimizer] if isinstance(optimizer, str) else optimizer:
        for size in batches:
            ledger = engine_ledger(target, with_batch(inputs, size), words)
            steps.append(Step(size, words, ledger, runtime_bytes(backend="underhood")))
            if measure:
                steps[-1] = _measured(steps[-1], network, arguments, with_batch(inputs, size), "cpu", "underhood")
    if fit is None:
        return Memory(target.name, inputs, steps, [], backend="underhood")
    ceiling, first = parse_size(fit), steps[0]
    search = smallest_on_engine(target, inputs, first.optimizer, first.batch, ceiling, first.runtime)
    return Memory(target.name, inputs, steps, [], ceiling, backend="underhood", search=search)


def _about_gpu(where: str, measure: bool) -> tuple[str, ...]:
    """What has to be said of a prediction for a GPU; MissingPiece where one is to be measured and there is none."""
    if not where.startswith("cuda"):
        return ()
    torch = load_torch("memory")
    here = torch.cuda.is_available()
    if measure and not here:
        raise MissingPiece(f"--where {where} --measure: PyTorch {torch.__version__} sees no GPU here")
    absent = "" if here else f"PyTorch {torch.__version__} sees no GPU here; "
    return (f"{absent}predicted are the tensors on one: its context and what the allocator rounds up are not counted.",)


def _ledger(target: Target, inputs: Inputs, rule: Any, reordered: bool) -> Ledger:
    """The ledger of a step. An optimiser that keeps state takes no less of the heap than one that keeps none."""
    ledger = step_ledger(target, on_meta(target), inputs, rule, reordered=reordered)
    if reordered and ledger.highest("state"):
        plain = step_ledger(target, on_meta(target), inputs, optimizer_of("sgd"))
        ledger.heap = max(ledger.heap, plain.heap)
    return ledger


def _measured(
    step: Step,
    network: Any,
    arguments: Mapping[str, Any] | None,
    inputs: Inputs,
    where: str,
    backend: str = "torch",
) -> Step:
    """The step with its measured peaks, or why there are none; on a CPU with large blocks mapped apart too."""
    if not isinstance(network, str):
        return replace(step, why="not measured: only a network given as a text can be built again in another process")
    regimes = {"measured": False} | ({"mapped": True} if where == "cpu" else {})
    try:
        found = {
            name: measured_peak(
                network, arguments or {}, inputs, step.optimizer, device=where, backend=backend, mapped=mapped
            )
            for name, mapped in regimes.items()
        }
    except UnderhoodError as error:
        return replace(step, why=f"not measured: {error}")
    return replace(step, measured=found["measured"], mapped=found.get("mapped"))


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
