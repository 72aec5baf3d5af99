"""How `profile` looks: its tables, their feet and its charts. Times in microseconds, medians with their quartiles."""

from typing import TYPE_CHECKING, Any

from underhood.instruments.profile.result import LayerTime, ProfileResult, Run
from underhood.instruments.stopwatch import Timing
from underhood.tables import Column, Table, number

if TYPE_CHECKING:
    from underhood.figures import Figure

MICRO = 1e6
APART = 0.15  # sum and whole further apart than this want an explanation
BARS = 24
NAMES = {"torch": "torch", "underhood": "engine"}


def layer_table(profile: ProfileResult, batch: int) -> Table:
    """A row a layer; the back ends beside each other, matched by the layers' names."""
    runs = [run for run in profile.runs if run.batch == batch]
    first = runs[0]
    columns = [
        Column("layer", "Layer", align="left"),
        Column("type", "Type", align="left"),
        Column("output", "Output", align="left"),
    ]
    for run in runs:
        columns += _time_columns(run, f" {NAMES[run.backend]}" if len(runs) > 1 else "")
    columns += [
        Column("share", "Fraction", format=".1%", help="of the layers' sum, forward and backward"),
        Column("flops", "Reached", "GFLOP/s", ".3g", help="2·MACs of forward by its median"),
        Column("bytes", "Moved", "GB/s", ".3g", help="inputs, parameters and outputs of forward by its median"),
        Column("roof", "Of the roof", format=".0%", help="the least time by the roofline, divided by the median"),
    ]
    rows = [_row(profile, runs, row) for row in first.rows]
    known = {row.name for row in first.rows}
    for run in runs[1:]:
        extra = [row for row in run.leaves if row.name not in known]
        rows += [{"layer": row.name, "type": row.kind, "output": row.output, **_times(run, row)} for row in extra]
    rows += _last_rows(runs)
    used = {key for row in rows for key, value in row.items() if value is not None}
    columns = [column for column in columns if column.name in used]
    rows = [{column.name: row.get(column.name) for column in columns} for row in rows]
    return Table(f"{profile.name}, input {first.inputs}", columns, rows, foot(profile, runs), name=f"layers-{batch}")


def _time_columns(run: Run, of: str) -> list[Column]:
    key = run.backend
    return [
        Column(f"{key}_forward", f"Forward{of}", "µs", ",.1f", help="median of the calls"),
        Column(f"{key}_forward_quartiles", "quartiles", align="left", help="half of the calls lie between them"),
        Column(f"{key}_backward", f"Backward{of}", "µs", ",.1f", help="gradients of inputs and parameters"),
        Column(f"{key}_backward_quartiles", "quartiles", align="left"),
    ]


def _row(profile: ProfileResult, runs: list[Run], row: LayerTime) -> dict[str, Any]:
    cells: dict[str, Any] = {"layer": "  " * row.depth + row.label, "type": row.kind, "output": row.output}
    if row.group:
        return cells
    for run in runs:
        same = next((other for other in run.leaves if other.name == row.name), None)
        cells |= _times(run, same) if same else {}
    total = runs[0].sum
    return cells | _reached(profile, row) | {"share": row.seconds / total if total and row.forward else None}


def _times(run: Run, row: LayerTime) -> dict[str, Any]:
    return {
        f"{run.backend}_forward": micro(row.forward),
        f"{run.backend}_forward_quartiles": quartiles_text(row.forward),
        f"{run.backend}_backward": micro(row.backward),
        f"{run.backend}_backward_quartiles": quartiles_text(row.backward),
    }


def _reached(profile: ProfileResult, row: LayerTime) -> dict[str, float | None]:
    """What forward's median means in FLOP/s, in bytes/s, and of what the roofline allows."""
    if row.forward is None or not row.forward.median or not row.moved:
        return {}
    flops, seconds = 2 * (row.macs or 0), row.forward.median
    return {
        "flops": flops / seconds / 1e9 if flops else None,
        "bytes": row.moved / seconds / 1e9,
        "roof": None if profile.roofline.doubt else profile.roofline.least_seconds(flops, row.moved) / seconds,
    }


