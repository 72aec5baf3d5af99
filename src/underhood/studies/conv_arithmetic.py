r"""A convolution's sizes and sums by hand: padding, stride, pooling, with every number shown.

    out = ⌊(in + 2p − K)/s⌋ + 1                      for rows and for columns
    F′[y,x] = Σᵢ Σⱼ F[s·y + i − p, s·x + j − p] · f[i,j]          F is 0 outside the map

The sheet's map and filters are a picture that its text lacks, so the defaults are a worked example (assumed). Maps
and filters are given as rows, `--set 'feature_map=[[1,2],[3,4]]'`, or as a file of numbers, `--set filter1=f.csv`.
Convolution is cross-correlation here, as in every deep-learning library; `flip` turns the filters round first.

Source: exercise 4 of "24-789 Deep Learning for Engineers", Carnegie Mellon University, 2021; Dumoulin & Visin 2016.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from underhood.engine.forms import form
from underhood.errors import BadInput
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.settings import SettingError, Settings
from underhood.studies.by_hand.small_maps import average_pool, mapped, out_size, same_padding, same_strides, written
from underhood.studies.by_hand.worked import check, checks_table, matrices, matrix, number
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Result

Matrix = list[list[float]]
LARGEST = 32  # rows or columns of a map that one can still follow
MAPS = ("feature_map", "filter1", "filter2")


class ConvArithmeticSettings(Settings):
    """A map F, the filter of questions a and b, the padding of question b, the pool of questions c and d."""

    feature_map: Matrix = Field(
        [[1, 2, 0, 1], [0, 1, 3, 2], [2, 0, 1, 1], [1, 3, 2, 0]], description="F, as rows or a file of numbers"
    )
    filter1: Matrix = Field([[1, 0, -1], [2, 0, -2], [1, 0, -1]], description="Filter1, as rows or a file")
    filter2: Matrix = Field([[1, -1], [0, 2]], description="Filter2, as rows or a file")
    padding: int = Field(1, ge=0, le=LARGEST, description="the padding that question b gives Filter2")
    pool: int = Field(2, ge=1, description="the size of the average pool")
    pool_stride: int = Field(2, ge=1, description="its stride")
    flip: bool = Field(False, description="turn the filters round first, as convolution does in signal processing")

    @field_validator(*MAPS, mode="before")
    @classmethod
    def _from_a_file(cls, given: Any) -> Any:
        return read_matrix(Path(given)) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in MAPS:
            widths = {len(row) for row in getattr(self, name)}
            if len(widths) != 1 or not 1 <= max(widths) <= LARGEST or len(getattr(self, name)) > LARGEST:
                raise SettingError(name, f"wants 1 to {LARGEST} rows of one length, as [[1, 2], [3, 4]]")
            if not np.isfinite(getattr(self, name)).all():
                raise SettingError(name, "has a number in it that isn't finite")
        least = min(len(self.feature_map), len(self.feature_map[0]))
        if self.pool > least:
            raise SettingError(
                "pool", f"a {self.pool}×{self.pool} pool doesn't fit on a map of {_size(self.feature_map)}"
            )
        return self


def read_matrix(path: Path) -> Matrix:
    """Rows of numbers from a `.npy` file, or from a text with commas, semicolons or blanks between them."""
    try:
        if path.suffix == ".npy":
            return np.atleast_2d(np.load(path, allow_pickle=False)).astype(float).tolist()
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return [
            [float(word) for word in line.replace(",", " ").replace(";", " ").split()] for line in lines if line.strip()
        ]
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read: {error.strerror}; write rows as [[1, 2], [3, 4]], or name a file"
        ) from None
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None


# -- the trial --


def trial(settings: ConvArithmeticSettings, seed: int, context: Context) -> Iterator[Event]:
    """The four questions, solved and computed."""
    turn = (slice(None, None, -1),) * 2 if settings.flip else (slice(None),) * 2
    a = np.array(settings.feature_map, np.float64)
    f1, f2 = (np.array(np.array(each, np.float64)[turn]) for each in (settings.filter1, settings.filter2))
    with form("vector"):
        pads = (*same_padding(f1.shape[0]), *same_padding(f1.shape[1]))
        first = {"pads": pads, **mapped(a, f1, 1, pads)}
        strides = same_strides(a.shape, f2.shape, settings.padding)
        second: dict[str, Any] = {"strides": strides, "filter": f2.tolist()}
        keeping = next((row["stride"] for row in strides if row["same"]), None)
        if keeping:
            second |= {"stride": keeping, **mapped(a, f2, keeping, (settings.padding,) * 4)}
        pooled = average_pool(np.array(first["map"]), settings.pool, settings.pool_stride)
    yield Result({"first": {"filter": f1.tolist(), **first}, "second": second, "pooled": pooled})


# -- the report --

TITLE = "Convolution arithmetic"
QUESTION = "Which padding and stride keep a map's size, what is the map, and how is average pooling a convolution?"
SIZE = Equation(
    r"\mathrm{out} = \left\lfloor \frac{\mathrm{in} + 2p - K}{s} \right\rfloor + 1",
    "The filter's first position is at the start of the padded map; it moves on by $s$ as long as all $K$ of its cells "
    "lie on the map. Rows and columns each have their own such sum.",
)


def report(results: Results) -> Document:
    """The sheet's four questions, a to d."""
    settings, found = results.groups[0].settings, results.groups[0].counted[0].result
    sections = [
        Section("How large the result is", [_given(settings), SIZE]),
        Section("a) Filter1, size kept at stride 1", list(_first(settings, found["first"]))),
        Section(f"b) Filter2 with padding {settings['padding']}", list(_second(settings, found["second"]))),
        Section("c) Average pooling", list(_pooled(settings, found))),
        Section("d) The same as a convolution", list(_as_convolution(settings, found["pooled"]))),
        Section("Checks", [checks_table(list(_checks(found)))]),
    ]
    headline = {
        "padding that keeps the size": _pads(found["first"]["pads"]),
        "Filter2: stride that keeps it": str(found["second"].get("stride", "none")),
    }
    return Document(TITLE, QUESTION, _answer(settings, found), sections, headline)


