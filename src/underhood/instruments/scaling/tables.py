"""How `scaling` looks: the sheet's three tables, the strong form beside the first, growth, prediction, and a chart."""

from typing import TYPE_CHECKING, Any

from underhood.instruments.scaling import words
from underhood.instruments.scaling.formulas import ring_bytes
from underhood.instruments.scaling.model import UP_TO, Model
from underhood.instruments.scaling.result import APART, DATA_PARALLEL, TOGETHER, Cell, ScalingResult
from underhood.sizes import megabytes
from underhood.tables import Column, Table

if TYPE_CHECKING:
    from underhood.figures import Figure

GIGA, MICRO, MILLI = 1e9, 1e6, 1e3


def all_tables(found: ScalingResult, model: Model | None) -> list[Table]:
    """Those that the measurements can fill."""
    several = any(count > 1 for count in found.devices)
    made = [table1(found)]
    made += [strong_table(found)] if several and any(_strong(found)) else []
    made += [table2(found), table3(found), link_table(found)] if several else []
    made += [model_table(found, model)] if model else []
    made += [growth_table(found)] if found.growth else []
    return made


def cells(found: ScalingResult, several: bool = False) -> list[Cell]:
    """Those of the batches that were asked for, by workers."""
    return [
        cell
        for group in found.workers
        if group.devices > 1 or not several
        for cell in group.cells
        if cell.batch in found.batches
    ]


WORKERS = Column("workers", "Workers", help="* more than there are processors or GPUs")
BATCH = Column("batch", "Batch per worker")


def _workers(found: ScalingResult, count: int) -> str:
    return f"{count}{'*' * found.oversubscribed(count)}"


def table1(found: ScalingResult) -> Table:
    """Time and speed-up of an epoch at equal batch each: weak scaling."""
    columns = [
        WORKERS,
        BATCH,
        Column("epoch", "Epoch", "s", ",.1f", help="all included: batches made, moved, computed, exchanged"),
        Column("alone", "without data I/O", "s", ",.1f"),
        Column("step", "Step", "ms", ",.2f"),
        Column("spread", "Quartiles", "ms", align="left"),
        Column("speed", "Images per second", format=",.0f"),
        Column("speedup", "Speed-up", format=".2f"),
        Column("efficiency", "Efficiency", format=".0%"),
    ]
    compared = any(DATA_PARALLEL in cell.ways for cell in cells(found))
    columns += [Column("data_parallel", "DataParallel's step", "ms", ",.2f")] if compared else []
    rows = []
    for cell in cells(found):
        speed = found.weak(cell.devices, cell.batch)
        row: dict[str, Any] = {
            "workers": _workers(found, cell.devices),
            "batch": cell.batch,
            "epoch": found.epoch(cell, cell.step.median),
            "alone": found.epoch(cell, cell.without_loading),
            "step": cell.step.median * MILLI,
            "spread": f"{cell.step.low * MILLI:,.2f} to {cell.step.high * MILLI:,.2f}",
            "speed": cell.batch * cell.devices / cell.step.median,
            "speedup": speed.speedup if speed else None,
            "efficiency": speed.efficiency if speed else None,
        }
        if compared and DATA_PARALLEL in cell.ways:
            row["data_parallel"] = cell.ways[DATA_PARALLEL].median * MILLI
        rows.append(row)
    foot = ["Weak scaling: the batch of each worker stays.", *words.reading(found)]
    return Table(f"{found.name}: time of an epoch and speed-up", columns, rows, foot, name="table-1")


def _strong(found: ScalingResult) -> list[Any]:
    pairs = [(count, batch) for count in found.devices for batch in found.batches if count > 1]
    return [speed for count, batch in pairs if (speed := found.strong(count, batch))]


