"""Shape and time of every layer of a small convolutional network, on the CPU and on a GPU where there is one.

The sheet's Listing 1 stands in `listing1.py` as a student would paste it; any other torch.nn.Module can take its
place (`--set network=net.py:Network --set input=[3,32,32]`). What the sheet warns of is heeded: calls to warm up,
many repetitions, synchronisation on a GPU, a median with its quartiles, and the number of threads as a thing to vary.

Source: "Homework 1" of a course on on-edge training, question 1.
"""

from collections.abc import Iterator
from statistics import median
from typing import Annotated, Any

from pydantic import Field

from underhood.cores import usable_cores
from underhood.figures import Figure, bars
from underhood.lab import Results, Scale, Study, Summary
from underhood.report.document import Block, Document, Equation, Section
from underhood.settings import Settings
from underhood.studies.counting.costs import network_or
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Note, Result

WHOLE = "whole network"
LISTING = "underhood.studies.listing1:Network"
# The rows that the sheet fills in, at N = 32: layer, CPU and GPU time in microseconds.
SHEET = {"layers.0": (1387, 738), "layers.1": (3144, 267)}

RULES = [
    Equation(
        r"H' = \left\lfloor \frac{H + 2p - d\,(K-1) - 1}{s} \right\rfloor + 1",
        "Conv2d and MaxPool2d, height and width alike: $K$ the kernel, $s$ the stride (1 for the convolution, $K$ for "
        "the pool unless told otherwise), $p$ the padding (0), $d$ the dilation (1). A convolution has as many "
        "channels as filters; a pool keeps its input's.",
    ),
    Equation(r"(N, C, H, W) \to (N,\; C \cdot H \cdot W)", "Flatten: all but the batch in one row."),
    Equation(r"(N, F) \to (N, F')", "Linear: the last size becomes the number of its outputs. ReLU changes no shape."),
]


class ProfileSettings(Settings):
    """What is timed, and how long."""

    network: Annotated[str, network_or()] = Field(
        LISTING, description="FILE.py:Class, package.module:Class, or a network of ours"
    )
    input: list[int] = Field([1, 28, 28], description="one image's shape", min_length=1)
    batch: int = Field(32, ge=1, description="images at a time, N")
    thread_counts: list[int] = Field([1, 2, 4], description="how many threads, one after the other", min_length=1)
    warmup: int = Field(5, ge=1, description="calls that do not count")
    repeats: int = Field(300, ge=10, description="calls of a layer, at most")
    seconds: float = Field(5.0, gt=0, description="for each number of threads, at most")


def measure(settings: ProfileSettings, seed: int, context: Context) -> Iterator[Event]:
    """Shapes by `cost`, times by `profile` for every number of threads that the machine has cores for."""
    from underhood.instruments.cost import cost
    from underhood.instruments.inputs import as_inputs
    from underhood.instruments.profile import profile
    from underhood.instruments.pytorch import load_torch
    from underhood.instruments.stopwatch import Rule

    torch = load_torch("layer-profile")
    inputs = as_inputs((settings.batch, *settings.input))
    rule = Rule(warmup=settings.warmup, most=settings.repeats, seconds=settings.seconds)
    rows = [row for row in cost(settings.network, inputs, training=True).rows if not row.group]
    shapes = [
        {
            "layer": row.name,
            "type": row.kind,
            "output": [list(shape) for shape in row.outputs],
            "rule": row.texts.get("output", ""),
        }
        for row in rows
    ]
    counts = [count for count in settings.thread_counts if count <= usable_cores()] or [1]
    if left_out := [count for count in settings.thread_counts if count not in counts]:
        yield Note(f"Not measured: {left_out} threads, since this machine has {usable_cores()} cores.")
    times: dict[str, Any] = {}
    for count in counts:
        times[str(count)] = _plain(profile(settings.network, inputs, threads=count, rule=rule))
        yield Note(f"{_threads(count)}: the whole network takes {times[str(count)]['forward'][0]:.0f} µs forward.")
        if context.stopping():
            return
    gpu, reason = None, f"PyTorch {torch.__version__} sees no GPU here"
    if torch.cuda.is_available():
        gpu, reason = _plain(profile(settings.network, inputs, device="cuda", rule=rule)), ""
    yield Result({"shapes": shapes, "cpu": times, "gpu": gpu, "gpu_reason": reason})