def _given(settings: dict[str, Any]) -> str:
    """Whose numbers these are, and how to put in others."""
    own = [name for name in MAPS if settings[name] != getattr(ConvArithmeticSettings(), name)]
    whose = f"`{'`, `'.join(own)}` as given" if own else "a worked example (assumed)"
    return (
        "The exercise's feature map and filters are its Fig. 5, a picture that its text lacks. The numbers here are "
        f"{whose}{'; the others are a worked example (assumed)' if 0 < len(own) < len(MAPS) else ''}. Put in your own, "
        "as rows or as a file of numbers: `--set 'feature_map=[[1,2],[3,4]]'`, `--set filter1=filter.csv`, `--set "
        "'filter2=[[1,-1],[0,2]]'`; `padding`, `pool` and `pool_stride` change the questions."
    )


def _first(settings: dict[str, Any], first: dict[str, Any]) -> Iterator[Any]:
    kernel = _shape(settings["filter1"])
    yield (
        "With stride 1 the size changes by $2p - K + 1$. It stays when $2p = K - 1$: the padding on both sides "
        "together makes up for what the filter's width takes away."
    )
    yield Equation(_same_equation(kernel))
    if not _symmetric(first["pads"]):
        yield (
            f"Filter1 is {_size(settings['filter1'])}: **no equal padding on both sides keeps the size**, because "
            "$K - 1$ is odd where $K$ is even and halves to no whole number. What works is one row or column more "
            f"after the map than before it: {_pads(first['pads'])} (rows before, after; columns before, after), as "
            'PyTorch\'s `padding="same"` does it. The map below is computed so.'
        )
    padded = _padded(settings["feature_map"], first["pads"])
    yield matrices(
        "The map, Filter1 and the new map",
        [("F with its padding", padded), ("Filter1", first["filter"]), ("F′", first["map"])],
        caption="Faint: padding. The filter lies on every square of its size in turn; products are summed.",
        name="filter1",
        frames=_frames(first["pads"]),
    )
    if settings["flip"]:
        yield "The filter is shown as it is applied: turned round by `flip`."
    yield Equation(f"F' = {matrix(first['map'])}")
    yield _sums("Every sum of F′", first["sums"], "sums-filter1")


def _second(settings: dict[str, Any], second: dict[str, Any]) -> Iterator[Any]:
    shape, kernel, p = _shape(settings["feature_map"]), _shape(settings["filter2"]), settings["padding"]
    yield Equation(
        r", \qquad ".join(
            rf"\left\lfloor \frac{{{n} + 2\cdot {p} - {k}}}{{s}} \right\rfloor + 1 = {n}"
            for n, k in dict.fromkeys(zip(shape, kernel, strict=True))
        ),
        "Asked for a whole stride $s \\ge 1$. A larger stride never gives a larger map, so trying them in order finds "
        "all there are.",
    )
    columns = [
        Column("stride", "Stride"),
        Column("rows", "Rows"),
        Column("columns", "Columns"),
        Column("same", f"{_size(settings['feature_map'])} again", align="left"),
    ]
    yield Table(f"Filter2, {_size(settings['filter2'])}, padding {p}", columns, second["strides"], name="strides")
    if "map" not in second:
        yield f"**No stride keeps the size.** {_why_not(shape, kernel, p)}"
        yield matrices(
            "The map with its padding, and Filter2",
            [("F with its padding", _padded(settings["feature_map"], (p,) * 4)), ("Filter2", second["filter"])],
            name="filter2",
            frames=[p, 0],
        )
        return
    yield f"**Stride {second['stride']} keeps the size.** The new map:"
    yield matrices(
        "The map, Filter2 and the new map",
        [
            ("F with its padding", _padded(settings["feature_map"], (p,) * 4)),
            ("Filter2", second["filter"]),
            ("New map", second["map"]),
        ],
        name="filter2",
        frames=[p, 0, 0],
    )
    yield _sums("Every sum of the new map", second["sums"], "sums-filter2")


