"""How `memory` looks: its tables, their feet and its chart. Megabytes of 10⁶ bytes."""

from typing import TYPE_CHECKING, Any

from underhood.instruments.memory.ledger import KINDS
from underhood.instruments.memory.result import MemoryResult, Step
from underhood.instruments.memory.smallest import NOT_ON_THE_ENGINE, Search
from underhood.sizes import megabytes
from underhood.tables import Column, Table

if TYPE_CHECKING:
    from underhood.figures import Figure

MEGA = 1e6
POINTS = 400  # of a timeline
TITLES = {
    "weights": ("Weights", "parameters and buffers"),
    "gradients": ("Gradients", "what stands in .grad at the peak"),
    "state": ("Optimiser", "what it keeps between steps"),
    "activations": ("Activations", "made in forward and saved for backward, each storage once, and the batch"),
    "workspace": ("Workspace", "temporaries, gradients of activations, copies that the kernels make"),
    "heap": ("Heap", "holes that the C library's heap keeps"),
    "runtime": ("Runtime", "Python, PyTorch and its kernels before there is a network"),
}


def kind_table(memory: MemoryResult) -> Table:
    """A row for every optimiser and batch: the peak by kind, and the measured one beside it."""
    columns = [Column("optimizer", "Optimiser", align="left"), Column("batch", "Batch")]
    columns += [Column(kind, title, "MB", ",.1f", help=text) for kind, (title, text) in TITLES.items()]
    columns += [
        Column("predicted", "Predicted", "MB", ",.1f"),
        Column("measured", "Measured", "MB", ",.1f", help="largest resident set of a process of its own"),
        Column("error", "Error", format="+.1%", help="of the prediction, as a fraction of the measured peak"),
        Column("own_error", "without runtime", format="+.1%", help="the same of what the training itself takes"),
        Column("least", "Without holes", "MB", ",.1f", help="predicted, with large blocks mapped apart"),
        Column("mapped", "Measured so", "MB", ",.1f", help="the same process with MALLOC_MMAP_THRESHOLD_=65536"),
        Column("least_error", "Error of that", format="+.1%", help="of what the training itself takes"),
        Column("at", "Peak at", align="left"),
    ]
    rows = [
        {
            "optimizer": step.optimizer,
            "batch": step.batch,
            **{kind: count / MEGA for kind, count in step.kinds.items()},
            "predicted": step.predicted / MEGA,
            "measured": None if step.measured is None else step.measured / MEGA,
            "error": step.error,
            "own_error": step.own_error,
            "least": step.least / MEGA,
            "mapped": None if step.mapped is None else step.mapped / MEGA,
            "least_error": step.least_error,
            "at": peak_text(step),
        }
        for step in memory.steps
    ]
    left_out: tuple[str, ...] = (
        () if any(step.measured for step in memory.steps) else ("measured", "error", "own_error")
    )
    left_out += () if any(step.mapped for step in memory.steps) else ("mapped", "least_error")
    left_out += () if any(step.ledger.gaps for step in memory.steps) else ("least",)
    if left_out:
        columns = [column for column in columns if column.name not in left_out]
        rows = [{key: value for key, value in row.items() if key not in left_out} for row in rows]
    return Table(f"{memory.name}: the peak of a training step", columns, rows, foot(memory), name="peak")


def peak_text(step: Step) -> str:
    peak = step.peak
    return f"{peak.phase}, {peak.operation}" + (f" of {peak.layer}" if peak.layer else "")


def foot(memory: MemoryResult) -> list[str]:
    """What is assumed, and what could not be measured."""
    if memory.backend == "underhood":
        said = (
            "A step of the engine's plan with cross-entropy, on one thread. The peak is in its first two replays: "
            "they are held against the step as it stands, whose outputs lie beside the plan's buffers, and copies. "
            "MB are 10⁶ bytes."
        )
        return [said, *memory.notes, *dict.fromkeys(step.why for step in memory.steps if step.why)]
    lines = [
        "A step: zero_grad (to None), forward, cross-entropy (a sum of squares where there are no classes), backward, "
        "update. Predicted on the meta device; the second of two steps.",
    ]
    if memory.device is None:
        lines.append("MB are 10⁶ bytes. Attention is counted as on meta; a CPU's kernels may save less.")
    else:
        lines += [f"{memory.device.title}: {line}." for line in memory.device.assumptions]
        lines.append(f"Figures: {memory.device.source}.")
    return [*lines, *memory.notes, *dict.fromkeys(step.why for step in memory.steps if step.why)]