def _plain(found: Any) -> dict[str, Any]:
    """One profile as numbers in microseconds: median, quartiles, calls, and 1 where the median is settled, else 0."""
    from underhood.instruments.profile.tables import about_sum

    run = found.runs[0]

    def numbers(timing: Any) -> list[float] | None:
        return (
            None
            if timing is None
            else [1e6 * timing.median, 1e6 * timing.low, 1e6 * timing.high, timing.n, int(timing.settled)]
        )

    return {
        "layers": {
            row.name: {"forward": numbers(row.forward), "backward": numbers(row.backward)} for row in run.leaves
        },
        "forward": numbers(run.forward),
        "backward": numbers(run.backward),
        "about": about_sum(run),
    }


def report(results: Results) -> Document:
    """The sheet's table filled in, the rules with their numbers, what threads do."""
    trials = results.groups[0].counted
    settings, found = trials[0].settings, [trial.result for trial in trials]
    counts = list(found[0]["cpu"])
    blocks: list[Block] = [_table(settings, found), _reading(settings, found)]
    wholes = {count: _over_seeds(found, count) for count in counts}
    return Document(
        ENTRY.title,
        ENTRY.question,
        _answer(settings, found),
        [
            Section("The table", blocks),
            Section("The rule behind each shape", [*RULES, _rule_table(found)]),
            Section("Threads", [_threads_words(found), _threads_table(found), _threads_figure(found)]),
            Section("How it was measured", [_how(settings, counts)]),
        ],
        {f"forward, {_threads(count)} (µs)": whole for count, whole in wholes.items()},
    )


def _threads(count: int | str) -> str:
    return f"{count} thread{'s' * (str(count) != '1')}"


def _over_seeds(found: list[dict[str, Any]], count: str) -> float | Summary:
    """The whole network's median; of several seeds their mean with its interval."""
    medians = [one["cpu"][count]["forward"][0] for one in found]
    return medians[0] if len(medians) == 1 else Summary.of(medians)


def _unsettled(found: list[dict[str, Any]]) -> list[str]:
    """What was not known to 2 % when the time was up: layers and the whole, by their number of threads."""
    return [
        f"{name if name == WHOLE else 'layer ' + name.removeprefix('layers.')} with {_threads(count)}"
        for count in found[0]["cpu"]
        for name in [*(one["layer"] for one in found[0]["shapes"]), WHOLE]
        if (numbers := _numbers(found, count, name)) and not numbers[4]
    ]


def _time(found: list[dict[str, Any]], count: str, layer: str, phase: str) -> list[float] | None:
    """Median, quartiles and calls, each the median over the seeds."""
    several = [one["cpu"][count]["layers"].get(layer, {}).get(phase) for one in found]
    return _middle(several)


def _numbers(found: list[dict[str, Any]], count: str, name: str) -> list[float] | None:
    """The forward times of a layer, or of the whole network."""
    return _whole(found, count) if name == WHOLE else _time(found, count, name, "forward")


def _middle(several: list[list[float] | None]) -> list[float] | None:
    """Medians over the seeds; settled where it was in every one (runs kept from before do not say: then it is)."""
    known = [[*numbers, 1][:5] for numbers in several if numbers is not None]
    if not known:
        return None
    *times, settled = zip(*known, strict=True)
    return [*map(median, times), min(settled)]


def _whole(found: list[dict[str, Any]], count: str, phase: str = "forward") -> list[float] | None:
    return _middle([one["cpu"][count][phase] for one in found])