def _last_rows(runs: list[Run]) -> list[dict[str, Any]]:
    """The layers' sum, and below it the whole network."""
    total: dict[str, Any] = {"layer": "sum of the layers", "type": "", "output": ""}
    whole: dict[str, Any] = {"layer": "whole network", "type": "", "output": ""}
    for run in runs:
        key = run.backend
        total |= {f"{key}_{phase}": _sum(run, phase) for phase in ("forward", "backward")}
        whole |= {f"{key}_forward": micro(run.forward), f"{key}_forward_quartiles": quartiles_text(run.forward)}
        whole |= {f"{key}_backward": micro(run.backward), f"{key}_backward_quartiles": quartiles_text(run.backward)}
    return [total, whole]


def _sum(run: Run, phase: str) -> float | None:
    found = [timing.median for row in run.leaves if (timing := getattr(row, phase)) is not None]
    return sum(found) * MICRO if found else None


def micro(timing: Timing | None) -> float | None:
    return None if timing is None else timing.median * MICRO


def quartiles_text(timing: Timing | None) -> str | None:
    """`11.9–12.4`, marked when the time was up before the median was known."""
    if timing is None:
        return None
    return f"{timing.low * MICRO:,.1f}–{timing.high * MICRO:,.1f}" + ("" if timing.settled else " ~")


def foot(profile: ProfileResult, runs: list[Run]) -> list[str]:
    """How it was measured, what the sum says beside the whole, what the roof is."""
    how, rule, roof = profile.how, profile.rule, profile.roofline
    on = how.device + (", processor time" if how.clock == "processor" else "")
    mode = "training mode, with the graph for backward" if how.training else "evaluation mode, without a graph"
    lines = [
        f"{on}, {profile.threads} thread{'s' * (profile.threads != 1)}, {how.dtype}, {how.memory_format}; "
        f"{mode}. {rule.warmup} calls to warm up, then {rule.least} to {rule.most} in turns, until the median is "
        f"known to {rule.within:.0%}"
        + (
            f"; ~ marks those for which the {rule.seconds:g} s were up before."
            if any("~" in (quartiles_text(t) or "") for run in runs for t in _timings(run))
            else "."
        ),
    ]
    forwards = [timing for run in runs for timing in (run.forward, *(row.forward for row in run.leaves)) if timing]
    if disturbed := sum(timing.disturbed for timing in forwards):
        calls = "call that the system interrupted is" if disturbed == 1 else "calls that the system interrupted are"
        lines.append(
            f"{disturbed} {calls} left out (involuntary context switches; other threads of this process count)."
        )
    lines += [about_sum(run) for run in runs]
    lines.append(
        f"Roofline of this machine, measured in the same run: {number(roof.flops / 1e9, '.3g')} GFLOP/s in a matrix "
        f"product, {number(roof.bytes / 1e9, '.3g')} GB/s in a copy, ridge at {roof.ridge:.2g} FLOPs a byte. A layer "
        "that finds its data in the cache can pass the copy's rate."
    )
    if roof.doubt:
        lines.append(f"The roofline is unreliable, {roof.doubt}: measure again on a quieter machine.")
    lines += [f"{row.name}: {row.why}." for run in runs for row in run.leaves if row.why]
    return [*lines, *profile.notes]


def _timings(run: Run) -> list[Timing | None]:
    return [timing for row in run.leaves for timing in (row.forward, row.backward)] + [run.forward, run.backward]