def layer_table(memory: MemoryResult) -> Table:
    """Which layer the memory belongs to, for the first batch and optimiser."""
    step = memory.steps[0]
    columns = [
        Column("layer", "Layer", align="left"),
        Column("type", "Type", align="left"),
        Column("weights", "Weights", "MB", ",.3f"),
        Column("saved", "Saved for backward", "MB", ",.3f"),
        Column("share", "Fraction", format=".1%", help="of all that is saved"),
    ]
    total = sum(row.saved for row in memory.layers)
    rows = [
        {
            "layer": row.name,
            "type": row.kind,
            "weights": row.weights / MEGA if row.weights else None,
            "saved": row.saved / MEGA if row.saved else None,
            "share": row.saved / total if total and row.saved else None,
        }
        for row in memory.layers
    ]
    weights = sum(row.weights for row in memory.layers)
    rows.append({"layer": "total", "type": "", "weights": weights / MEGA, "saved": total / MEGA})
    notes = ["A storage belongs to the layer that saves it first; a layer that works in place saves its input's."]
    return Table(f"{memory.name}, batch {step.batch}: by layer", columns, rows, notes, name="layers")


def moment_table(memory: MemoryResult) -> Table:
    """The step's timeline: what is alive when each layer's turn takes most."""
    step = memory.steps[0]
    highest: dict[tuple[str, str], Any] = {}
    for moment in step.ledger.moments:
        key = (moment.phase, moment.layer)
        if key not in highest or moment.bytes > highest[key].bytes:
            highest[key] = moment
    columns = [
        Column("phase", "Phase", align="left"),
        Column("layer", "Layer", align="left"),
        Column("operation", "Operation", align="left"),
    ]
    columns += [Column(kind, TITLES[kind][0], "MB", ",.1f") for kind in KINDS]
    columns.append(Column("alive", "Alive", "MB", ",.1f"))
    rows = [
        {
            "phase": moment.phase,
            "layer": moment.layer or "–",
            "operation": moment.operation,
            **{kind: count / MEGA for kind, count in moment.kinds.items()},
            "alive": moment.bytes / MEGA,
        }
        for moment in highest.values()
    ]
    title = f"{memory.name}, batch {step.batch}, {step.optimizer}: the step in order"
    return Table(title, columns, rows, ["Of each layer's turn its highest moment."], name="timeline")


IN_PASSES = f"Passes run as they stand, without a plan, and take longer. {NOT_ON_THE_ENGINE}."


def fit_table(memory: MemoryResult) -> Table:
    """Sets of measures under the ceiling, the cheapest first."""
    ceiling = memory.ceiling or 0
    columns = [
        Column("measures", "Measures", align="left"),
        Column("cost", "Time of a step", "×", ".2f", help="at most, against none"),
        Column("largest", "Largest batch", format=",d"),
        Column("peak", "Peak then", "MB", ",.1f"),
        Column("parts", "Passes for the batch asked", help="micro-batches whose gradients are accumulated"),
    ]
    runtime = memory.steps[0].runtime
    rows = [
        {
            "measures": choice.name,
            "cost": choice.cost,
            "largest": choice.largest,
            "peak": (choice.peak + runtime) / MEGA,
            "parts": choice.parts,
        }
        for choice in memory.choices
    ]
    if memory.choices and memory.choices[0].batch is None:
        columns = columns[:-1]
        rows = [{key: value for key, value in row.items() if key != "parts"} for row in rows]
    title = f"{memory.name} within {megabytes(ceiling)}, {memory.steps[0].optimizer}"
    return Table(title, columns, rows, [verdict(memory), *_on_device(memory), *_holes(memory)], name="fit")


def search_table(memory: MemoryResult) -> Table:
    """What was tried to make the batch fit on the engine, in its order."""
    search = memory.search
    assert search is not None
    columns = [
        Column("change", "Change", align="left"),
        Column("peak", "Predicted peak", "MB", ",.1f"),
        Column("fits", "Fits", align="left"),
        Column("numbers", "The numbers", align="left"),
    ]
    rows = [
        {
            "change": each.name,
            "peak": None if each.peak is None else each.peak / MEGA,
            "fits": "yes" if each is search.chosen else "no",
            "numbers": each.numbers,
        }
        for each in search.tried
    ]
    step = memory.steps[0]
    title = f"{memory.name} on the engine within {megabytes(search.limit)}, batch {step.batch}, {step.optimizer}"
    return Table(title, columns, rows, [verdict(memory), IN_PASSES], name="fit")