def _table(settings: dict[str, Any], found: list[dict[str, Any]]) -> Table:
    """The sheet's Table 1, its own rows beside ours."""
    first = next(iter(found[0]["cpu"]))
    is_listing = settings["network"] == LISTING and settings["batch"] == 32
    columns = [
        Column("layer", "Layer", align="left"),
        Column("type", "Type", align="left"),
        Column("shape", f"Output shape (N = {settings['batch']})", align="left"),
        Column("cpu", "CPU time", "µs", ",.1f", help=f"forward, median, {_threads(first)}"),
        Column("spread", "Quartiles", "µs", align="left", help="half of the calls took a time between them"),
        Column("calls", "Calls", format=",.0f"),
        Column("backward", "CPU backward", "µs", ",.1f"),
        Column("gpu", "GPU time", "µs", ",.1f"),
    ]
    if is_listing:
        columns += [Column("sheet_cpu", "Sheet, CPU", "µs"), Column("sheet_gpu", "Sheet, GPU", "µs")]
    shape = "×".join(map(str, settings["input"]))
    rows: list[dict[str, Any]] = [{"layer": "input", "type": "/", "shape": f"[N, {shape.replace('×', ', ')}]"}]
    for one in found[0]["shapes"]:
        forward, backward = (_time(found, first, one["layer"], phase) for phase in ("forward", "backward"))
        row = {"layer": one["layer"].removeprefix("layers."), "type": one["type"], "shape": _shape(one, settings)}
        if forward:
            row |= {"cpu": forward[0], "spread": _quartiles(forward), "calls": forward[3]}
        row |= {"backward": backward[0] if backward else None, "gpu": _gpu(found, one["layer"])}
        if is_listing and one["layer"] in SHEET:
            row |= dict(zip(("sheet_cpu", "sheet_gpu"), SHEET[one["layer"]], strict=True))
        rows.append(row)
    whole, back = _whole(found, first), _whole(found, first, "backward")
    last: dict[str, Any] = {"layer": WHOLE, "type": "", "shape": "", "backward": back[0] if back else None}
    if whole:
        last |= {"cpu": whole[0], "spread": _quartiles(whole), "calls": whole[3]}
    rows.append(last)
    return Table("Table 1: shape and time", columns, rows, _table_foot(found, first), name="layers")


def _table_foot(found: list[dict[str, Any]], first: str) -> list[str]:
    lines = [f"Forward and backward, {found[0]['cpu'][first]['about']}"]
    if len(found) > 1:
        lines.append(f"Each the median over {len(found)} seeds, that is repetitions of the whole measurement.")
    if _unsettled(found):
        lines.append("~: the time was up before the median was known to 2 %.")
    if found[0]["gpu"] is None:
        lines.append(f"No GPU time: {found[0]['gpu_reason']}.")
    return lines


def _quartiles(numbers: list[float]) -> str:
    return f"{numbers[1]:,.1f}–{numbers[2]:,.1f}" + ("" if numbers[4] else " ~")


def _shape(one: dict[str, Any], settings: dict[str, Any]) -> str:
    """The output's shape with N for the batch, as the sheet writes it."""
    texts = []
    for shape in one["output"]:
        first = "N" if shape and shape[0] == settings["batch"] else str(shape[0]) if shape else ""
        texts.append(f"[{', '.join([first, *map(str, shape[1:])])}]")
    return " ".join(texts)


def _gpu(found: list[dict[str, Any]], layer: str) -> float | None:
    numbers = _middle([one["gpu"]["layers"].get(layer, {}).get("forward") for one in found if one["gpu"]])
    return numbers[0] if numbers else None