def _why_not(shape: tuple[int, int], kernel: tuple[int, int], p: int) -> str:
    """The reason in words, along the first axis that fails."""
    for n, k in zip(shape, kernel, strict=True):
        at_one = out_size(n, k, p, 1)
        if at_one == n:
            continue
        if at_one < n:
            return (
                f"Even at stride 1 the filter finds only {n} + {2 * p} − {k} + 1 = {at_one} positions along {n}: the "
                f"padding is too small for it, and larger strides leave fewer. It would take padding "
                f"{(k - 1) / 2:g} on each side" + (", which is no whole number." if k % 2 == 0 else ".")
            )
        after = [(s, out_size(n, k, p, s)) for s in range(2, n + 2 * p + 1)]
        small, found = next((pair for pair in after if pair[1] <= n), after[-1])
        if found == n:
            continue
        odd = f"2p = K − 1 is needed there, and K − 1 = {k - 1} is odd"
        fitting = f"with padding {(k - 1) // 2} it would stay"
        return (
            f"At stride 1 there are {n} + {2 * p} − {k} + 1 = {at_one} positions, more than {n} "
            f"({odd if k % 2 == 0 else fitting}); at stride {small} only {found}. A stride that gives {n} would lie "
            f"above {n + 2 * p - k}/{n} and not above {n + 2 * p - k}/{n - 1}: no whole number does."
        )
    return "Rows and columns would each need a stride of their own."


def _pooled(settings: dict[str, Any], found: dict[str, Any]) -> Iterator[Any]:
    pooled, size, stride = found["pooled"], settings["pool"], settings["pool_stride"]
    yield (
        f"A window of {size}×{size} moves over F′ by {stride}; each result is the mean of the {size * size} numbers "
        "under it."
    )
    if any(pooled["unused"]):
        rows, columns = pooled["unused"]
        yield f"{rows} of the rows and {columns} of the columns of F′ at its far edges lie under no window."
    yield matrices("F′ and its average pool", [("F′", found["first"]["map"]), ("Pooled", pooled["map"])], name="pool")
    rows = []
    a = np.array(found["first"]["map"])
    for y, line in enumerate(pooled["map"]):
        for x, value in enumerate(line):
            window = a[stride * y : stride * y + size, stride * x : stride * x + size]
            total = " + ".join(written(v, True) for v in window.flat)
            rows.append({"row": y, "column": x, "sum": f"({total})/{size * size}", "value": value})
    yield _sums("Every mean", rows, "sums-pool")


def _as_convolution(settings: dict[str, Any], pooled: dict[str, Any]) -> Iterator[Any]:
    size, stride = settings["pool"], settings["pool_stride"]
    yield Equation(
        rf"\frac{{1}}{{{size * size}}}\sum_{{i,j}} F'[{stride}y + i,\; {stride}x + j] = "
        rf"\sum_{{i,j}} F'[{stride}y + i,\; {stride}x + j]\cdot \frac{{1}}{{{size * size}}}",
        "A mean is a sum whose terms all have the same weight, and a sum with weights over a moving window is a "
        "convolution.",
    )
    yield (
        f"So the filter is {size}×{size} with **{written(1 / size**2)}** everywhere, the stride is the pool's, "
        f"**{stride}**, and the padding is **0**. A map of several channels takes one such filter for each channel, "
        "which sees that channel alone (`groups` = channels)."
    )
    yield matrices(
        "The filter, and what it makes of F′",
        [("Filter", pooled["filter"]), ("Convolved", pooled["convolved"])],
        caption=f"The largest difference from the pool is {pooled['apart']:.1g}.",
        name="pool-as-convolution",
    )