def strong_table(found: ScalingResult) -> Table:
    """The same with the batch shared."""
    columns = [
        WORKERS,
        Column("batch", "Batch of all"),
        Column("each", "per worker"),
        Column("step", "Step", "ms", ",.2f"),
        Column("speedup", "Speed-up", format=".2f"),
        Column("efficiency", "Efficiency", format=".0%"),
        Column("weak", "Weak speed-up", format=".2f", help="with that batch on each worker"),
    ]
    rows = [
        {
            "workers": _workers(found, speed.devices),
            "batch": speed.batch,
            "each": speed.batch // speed.devices,
            "step": speed.seconds * MILLI,
            "speedup": speed.speedup,
            "efficiency": speed.efficiency,
            "weak": weak.speedup if (weak := found.weak(speed.devices, speed.batch)) else None,
        }
        for speed in _strong(found)
    ]
    foot = ["Strong scaling: the workers share the batch that one has alone."]
    return Table(f"{found.name}: the batch shared", columns, rows, foot, name="strong-scaling")


def table2(found: ScalingResult) -> Table:
    """Computation and communication of an epoch, three ways."""
    columns = [
        WORKERS,
        BATCH,
        Column("compute", "Computation", "s", ",.2f", help="an epoch of steps without synchronisation, less data I/O"),
        Column("communication", "Communication", "s", ",.2f", help="with synchronisation, less without"),
        Column("hint", "by one worker's time", "s", ",.2f", help="the sheet's hint: less one worker's step"),
        Column("own_compute", "DDP: computation", "s", ",.2f", help="forward and backward by DDP's own clocks"),
        Column("own", "DDP: communication", "s", ",.2f", help="all-reduces under way by DDP's own clocks"),
        Column("exposed", "of it waited for", "s", ",.2f", help="less what went on beside backward"),
    ]
    rows = []
    for cell in cells(found, several=True):
        one = found.cell(1, cell.batch)
        own = cell.ddp
        rows.append(
            {
                "workers": _workers(found, cell.devices),
                "batch": cell.batch,
                "compute": found.epoch(cell, cell.ways[APART].median - cell.parts[APART]["load"]),
                "communication": found.epoch(cell, cell.difference),
                "hint": found.epoch(cell, cell.without_loading - one.without_loading) if one else None,
                "own_compute": found.epoch(cell, own.forward + own.backward) if own else None,
                "own": found.epoch(cell, own.communication) if own else None,
                "exposed": found.epoch(cell, own.exposed) if own else None,
            }
        )
    foot = [
        "Communication is what a step takes longer with synchronisation than under DDP.no_sync, rounds of both taking "
        "turns; a little below 0 is noise. Where workers share processors, what waits for a neighbour counts too.",
        "The sheet's hint takes one worker's time for the computation, which holds where each has a processor of its "
        "own: then the two agree.",
        "DDP's own clocks start with the first bucket of gradients and end with the last all-reduce: what hides behind "
        "backward is in them.",
    ]
    return Table(f"{found.name}: computation and communication of an epoch", columns, rows, foot, name="table-2")


def table3(found: ScalingResult) -> Table:
    """The all-reduce of a step's gradients: by the formula, measured, and what it makes of the link."""
    columns = [
        WORKERS,
        BATCH,
        Column("size", "Gradients", "MB", ",.3f"),
        Column("formula", "Formula", "ms", ",.3f", help="2(k − 1)·α + 2(k − 1)/k · S/B on the measured ring"),
        Column("alone", "All-reduce alone", "ms", ",.3f"),
        Column("ratio", "of the formula", format=".2f"),
        Column("bus", "Bus bandwidth", "GB/s", ".3f", help="2(k − 1)/k · S/t of the all-reduce alone"),
        Column("fraction", "of the link", format=".0%", help="of what passes one way"),
        Column("in_step", "in a step", "GB/s", ".3f", help="the same with the step's communication by DDP's clocks"),
        Column("in_fraction", "of the link", format=".0%"),
    ]
    rows = []
    for cell in cells(found, several=True):
        group = found.group(cell.devices)
        if group is None or group.link is None:
            continue
        size, formula, alone = cell.gradient_bytes, group.ring(cell.gradient_bytes), group.measured(cell.gradient_bytes)
        bus = group.bus(size, alone.median) if alone else None
        inside = group.bus(size, cell.ddp.communication) if cell.ddp and cell.ddp.communication else None
        rows.append(
            {
                "workers": _workers(found, cell.devices),
                "batch": cell.batch,
                "size": size / MICRO,
                "formula": formula * MILLI if formula else None,
                "alone": alone.median * MILLI if alone else None,
                "ratio": alone.median / formula if alone and formula else None,
                "bus": bus / GIGA if bus else None,
                "fraction": bus / group.link.one_way if bus else None,
                "in_step": inside / GIGA if inside else None,
                "in_fraction": inside / group.link.one_way if inside else None,
            }
        )
    foot = [
        "In a step the all-reduce goes on beside backward and waits for gradients: its bandwidth there is of the whole "
        "time from the first bucket to the last.",
    ]
    return Table(f"{found.name}: all-reduce and bandwidth", columns, rows, foot, name="table-3")