def _rule_table(found: list[dict[str, Any]]) -> Table:
    columns = [
        Column("layer", "Layer", align="left"),
        Column("type", "Type", align="left"),
        Column("rule", "With its numbers", align="left", help="height and width where one sum is given"),
        Column("shape", "Output", align="left"),
    ]
    rows = [
        {
            "layer": one["layer"].removeprefix("layers."),
            "type": one["type"],
            "rule": one["rule"] or None,
            "shape": " ".join(str(tuple(shape)) for shape in one["output"]),
        }
        for one in found[0]["shapes"]
    ]
    return Table("The shapes worked out", columns, rows, name="shapes")


def _slowest(found: list[dict[str, Any]], count: str) -> tuple[str, str, float, float]:
    """Layer and type of the largest forward time, the time, and its fraction of the layers' sum."""
    times = [
        (numbers[0], one) for one in found[0]["shapes"] if (numbers := _time(found, count, one["layer"], "forward"))
    ]
    most, one = max(times, key=lambda pair: pair[0])
    return one["layer"].removeprefix("layers."), one["type"], most, most / sum(time for time, _ in times)


def _answer(settings: dict[str, Any], found: list[dict[str, Any]]) -> str:
    first = next(iter(found[0]["cpu"]))
    layer, kind, most, fraction = _slowest(found, first)
    shapes = dict.fromkeys(
        [f"[N, {', '.join(map(str, settings['input']))}]", *(_shape(s, settings) for s in found[0]["shapes"])]
    )
    said = ""
    if open_ := _unsettled(found):
        said = (
            f"**Not settled:** {len(open_)} of the forward medians were not known to 2 % when the time was up ("
            f"{', '.join(open_[:4])}{', …' if len(open_) > 4 else ''}). Measure longer (`--set seconds=60`) or on a "
            "quieter machine before relying on them.\n\n"
        )
    said += f"The shapes go {' → '.join(shapes)}. "
    said += f"On one batch the network takes **{_whole_text(found, first)}** forward with {_threads(first)}"
    said += f"; layer {layer} ({kind}) takes the most, {most:,.0f} µs, {fraction:.0%} of the layers' sum. "
    said += _threads_words(found)
    if found[0]["gpu"] is None:
        said += f" There is no GPU column: {found[0]['gpu_reason']}."
    return said


def _whole_text(found: list[dict[str, Any]], count: str) -> str:
    """The whole network's time with its spread: quartiles of the calls, or over several seeds the interval."""
    whole = _over_seeds(found, count)
    if isinstance(whole, Summary) and whole.low is not None and whole.high is not None:
        return f"{whole.mean:,.0f} ± {(whole.high - whole.low) / 2:,.0f} µs"
    numbers = _whole(found, count)
    assert numbers is not None
    return f"{numbers[0]:,.0f} µs (quartiles {numbers[1]:,.0f}–{numbers[2]:,.0f})"


def _reading(settings: dict[str, Any], found: list[dict[str, Any]]) -> str:
    """What the sheet's two rows say beside ours."""
    first = next(iter(found[0]["cpu"]))
    ours = {layer: _time(found, first, layer, "forward") for layer in SHEET}
    conv, relu = ours.values()
    if settings["network"] != LISTING or not conv or not relu:
        return "Times are forward, with the graph for backward written along, as in training."
    return (
        "The sheet's rows come from a machine that it does not name, so only their proportion can be compared. There "
        f"the ReLU takes {3144 / 1387:.1f} times as long as the convolution before it, here {relu[0] / conv[0]:.2f} "
        "times. The convolution multiplies and adds 25 times for each number that it writes, the ReLU looks at each "
        "once: a ReLU that takes longer tells of a first call, or of threads waited for, not of the layer's work."
    )