def _checks(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    maps = {"F′ of Filter1": found["first"]} | (
        {"the map of Filter2": found["second"]} if "map" in found["second"] else {}
    )
    for name, each in maps.items():
        if "map" not in each:
            continue
        yield check(name, "PyTorch", each["torch"])
        yield check(name, "SciPy's correlate2d", each["scipy"])
        written = max(abs(sum_["value"] - np.array(each["map"])[sum_["row"], sum_["column"]]) for sum_ in each["sums"])
        yield check(name, "the sums as written", float(written))
    yield check("average pool", "PyTorch", found["pooled"]["torch"])
    yield check("average pool", "the convolution of d)", found["pooled"]["apart"])


def _answer(settings: dict[str, Any], found: dict[str, Any]) -> str:
    first, second, pooled = found["first"], found["second"], found["pooled"]
    if not _symmetric(first["pads"]):
        a = f"no equal padding keeps the size; unequal, {_pads(first['pads'])}, does"
    elif first["pads"][0] == first["pads"][2]:
        a = f"padding **{first['pads'][0]}**"
    else:
        a = f"padding **{first['pads'][0]}** for rows and **{first['pads'][2]}** for columns"
    b = (
        f"yes, with stride **{second['stride']}**: {_written(second['map'])}."
        if "map" in second
        else "**no**. " + _why_not(_shape(settings["feature_map"]), _shape(settings["filter2"]), settings["padding"])
    )
    size = settings["pool"]
    return "\n".join(
        [
            f"- **a)** Filter1 ({_size(settings['filter1'])}): {a}. F′ = {_written(first['map'])}.",
            f"- **b)** Filter2 ({_size(settings['filter2'])}) with padding {settings['padding']}: {b}",
            f"- **c)** Average pooling {size}×{size}, stride {settings['pool_stride']}, of F′: "
            f"{_written(pooled['map'])}.",
            f"- **d)** As a convolution: a {size}×{size} filter of {written(1 / size**2)} everywhere, stride "
            f"{settings['pool_stride']}, padding 0; the results differ by {pooled['apart']:.1g}.",
        ]
    )


# -- small words --


def _same_equation(kernel: tuple[int, int]) -> str:
    names = ["p"] if kernel[0] == kernel[1] else [r"p_{\mathrm{rows}}", r"p_{\mathrm{columns}}"]
    return r", \qquad ".join(
        rf"{name} = \frac{{K - 1}}{{2}} = \frac{{{k} - 1}}{{2}} = {number((k - 1) / 2)}"
        for name, k in zip(names, kernel, strict=False)
    )


def _symmetric(pads: list[int]) -> bool:
    return pads[0] == pads[1] and pads[2] == pads[3]


def _pads(pads: list[int]) -> str:
    return f"{pads[0]} and {pads[1]}; {pads[2]} and {pads[3]}"


def _padded(rows: Matrix, pads: Any) -> Matrix:
    return np.pad(np.array(rows, np.float64), (tuple(pads[:2]), tuple(pads[2:]))).tolist()


def _frames(pads: list[int]) -> list[int]:
    """How much of the first panel is padding on every side; none is marked where the sides differ."""
    return [pads[0] if len(set(pads)) == 1 else 0, 0, 0]


def _sums(title: str, rows: list[dict[str, Any]], name: str) -> Table:
    columns = [
        Column("row", "Row"),
        Column("column", "Column"),
        Column("sum", "Sum", align="left"),
        Column("value", "Value"),
    ]
    most = 64
    foot = ["Rows and columns count from 0."]
    if len(rows) > most:
        foot.append(f"The first {most} of {len(rows)}.")
    return Table(title, columns, rows[:most], foot, name=name)


def _shape(rows: Matrix) -> tuple[int, int]:
    return len(rows), len(rows[0])


def _size(rows: Matrix) -> str:
    return f"{len(rows)}×{len(rows[0])}"


def _written(rows: Matrix) -> str:
    """A small matrix in a sentence; a larger one by its size."""
    if len(rows) * len(rows[0]) > 36:
        return f"a {_size(rows)} map, below"
    return "$" + matrix(rows) + "$"


ENTRY = Study(
    name="conv-arithmetic",
    title=TITLE,
    question=QUESTION,
    theme="By hand",
    source="course 24-789, CMU 2021; Dumoulin & Visin 2016",
    settings=ConvArithmeticSettings,
    trial=trial,
    compares=(),
    seeded=False,
    scales={
        "smoke": Scale("the worked example", seeds=1, time="5 s", complete=True),
        "quick": Scale("the worked example, or maps and filters of your own", seeds=1, time="8 s"),
        "full": Scale(
            "a map of 6×6",
            seeds=1,
            time="8 s",
            set={"feature_map": [[(3 * y + 5 * x + x * y) % 7 for x in range(6)] for y in range(6)]},
        ),
    },
    report=report,
)