def link_table(found: ScalingResult) -> Table:
    """The link between the workers, and all-reduces of several sizes on it."""
    columns = [
        WORKERS,
        Column("latency", "Latency", "µs", ",.1f"),
        Column("one_way", "One way", "GB/s", ".3f"),
        Column("ring", "Ring", "GB/s", ".3f", help="each worker to the next, all at once"),
        Column("size", "All-reduce of", "kB", ",.0f"),
        Column("seconds", "measured", "ms", ",.3f"),
        Column("formula", "Formula", "ms", ",.3f"),
        Column("ratio", "measured / formula", format=".2f"),
    ]
    rows = []
    for group in found.workers:
        for number, each in enumerate(group.all_reduce):
            assert group.link is not None
            formula = group.ring(each.bytes)
            row = {
                "workers": _workers(found, group.devices),
                "latency": group.link.latency * MICRO,
                "one_way": group.link.one_way / GIGA,
                "ring": group.link.ring / GIGA,
            }
            rows.append(
                (row if number == 0 else {})
                | {
                    "size": each.bytes / MILLI,
                    "seconds": each.seconds.median * MILLI,
                    "formula": formula * MILLI if formula else None,
                    "ratio": each.seconds.median / formula if formula else None,
                }
            )
    foot = ["The formula has no term for the additions, which show where the link is as quick as memory."]
    return Table(f"{found.name}: the link", columns, rows, foot, name="link")


def model_table(found: ScalingResult, model: Model) -> Table:
    """Speed-up predicted for more workers, beside what was measured."""
    columns = [
        Column("workers", "Workers"),
        BATCH,
        Column("weak", "Weak speed-up", format=",.2f", help="predicted, a processor for each"),
        Column("efficiency", "Efficiency", format=".0%"),
        Column("strong", "Strong speed-up", format=",.2f", help="predicted, the batch shared"),
        Column("here", "predicted here", format=",.2f", help="weak, with the processors that there are"),
        Column("measured", "measured here", format=",.2f"),
        Column("error", "Error", format="+.0%"),
    ]
    rows = []
    for batch in found.batches:
        for count in UP_TO:
            weak, strong = model.weak(batch, count), model.strong(batch, count)
            here, measured = model.weak(batch, count, found.crowding(count)), found.weak(count, batch)
            rows.append(
                {
                    "workers": count,
                    "batch": batch,
                    "weak": weak.speedup,
                    "efficiency": weak.efficiency,
                    "strong": strong.speedup if strong else None,
                    "here": here.speedup if measured else None,
                    "measured": measured.speedup if measured else None,
                    "error": here.speedup / measured.speedup - 1 if measured else None,
                }
            )
    link, size = model.link, model.gradient_bytes
    foot = [
        f"t(k) = c(B) + (1 − {model.hidden:.2f})·({model.messages}·2(k − 1)·{link.latency * MICRO:,.1f} µs + "
        f"2(k − 1)/k · {megabytes(size)} / {link.ring / GIGA:.3f} GB/s); of two workers each sends "
        f"{megabytes(ring_bytes(size, 2))}.",
        "Assumed: a processor or GPU for each worker, alike and as quick as here; links alike round the ring, as "
        "between two workers here; batches made in time; the fraction of communication that two workers hid, for all.",
        "Predicted here: computation takes as many times as long as workers share a processor.",
    ]
    return Table(f"{found.name}: predicted past this machine", columns, rows, foot, name="prediction")


