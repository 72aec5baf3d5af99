"""Inception modules: what the naive form computes, and what 1×1 reductions save.

    multiply–adds of a convolution = (K·K·C)·O·(H·W)

On an input of 32×32×256 by default, with 128 filters of 1×1, 192 of 3×3 and 96 of 5×5, 64-wide reductions before
the larger filters and a 64-wide projection after the pool. All of these are options.

Source: Szegedy et al. 2015, "Going deeper with convolutions", figure 2.
"""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from underhood.figures import Figure, bars, lines
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.studies.counting.costs import CountSettings, check, checks_table, costs_by, counted
from underhood.studies.counting.inception_module import module_figure
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Result

BRANCHES = {"one": "1×1", "three": "3×3", "five": "5×5", "pool": "pool"}
KNOWN = {"naive": 1_115_684_864, "reduced": 354_418_688}
MODULES = 9  # as many as GoogLeNet has in a row


class InceptionSettings(CountSettings):
    form: Literal["naive", "reduced"] = Field("naive", description="with or without 1×1 reductions")
    size: int = Field(32, ge=1, description="height and width of the input")
    channels: int = Field(256, ge=1, description="channels of the input")
    one: int = Field(128, ge=1, description="1×1 filters")
    three: int = Field(192, ge=1, description="3×3 filters")
    five: int = Field(96, ge=1, description="5×5 filters")
    reduce_three: int = Field(64, ge=1, description="1×1 filters before the 3×3")
    reduce_five: int = Field(64, ge=1, description="1×1 filters before the 5×5")
    projection: int = Field(64, ge=1, description="1×1 filters after the pool")

    @property
    def filters(self) -> dict[str, int]:
        names = ("one", "three", "five", "reduce_three", "reduce_five", "projection")
        return {name: getattr(self, name) for name in names}


def trial(settings: InceptionSettings, seed: int, context: Context) -> Iterator[Event]:
    """Count one form."""
    arguments = {"inputs": settings.channels, **settings.filters}
    shape = (1, settings.channels, settings.size, settings.size)
    found = counted(f"inception-{settings.form}", shape, arguments, settings.verify)
    if settings == InceptionSettings(form=settings.form, verify=settings.verify):
        found["checks"].append(check("multiply–adds, known", found["totals"]["macs"], KNOWN[settings.form]))
    yield Result({"macs": found["totals"]["macs"], "channels": _channels(found), "cost": found})


def report(results: Results) -> Document:
    """The idea, the output sizes, the operations of both forms, and what is saved."""
    costs = {form: result["cost"] for form, result in costs_by(results, "form").items()}
    settings = InceptionSettings.model_validate(results.groups[0].settings)
    sections = [
        Section("The idea", [IDEA, *(module_figure(settings, form) for form in costs), ASSUMED]),
        Section("Output size", [output_words(settings), output_table(costs)]),
        Section("Operations", [EQUATION, *(operations_table(form, found) for form, found in costs.items())]),
        Section("Where they go", [branch_figure(costs)]),
    ]
    if len(costs) == 2:
        sections.append(Section("What the reductions change", [*_problem(settings, costs)]))
    checks = [{**one, "what": f"{form}: {one['what']}"} for form, f in costs.items() for one in f["checks"]]
    sections.append(Section("Checks", [checks_table(checks)]))
    return Document("Inception modules", ENTRY.question, _answer(costs), sections, _headline(costs))


IDEA = """
What a layer should look for may be small or large: an eye or a face. Instead of choosing one filter size for a
layer, the module runs several side by side on the same input and lets the next layer pick from all of them:

- 1×1 filters look at one position, across the channels;
- 3×3 and 5×5 filters look at larger and larger neighbourhoods;
- a 3×3 max-pool with stride 1 keeps the strongest answer near by, whatever came before.

Every branch keeps height and width (stride 1, padding $(K-1)/2$), so their outputs can be laid on top of each other:
the channels are concatenated. The network becomes wider without becoming deeper, and sees several scales at once.
"""
ASSUMED = """
Assumed, each by option: the numbers of filters, for the exercise gives them in a picture that its text lacks (`one`,
`three`, `five`, `reduce_three`, `reduce_five`, `projection`), and the input (`size`, `channels`). Without an option:
stride 1 and padding that keeps the size; an operation is one multiplication with its addition; biases, ReLUs and the
pool's comparisons are not counted.
"""
EQUATION = Equation(
    r"M = (K \cdot K \cdot C) \cdot O \cdot (H \cdot W)",
    "A filter of side $K$ on $C$ channels multiplies and adds $K \\cdot K \\cdot C$ times for one number; there are "
    "$O$ filters at each of $H \\cdot W$ positions.",
)