def verdict(memory: MemoryResult) -> str:
    """The smallest change with which the batch asked for fits; without one, how large a batch may be."""
    search = memory.search
    if search is not None:
        chosen, batch = search.chosen, memory.steps[0].batch
        if chosen is None:
            return f"A batch of {batch} does not fit. Predicted peaks: {search.peaks}."
        return f"A batch of {batch} fits {chosen.name} ({chosen.numbers}). Predicted peaks: {search.peaks}."
    fitting = [choice for choice in memory.choices if choice.largest]
    if not fitting:
        least = min(choice.peak for choice in memory.choices) + memory.steps[0].runtime
        return f"Nothing fits: the least, with a batch of one, takes {megabytes(least)}."
    said = f"{fitting[0].largest:,} images at a time as it is" if fitting[0].cost == 1 else ""
    best = max(fitting, key=lambda choice: choice.largest)
    if best.largest > fitting[0].largest or not said:
        more = f"{best.largest:,} at most ({best.name}), in up to {best.cost:.2f} times the time"
        said = f"{said}; {more}" if said else more
    return f"{said}."


def _holes(memory: MemoryResult) -> list[str]:
    """Which regime of the heap the peaks are of."""
    if not memory.steps[0].ledger.events:
        return []
    return ["Peaks without the heap's holes: of a process with MALLOC_MMAP_THRESHOLD_=65536, as `run --fit` sets it."]


def _on_device(memory: MemoryResult) -> list[str]:
    """How long the device takes at the least for the first step's batch."""
    if memory.device is None:
        return []
    step, device = memory.steps[0], memory.device
    moved = 2 * step.ledger.written
    return [
        f"On {device.title} the {moved / MEGA:,.0f} MB that a step with a batch of {step.batch} writes and reads take "
        f"at least {moved / device.bandwidth * 1e3:,.1f} ms at {device.bandwidth / 1e9:g} GB/s; its FLOPs (six times "
        f"the MACs that `cost` counts) come at no more than {device.flops / 1e9:,.0f} GFLOP/s."
    ]


def long_table(memory: MemoryResult) -> Table:
    """A line a step, in bytes: for programs."""
    names = ["optimizer", "batch", *TITLES, "predicted", "measured", "phase", "layer", "operation"]
    rows = [
        {
            "optimizer": step.optimizer,
            "batch": step.batch,
            **step.kinds,
            "predicted": step.predicted,
            "measured": step.measured,
            "phase": step.peak.phase,
            "layer": step.peak.layer,
            "operation": step.peak.operation,
        }
        for step in memory.steps
    ]
    return Table(memory.name, [Column(name, name) for name in names], rows, name="memory")


def timeline_figure(memory: MemoryResult) -> "Figure":
    """What is alive, by kind, operation after operation."""
    from underhood.figures import lines

    step = memory.steps[0]
    moments = step.ledger.moments
    every = max(1, len(moments) // POINTS)
    at_peak = moments.index(step.peak)
    kept = sorted({*range(0, len(moments), every), at_peak, len(moments) - 1})
    rows = [
        {"operation": i, "memory": count / MEGA, "kind": kind}
        for i in kept
        for kind, count in {**moments[i].kinds, "alive": moments[i].bytes}.items()
    ]
    first = {
        phase: next((i for i, m in enumerate(moments) if m.phase == phase), None) for phase in ("backward", "update")
    }
    where = ", ".join(f"{phase} from operation {i} on" for phase, i in first.items() if i is not None)
    caption = f"Batch {step.batch}, {step.optimizer}: {where}; the peak is {peak_text(step)}."
    return lines(
        f"A training step of {memory.name}",
        rows,
        x="operation",
        y="memory",
        series="kind",
        caption=caption,
        x_title="operation",
        y_title="alive (MB)",
        name="timeline",
    )


def as_json(memory: MemoryResult) -> dict[str, Any]:
    """Everything under plain names, in bytes."""
    return {
        "network": memory.name,
        "steps": [
            {
                "optimizer": step.optimizer,
                "batch": step.batch,
                "kinds": step.kinds,
                "predicted": step.predicted,
                "least": step.least,
                "measured": step.measured,
                "mapped": step.mapped,
                "why": step.why,
                "peak": {"phase": step.peak.phase, "layer": step.peak.layer, "operation": step.peak.operation},
            }
            for step in memory.steps
        ],
        "layers": [vars(row) for row in memory.layers],
        "ceiling": memory.ceiling,
        "choices": [{**vars(choice), "parts": choice.parts} for choice in memory.choices],
        "fit": None if memory.search is None else _search_as_json(memory.search),
        "backend": memory.backend,
        "device": None if memory.device is None else memory.device.name,
        "notes": foot(memory),
    }


def _search_as_json(search: Search) -> dict[str, Any]:
    """Every candidate of the search in order, and the settings of the one that was chosen; None where none fits."""
    chosen = search.chosen
    return {
        "chosen": None if chosen is None else chosen.settings,
        "tried": [{"settings": each.settings, "peak": each.peak, "numbers": each.numbers} for each in search.tried],
    }