def _threads_words(found: list[dict[str, Any]]) -> str:
    wholes = {count: numbers[0] for count in found[0]["cpu"] if (numbers := _whole(found, count))}
    first, *others = wholes
    if not others:
        return f"Only {_threads(first)} {'was' if first == '1' else 'were'} measured."
    if _unsettled(found):
        medians = ", ".join(f"{_threads(count)} {_whole_text(found, count)}" for count in wholes)
        return f"Forward: {medians}. What threads do is not concluded, for medians among these are not settled."
    medians = ", ".join(
        f"{_threads(count)} {_whole_text(found, count)} ({wholes[first] / wholes[count]:.2f} times as fast)"
        for count in others
    )
    said = f"Forward: {_threads(first)} {_whole_text(found, first)}, {medians}. "
    quicker = [
        one
        for one in found[0]["shapes"]
        if (a := _time(found, first, one["layer"], "forward"))
        and (b := _time(found, others[-1], one["layer"], "forward"))
        and b[2] < a[1]
    ]
    return said + (
        f"With {_threads(others[-1])} {len(quicker)} of {len(found[0]['shapes'])} layers are quicker beyond their "
        "quartiles than with " + _threads(first) + "."
    )


def _threads_table(found: list[dict[str, Any]]) -> Table:
    counts = list(found[0]["cpu"])
    columns = [Column("layer", "Layer", align="left"), Column("type", "Type", align="left")]
    for count in counts:
        columns.append(Column(f"t{count}", _threads(count), "µs", ",.1f"))
        columns.append(Column(f"q{count}", f"Quartiles, {_threads(count)}", align="left"))
    rows = [
        {"layer": one["layer"].removeprefix("layers."), "type": one["type"], **_cells(found, counts, one["layer"])}
        for one in found[0]["shapes"]
    ]
    rows.append({"layer": WHOLE, "type": "", **_cells(found, counts, None)})
    return Table("Forward time by the number of threads", columns, rows, name="threads")


def _cells(found: list[dict[str, Any]], counts: list[str], layer: str | None) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for count in counts:
        numbers = _whole(found, count) if layer is None else _time(found, count, layer, "forward")
        if numbers:
            cells |= {f"t{count}": numbers[0], f"q{count}": _quartiles(numbers)}
    return cells


def _threads_figure(found: list[dict[str, Any]]) -> Figure:
    rows = [
        {
            "layer": f"{one['layer'].removeprefix('layers.')} {one['type']}",
            "time": numbers[0],
            "low": numbers[1],
            "high": numbers[2],
            "threads": _threads(count),
        }
        for one in found[0]["shapes"]
        for count in found[0]["cpu"]
        if (numbers := _time(found, count, one["layer"], "forward"))
    ]
    return bars(
        "Forward time of every layer",
        rows,
        x="layer",
        y="time",
        series="threads",
        band=("low", "high"),
        x_title="layer",
        y_title="forward (µs)",
        caption="Medians and quartiles of the calls.",
        name="times",
    )


def _how(settings: dict[str, Any], counts: list[str]) -> str:
    return (
        "One pass of a copy of the network records each layer's input; then every layer is called alone on it, in "
        f"turns with the others and with the whole network: {settings['warmup']} calls to warm up, then up to "
        f"{settings['repeats']}, until the median is known to 2 % or {settings['seconds']:g} s are over. Calls "
        "that the system interrupted are left out while enough others remain. No clock hangs in a hook, which "
        "would time the hook too. On a GPU, events in its queue give the times, after a wait for all that went before. "
        f"Threads: {', '.join(counts)}. A layer that works in place is given a fresh copy, untimed, every time."
    )


ENTRY = Study(
    name="layer-profile",
    title="Shape and time of every layer",
    question="What shape has each layer's output, how long does each layer take, and what do threads change?",
    theme="Measuring",
    source="on-edge training, homework 1, question 1",
    settings=ProfileSettings,
    trial=measure,
    compares=(),
    scales={
        "smoke": Scale(
            "1 thread, half a second", seeds=1, set={"seconds": 0.5, "thread_counts": [1], "repeats": 20}, time="10 s"
        ),
        "quick": Scale("1, 2 and 4 threads, 5 s each", seeds=1, time="30 s"),
        "full": Scale("1, 2 and 4 threads, 20 s each, 5 times over", seeds=5, set={"seconds": 20.0}, time="5 min"),
    },
    report=report,
)