def about_sum(run: Run) -> str:
    """The layers' sum as a fraction of the whole, and where the rest may be when they are far apart."""
    ratio = run.sum / run.seconds
    said = f"{NAMES[run.backend]}: the layers' sum is {ratio:.0%} of the whole network's {run.seconds * MICRO:,.0f} µs."
    if abs(ratio - 1) <= APART:
        return said
    unsure = sum(timing is not None and not timing.settled for timing in _timings(run))
    if unsure:
        said += f" {unsure} medians are not settled: measure longer, or on a quieter machine."
    elif ratio > 1:
        calls = sum((row.forward is not None) + (row.backward is not None) for row in run.leaves)
        extra = (run.sum - run.seconds) / max(1, calls) * MICRO
        said += f" Each of the {calls} calls pays its own way in and out, {extra:,.1f} µs, where the whole pays once."
    else:
        said += (
            " The rest is what no layer does: Python between the layers, sums of gradients where paths meet, and "
            "memory that is freshly taken from the system or has left the cache."
        )
    return said


def whole_table(profile: ProfileResult) -> Table:
    """Every run's layers in sum, its whole, and what that is an image."""
    columns = [
        Column("backend", "Back end", align="left"),
        Column("batch", "Batch"),
        Column("sum", "Sum of layers", "µs", ",.0f"),
        Column("whole", "Whole network", "µs", ",.0f", help="forward and backward, one after the other"),
        Column("ratio", "Sum / whole", format=".2f"),
        Column("image", "An image", "µs", ",.1f", help="the whole by the batch"),
        Column("calls", "Calls", help="of the whole network that were timed"),
    ]
    rows = [
        {
            "backend": NAMES[run.backend],
            "batch": run.batch,
            "sum": run.sum * MICRO,
            "whole": run.seconds * MICRO,
            "ratio": run.sum / run.seconds,
            "image": run.seconds / run.batch * MICRO,
            "calls": run.forward.n,
        }
        for run in profile.runs
    ]
    return Table(f"{profile.name}: layers and whole", columns, rows, name="whole")


def batch_table(profile: ProfileResult) -> Table:
    """Forward and backward of every layer against the batch."""
    runs = profile.runs
    columns = [Column("layer", "Layer", align="left"), Column("type", "Type", align="left")]
    several = len({run.backend for run in runs}) > 1
    for run in runs:
        of = f"{NAMES[run.backend]}, " if several else ""
        columns.append(Column(f"{run.backend}_{run.batch}", f"{of}batch {run.batch}", "µs", ",.1f"))
    rows = []
    for row in runs[0].leaves:
        cells: dict[str, Any] = {"layer": row.name, "type": row.kind}
        for run in runs:
            same = next((other for other in run.leaves if other.name == row.name and other.forward), None)
            cells[f"{run.backend}_{run.batch}"] = same.seconds * MICRO if same else None
        rows.append(cells)
    total = {f"{run.backend}_{run.batch}": run.seconds * MICRO for run in runs}
    rows.append({"layer": "whole network", "type": "", **total})
    return Table(f"{profile.name}: forward and backward by batch", columns, rows, name="batches")


def long_table(profile: ProfileResult) -> Table:
    """A line a layer and run, every number in seconds: for programs."""
    names = ["backend", "batch", "layer", "type", "output", "macs", "bytes_moved"]
    for phase in ("forward", "backward"):
        names += [phase, f"{phase}_q1", f"{phase}_q3", f"{phase}_calls"]
    rows = []
    for run in profile.runs:
        for row in run.leaves:
            cells: dict[str, Any] = {
                "backend": run.backend,
                "batch": run.batch,
                "layer": row.name,
                "type": row.kind,
                "output": row.output,
                "macs": row.macs,
                "bytes_moved": row.moved,
            }
            for phase in ("forward", "backward"):
                timing = getattr(row, phase)
                if timing is not None:
                    cells |= {phase: timing.median, f"{phase}_q1": timing.low, f"{phase}_q3": timing.high}
                    cells[f"{phase}_calls"] = timing.n
            rows.append(cells)
    return Table(profile.name, [Column(name, name) for name in names], rows, name="profile")


