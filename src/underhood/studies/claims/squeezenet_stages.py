"""Claim 9: SqueezeNet spends most of its computation in later stages.

The multiply–adds of every layer of SqueezeNet 1.0, added up from the picture to the classes. The pools cut the
network into four stages; the later ones are those behind the pool after fire4, where half of the fire modules and
more are still to come. Where "later" begins decides the verdict, so every other cut is shown too.

Source: Iandola et al. 2016, table 1; homework "CEE 690/ECE 590", Duke University, 2021, problem 1.9.
"""

from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from typing import Literal, get_args

from underhood.figures import bars, lines
from underhood.lab import Group
from underhood.networks.squeezenet import squeezenet
from underhood.report.document import Block
from underhood.studies.claims.claim import Claim, Count, over_seeds
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.verdicts import Finding, Word
from underhood.studies.claims.work import by_cost, layers
from underhood.studies.learning.results import percent
from underhood.tables import Column, Table
from underhood.trials import Event, Result

Part = Literal["conv1", "fire2", "fire3", "fire4", "fire5", "fire6", "fire7", "fire8", "fire9", "conv10"]
PARTS: tuple[Part, ...] = get_args(Part)


def measure(experiment: Experiment, *, side: Count, later: Part = "fire5") -> Iterator[Event]:
    """Multiply–adds of every part, and the fraction from the part `later` on."""
    page = partial(squeezenet, version="1.0")
    counted = layers(page, (3, side, side))
    macs = {part: sum(n for name, n in counted if name.split(".")[0] == part) for part in PARTS}
    total = sum(macs.values())
    by = by_cost(page, (3, side, side))
    fraction = sum(macs[part] for part in PARTS[PARTS.index(later) :]) / total
    yield Result({"side": side, "later": later, "macs": macs, "total": total, "by_cost": by, "share": fraction})


def findings(group: Group) -> list[Finding]:
    found = group.counted[0].result
    return [
        Finding(
            f"fraction of the multiply–adds from {found['later']} on",
            over_seeds(group, "share"),
            "above",
            0.5,
            exact=True,
            scale=100,
            format=".1f",
            unit=" %",
        )
    ]


def because(group: Group, word: Word) -> str:
    found = group.counted[0].result
    return (
        f"{percent(found['share'], 1)} of the multiply–adds lie from {found['later']} on. The pools stand late, so "
        "that the wide fire modules still see large maps; their many channels are set against their smaller maps."
    )


def caveat(group: Group) -> str:
    """Where "later" begins decides it, unless it begins at an end."""
    found = group.counted[0].result
    half = [after > 0.5 for after in (1 - up_to / found["total"] for up_to in accumulate(found["macs"].values()))]
    says = found["share"] > 0.5
    other = [part for part, more in zip(PARTS[1:], half, strict=False) if more != says]
    return f"a cut before {other[0] if says else other[-1]} says otherwise" if other else ""


def shown(group: Group) -> list[Block]:
    found = group.counted[0].result
    total = found["total"]
    up_to = list(accumulate(found["macs"].values()))
    rows = [
        {"part": part, "macs": macs, "share": macs / total, "up_to": so_far / total, "after": 1 - so_far / total}
        for (part, macs), so_far in zip(found["macs"].items(), up_to, strict=True)
    ]
    turning = next((row["part"] for row in rows if row["up_to"] >= 0.5), PARTS[-1])
    if found["by_cost"] is None:
        checked = "PyTorch is not installed, so “underhood cost” was not asked."
    else:
        same = "the same" if found["by_cost"] == total else f"{found['by_cost']:,}"
        checked = f"“underhood cost squeezenet --input 1,3,{found['side']},{found['side']}” counts {same}."
    curve = [{"part": i, "share": row["up_to"], "line": "SqueezeNet"} for i, row in enumerate(rows, 1)]
    curve += [{"part": i, "share": i / len(rows), "line": "spread evenly"} for i in range(1, len(rows) + 1)]
    return [
        Table(
            f"SqueezeNet 1.0 on {found['side']}×{found['side']} pixels: {total:,} multiply–adds",
            [Column("part", "Part", align="left"), Column("macs", "Multiply–adds", format=",d"),
             Column("share", "Fraction", format=".1%"), Column("up_to", "Up to here", format=".1%"),
             Column("after", "After", format=".1%")],
            rows, foot=[checked], name="squeezenet",
        ),
        bars("Part by part", rows, x="part", y="share", y_format=".1%", x_title="", name="squeezenet-parts",
             y_title="fraction of the multiply–adds"),
        lines("Added up", curve, x="part", y="share", series="line", y_format=".0%",
              x_title="parts, from the picture on", y_title="fraction of the multiply–adds",
              name="squeezenet-curve",
              caption=f"Half of all is reached in {turning}: cut before it and most comes later, cut behind it and "
              "most has been."),
    ]  # fmt: skip


ENTRY = Claim(
    name="squeezenet-stages",
    topic="SqueezeNet's stages",
    statement="SqueezeNet spends most of its computation in later stages.",
    sheet=True,
    experiment="The multiply–adds of every part are counted and added up. “Later” is what comes behind the pool after "
    "fire4: `--set claim.later=fire6` and others move the cut.",
    because=because,
    caveat=caveat,
    measure=measure,
    sizes={"tiny": {"side": 227}, "small": {"side": 227}, "large": {"side": 227}},
    findings=findings,
    shown=shown,
)