def growth_table(found: ScalingResult) -> Table:
    """The batch grown until memory ends."""
    columns = [
        Column("batch", "Batch"),
        Column("predicted", "Predicted", "MB", ",.1f"),
        Column("fits", "Fits", align="left"),
        Column("measured", "Measured", "MB", ",.1f", help="peak of a training in a process of its own"),
        Column("outcome", "Tried", align="left"),
    ]
    rows = [
        {
            "batch": each.batch,
            "predicted": each.predicted / MICRO,
            "fits": "yes" if each.fits else "no",
            "measured": None if each.measured is None else each.measured / MICRO,
            "outcome": "trained" if each.measured else each.why or "not tried",
        }
        for each in found.growth
    ]
    foot = [
        f"Ceiling: {megabytes(found.ceiling or 0)}. Trained in processes of their own, which the system holds to it."
    ]
    return Table(f"{found.name}: one worker's batch until memory ends", columns, rows, foot, name="growth")


def speedup_figure(found: ScalingResult, model: Model | None) -> "Figure | None":
    """Curves predicted, marks measured."""
    from underhood.figures import Figure, lines

    if model is None:
        return None
    batch = found.batches[-1]
    rows: list[dict[str, Any]] = []
    for count in (1, *UP_TO):
        strong = model.strong(batch, count)
        rows.append({"workers": count, "speedup": float(count), "series": "ideal"})
        rows.append({"workers": count, "speedup": model.weak(batch, count).speedup, "series": "weak, predicted"})
        if strong:
            rows.append({"workers": count, "speedup": strong.speedup, "series": "strong, predicted"})
    measured: list[dict[str, Any]] = [
        {
            "workers": count,
            "speedup": speed.speedup,
            "measured": f"{kind}, measured{' *' * found.oversubscribed(count)}",
        }
        for kind, of in (("weak", found.weak), ("strong", found.strong))
        for count in found.devices
        if (speed := of(count, batch))
    ]
    drawn = lines(
        f"Speed-up at batch {batch}",
        rows,
        x="workers",
        y="speedup",
        series="series",
        holds=[row["speedup"] for row in measured],
        caption="Curves are predicted with a processor for each worker, marks measured here"
        f"{' (* oversubscribed)' * any(map(found.oversubscribed, found.devices))}.",
        x_title="Workers",
        y_title="Speed-up",
        log_x=True,
        log_y=True,
        name="speed-up",
    )
    marks = {
        "data": {"values": measured},
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.9},
        "encoding": {
            "x": {"field": "workers", "type": "quantitative"},
            "y": {"field": "speedup", "type": "quantitative"},
            "shape": {"field": "measured", "type": "nominal", "title": None, "legend": {"orient": "bottom"}},
        },
    }
    return Figure(drawn.title, drawn.caption, _with_marks(drawn.spec, marks), drawn.name)


def _with_marks(spec: dict[str, Any], marks: dict[str, Any]) -> dict[str, Any]:
    """The chart with a layer more, on the axes of its others."""
    from underhood.figures.theme import INK

    axes = {name: {**marks["encoding"][name], **_shared(spec["encoding"][name])} for name in ("x", "y")}
    colour = {"color": {"value": INK}}
    return {**spec, "layer": [*spec["layer"], {**marks, "encoding": {**marks["encoding"], **axes, **colour}}]}


def _shared(channel: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in channel.items() if key != "field"}


def long_table(found: ScalingResult) -> Table:
    """A line for every cell, in seconds and bytes."""
    names = (
        "devices",
        "batch",
        "step",
        "low",
        "high",
        "apart",
        "load",
        "compute",
        "ddp_communication",
        "gradient_bytes",
    )
    rows = [
        {
            "devices": cell.devices,
            "batch": cell.batch,
            "step": cell.step.median,
            "low": cell.step.low,
            "high": cell.step.high,
            "apart": cell.ways[APART].median if APART in cell.ways else None,
            "load": cell.parts[TOGETHER]["load"],
            "compute": cell.parts[TOGETHER]["compute"],
            "ddp_communication": cell.ddp.communication if cell.ddp else None,
            "gradient_bytes": cell.gradient_bytes,
        }
        for group in found.workers
        for cell in group.cells
    ]
    return Table("scaling", [Column(name, name) for name in names], rows)