def time_figure(profile: ProfileResult) -> "Figure":
    """Forward and backward of the layers of the first batch; the shortest are left out of a long network's chart."""
    from underhood.figures import bars

    first = profile.runs[0]
    runs = [run for run in profile.runs if run.batch == first.batch]
    layers = sorted((row for row in first.leaves if row.forward), key=lambda row: -row.seconds)[:BARS]
    kept = {row.name for row in layers}
    several = len(runs) > 1
    values = [
        {
            "layer": f"{row.name} {row.kind}",
            "time": timing.median * MICRO,
            "low": timing.low * MICRO,
            "high": timing.high * MICRO,
            "phase": f"{phase}, {NAMES[run.backend]}" if several else phase,
        }
        for run in runs
        for row in run.leaves
        if row.name in kept
        for phase, timing in (("forward", row.forward), ("backward", row.backward))
        if timing is not None
    ]
    rest = len([row for row in first.leaves if row.forward]) - len(layers)
    caption = f"Medians and quartiles, input {first.inputs}, {profile.threads} thread{'s' * (profile.threads != 1)}."
    caption += f" The {rest} shortest layers are left out." if rest else ""
    return bars(
        f"Where the time of {profile.name} goes",
        values,
        x="layer",
        y="time",
        series="phase",
        band=("low", "high"),
        x_title="layer",
        y_title="time (µs)",
        y_format=",.3~s",
        caption=caption,
        name="times",
    )


def roof_figure(profile: ProfileResult) -> "Figure":
    """FLOP/s reached against FLOPs a byte, layers with products only, and what the roof allows each."""
    from underhood.figures import points

    values = []
    for row in profile.runs[0].leaves:
        if row.forward is None or not row.macs or not row.moved:
            continue
        intensity, rate = 2 * row.macs / row.moved, 2 * row.macs / row.forward.median
        roof = profile.roofline.attainable(intensity)
        values += [
            {"layer": row.name, "intensity": intensity, "rate": rate / 1e9, "is": "reached"},
            {"layer": "", "intensity": intensity, "rate": roof / 1e9, "is": "roof"},
        ]
    return points(
        f"{profile.name} under the roofline",
        values,
        x="intensity",
        y="rate",
        series="is",
        label="layer",
        log_x=True,
        log_y=True,
        x_title="FLOPs a byte moved",
        y_title="GFLOP/s",
        name="roofline",
        caption="Forward. Above a layer, what a copy's bytes/s or a matrix product's FLOP/s would allow it.",
    )


def as_json(profile: ProfileResult) -> dict[str, Any]:
    """Everything under plain names, in seconds, bytes and FLOPs."""
    how = profile.how
    return {
        "network": profile.name,
        "device": how.device,
        "threads": profile.threads,
        "dtype": how.dtype,
        "memory_format": how.memory_format,
        "training": how.training,
        "clock": how.clock,
        "rule": vars(profile.rule),
        "roofline": {
            "flops": profile.roofline.flops,
            "bytes": profile.roofline.bytes,
            "doubt": profile.roofline.doubt,
        },
        "runs": [
            {
                "backend": run.backend,
                "batch": run.batch,
                "input": run.inputs,
                "sum": run.sum,
                "forward": _timing_json(run.forward),
                "backward": _timing_json(run.backward),
                "layers": [_layer_json(row) for row in run.rows],
            }
            for run in profile.runs
        ],
        "notes": list(profile.notes),
    }


def _layer_json(row: LayerTime) -> dict[str, Any]:
    return {
        "name": row.name,
        "type": row.kind,
        "depth": row.depth,
        "group": row.group,
        "output": row.output,
        "macs": row.macs,
        "bytes_moved": row.moved,
        "forward": _timing_json(row.forward),
        "backward": _timing_json(row.backward),
    }


def _timing_json(timing: Timing | None) -> dict[str, Any] | None:
    if timing is None:
        return None
    return {
        "median": timing.median,
        "q1": timing.low,
        "q3": timing.high,
        "calls": timing.n,
        "settled": timing.settled,
        "disturbed": timing.disturbed,
    }