def output_words(settings: InceptionSettings) -> str:
    """Both concatenations, with the numbers."""
    s, f = settings, settings.size
    naive = s.one + s.three + s.five + s.channels
    reduced = s.one + s.three + s.five + s.projection
    return (
        f"Naive: {s.one} + {s.three} + {s.five} + {s.channels} (the pool hands on all its channels) = {naive}, so the "
        f"output is {f}×{f}×{naive}. Reduced: {s.one} + {s.three} + {s.five} + {s.projection} = {reduced}, so "
        f"{f}×{f}×{reduced}."
    )


def output_table(costs: dict[str, dict[str, Any]]) -> Table:
    """Channels that each branch gives."""
    columns = [Column("branch", "Branch", align="left")]
    columns += [Column(form, form, format=",d") for form in costs]
    rows = [
        {"branch": title, **{form: _branch_channels(found, name) for form, found in costs.items()}}
        for name, title in BRANCHES.items()
    ]
    rows.append({"branch": "concatenated", **{form: _channels(found) for form, found in costs.items()}})
    return Table("Channels out of each branch", columns, rows, name="output")


def _channels(found: dict[str, Any]) -> int:
    return int(next(layer for layer in found["layers"] if layer["name"] == "cat")["outputs"][0][1])


def _branch_channels(found: dict[str, Any], name: str) -> int:
    return int([layer for layer in found["layers"] if _branch(layer) == name][-1]["outputs"][0][1])


def _branch(layer: dict[str, Any]) -> str:
    return str(layer["name"]).partition(".")[0]


def convolutions(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [layer for layer in found["layers"] if layer["type"] == "Conv2d"]


def operations_table(form: str, found: dict[str, Any]) -> Table:
    """Every convolution of a form with its sum."""
    columns = [
        Column("branch", "Branch", align="left"),
        Column("filter", "Filters", align="left"),
        Column("sum", "Operations", align="left"),
        Column("macs", "Multiply–adds", format=",d"),
        Column("share", "Fraction", format=".1%"),
        Column("parameters", "Parameters", format=",d"),
    ]
    total = found["totals"]["macs"]
    rows = [
        {
            "branch": BRANCHES[_branch(layer)],
            "filter": f"{layer['outputs'][0][1]} of {layer['geometry']['kernel']}×{layer['geometry']['kernel']}",
            "sum": layer["arithmetic"]["macs"].split(" = ")[0],
            "macs": layer["macs"],
            "share": layer["macs"] / total,
            "parameters": layer["parameters"],
        }
        for layer in convolutions(found)
    ]
    rows.append({"branch": "total", "macs": total, "share": 1.0, "parameters": found["totals"]["parameters"]})
    return Table(f"Convolution operations, {form}", columns, rows, name=f"operations-{form}")


def branch_figure(costs: dict[str, dict[str, Any]]) -> Figure:
    """Operations of each branch in both forms."""
    values = [
        {"branch": title, "form": form, "macs": sum(c["macs"] for c in convolutions(found) if _branch(c) == name)}
        for name, title in BRANCHES.items()
        for form, found in costs.items()
    ]
    return bars(
        "Multiply–adds by branch",
        values,
        x="branch",
        y="macs",
        series="form" if len(costs) > 1 else None,
        y_format=".3~s",
        x_title="branch",
        y_title="multiply–adds",
        caption="A reduction counts to the branch that it stands in.",
        name="branches",
    )


def _problem(settings: InceptionSettings, costs: dict[str, dict[str, Any]]) -> Iterator[str | Figure]:
    naive, reduced = costs["naive"]["totals"]["macs"], costs["reduced"]["totals"]["macs"]
    s = settings
    five = next(c for c in convolutions(costs["naive"]) if _branch(c) == "five")["macs"]
    cheap = sum(c["macs"] for c in convolutions(costs["reduced"]) if _branch(c) == "five")
    yield (
        f"The large filters run over all {s.channels} channels: the 5×5 branch alone takes {five:,} multiply–adds, "
        f"{100 * five / naive:.0f} % of the module. With a 1×1 reduction to {s.reduce_five} channels before it, "
        f"counted too, it takes {cheap:,}: {_times(five, cheap)}, for the 5×5 filters see {s.reduce_five} channels in "
        f"place of {s.channels}. The whole module: {naive:,} and {reduced:,}, **{_times(naive, reduced)}**. "
        f"The reduction has a ReLU of its own, so it adds a non-linearity too{_summary(s)}."
    )
    yield (
        f"And it grows: the pool cannot shrink its channels, so each naive module hands on {s.one + s.three + s.five} "
        "channels more than it got, and the next one works on all of them. The projection after the pool stops that."
    )
    yield growth_figure(s)


def _summary(settings: InceptionSettings) -> str:
    """What a reduction costs, where there are fewer channels after it than before."""
    if max(settings.reduce_three, settings.reduce_five) >= settings.channels:
        return ""
    return "; what it costs is that the large filters see a summary of the channels"


def _times(naive: int, reduced: int) -> str:
    """How the reduction changes a count, whichever way it goes."""
    if reduced == naive:
        return "as many"
    if reduced > naive:
        return f"{reduced / naive:.2f} times as many, {100 * (reduced / naive - 1):.0f} % more"
    return f"{naive / reduced:.2f} times fewer, {100 * (1 - reduced / naive):.0f} % saved"


def growth_figure(settings: InceptionSettings) -> Figure:
    """Operations of modules in a row: each on what the last one gave."""
    values = []
    for form in ("naive", "reduced"):
        channels = settings.channels
        for position in range(1, MODULES + 1):
            macs, channels = stacked_module(settings, form, channels)
            values.append({"module": position, "macs": macs / 1e9, "form": form})
    return lines(
        f"{MODULES} modules in a row",
        values,
        x="module",
        y="macs",
        series="form",
        x_title="module",
        y_title="multiply–adds, billions",
        caption="Same filters in each module, each on the output of the one before.",
        name="growth",
    )


def stacked_module(settings: InceptionSettings, form: str, channels: int) -> tuple[int, int]:
    """Multiply–adds of a module on so many channels, and the channels that it gives."""
    s, positions = settings, settings.size**2
    if form == "naive":
        terms = channels * (s.one + 9 * s.three + 25 * s.five)
        return terms * positions, s.one + s.three + s.five + channels
    terms = channels * (s.one + s.reduce_three + s.reduce_five + s.projection)
    terms += 9 * s.reduce_three * s.three + 25 * s.reduce_five * s.five
    return terms * positions, s.one + s.three + s.five + s.projection


def _headline(costs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Output and operations of each form, and how many times fewer."""
    heads: dict[str, Any] = {}
    for form, found in costs.items():
        side = found["layers"][-1]["outputs"][0][2]
        heads[f"{form}: output"] = f"{side}×{side}×{_channels(found)}"
        heads[f"{form}: multiply–adds"] = found["totals"]["macs"]
    if len(costs) == 2:
        heads["naive / reduced"] = costs["naive"]["totals"]["macs"] / costs["reduced"]["totals"]["macs"]
    return heads


def _answer(costs: dict[str, dict[str, Any]]) -> str:
    parts = []
    for form, found in costs.items():
        side = found["layers"][-1]["outputs"][0][2]
        macs = found["totals"]["macs"]
        parts.append(f"the {form} module gives {side}×{side}×{_channels(found)} for **{macs:,}** multiply–adds")
    text = "; ".join(parts)
    if len(costs) == 2:
        naive, reduced = (costs[form]["totals"]["macs"] for form in ("naive", "reduced"))
        text += f": with reductions **{_times(naive, reduced)}**"
    return text[0].upper() + text[1:] + "."


ENTRY = Study(
    name="inception",
    title="Inception modules, naive and reduced",
    question="What does an Inception module compute, and how much do its 1×1 reductions save?",
    theme="Counting",
    source="Szegedy et al. 2015, figure 2",
    settings=InceptionSettings,
    trial=trial,
    axes={"form": ["naive", "reduced"]},
    compares=("form",),
    seeded=False,
    scales={
        "smoke": Scale("both forms on 8×8×32", seeds=1, set={"size": 8, "channels": 32}, time="5 s"),
        "quick": Scale("both forms on 32×32×256", seeds=1, time="10 s"),
        "full": Scale("with receptive fields checked by gradients", seeds=1, set={"verify": True}, time="20 s"),
    },
    report=report,
)
