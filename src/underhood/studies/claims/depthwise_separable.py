r"""Claim 8: a 3×3 depthwise-separable convolution saves up to about 9 times the work.

    plain        k · k · C · O · H · W                     multiply–adds, C channels in, O out, maps of H × W
    separable    k · k · C · H · W  +  C · O · H · W       a filter a channel, then 1×1 across the channels

    plain / separable = 1 / (1/O + 1/k²)  →  k² = 9  as O grows

Source: Howard et al. 2017, "MobileNets", section 3.1.
"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from underhood.figures import lines
from underhood.lab import Group
from underhood.report.document import Block, Equation
from underhood.studies.claims.claim import Claim, Count, over_seeds
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.verdicts import Finding, Word
from underhood.studies.claims.work import by_cost, layers
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

Widths = Annotated[list[Count], Field(min_length=1)]
ABOUT = 0.05  # "about 9": within 5 %


def plain(nn: Any, channels: int, kernel: int) -> Any:
    return nn.Sequential(nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False))


def separable(nn: Any, channels: int, kernel: int) -> Any:
    """A filter for each channel alone, then a 1×1 convolution that mixes the channels."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
    )


def measure(experiment: Experiment, *, widths: Widths, side: Count, kernel: Count = 3) -> Iterator[Event]:
    """Both forms' multiply–adds at every width, as many channels out as in."""
    rows: list[dict[str, Any]] = []
    for channels in widths:
        shape = (channels, side, side)
        pages = {
            "plain": partial(plain, channels=channels, kernel=kernel),
            "separable": partial(separable, channels=channels, kernel=kernel),
        }
        counts = {form: sum(macs for _, macs in layers(page, shape)) for form, page in pages.items()}
        agree = [by_cost(page, shape) in (None, counts[form]) for form, page in pages.items()]
        rows.append(
            {
                "channels": channels,
                **counts,
                "ratio": counts["plain"] / counts["separable"],
                "formula": 1 / (1 / channels + 1 / kernel**2),
                "agree": all(agree),
            }
        )
        yield Metric(channels, {"ratio": rows[-1]["ratio"]})
    checked = by_cost(pages["plain"], shape) is not None
    yield Result({"side": side, "kernel": kernel, "rows": rows, "most": max(r["ratio"] for r in rows), "cost": checked})


def findings(group: Group) -> list[Finding]:
    """Up to about k²: the largest ratio comes within 5 % of it and never beyond."""
    limit = float(group.counted[0].result["kernel"] ** 2)
    most = over_seeds(group, "most")
    return [
        Finding("largest saving", most, "above", (1 - ABOUT) * limit, exact=True, format=".2f", unit=" times"),
        Finding("largest saving", most, "below", limit, exact=True, format=".2f", unit=" times"),
    ]


def because(group: Group, word: Word) -> str:
    found = group.counted[0].result
    most = max(found["rows"], key=lambda row: float(row["ratio"]))
    taps = found["kernel"] ** 2
    return (
        f"At {most['channels']} channels the saving is {most['ratio']:.2f} times. Each of the {taps} taps of a filter "
        "is paid once a channel instead of once for every pair of channels; the 1×1 mixing remains."
    )


def shown(group: Group) -> list[Block]:
    found = group.counted[0].result
    limit = found["kernel"] ** 2
    off = max(abs(row["ratio"] - row["formula"]) for row in found["rows"])
    agree = "agree" if all(row["agree"] for row in found["rows"]) else "do not agree"
    foot = [f"Maps of {found['side']}×{found['side']}; the ratio does not depend on their size."]
    if found["cost"]:
        foot.append(f"Counted on this package's engine and by “underhood cost”; the two {agree}.")
    foot.append(f"Largest difference from the formula: {off:.1e}.")
    drawn = [{"channels": row["channels"], "ratio": row["ratio"], "line": "counted"} for row in found["rows"]]
    drawn += [{"channels": row["channels"], "ratio": limit, "line": f"{limit} times"} for row in found["rows"]]
    return [
        Equation(
            r"\frac{k^2\, C\, O\, H\, W}{k^2\, C\, H\, W + C\, O\, H\, W} = \frac{1}{1/O + 1/k^2}",
            f"$C$ channels in, $O$ out, here the same number; $k = {found['kernel']}$. For large $O$ it nears $k^2 = "
            f"{limit}$ and never gets there.",
        ),
        Table(
            f"Multiply–adds of a {found['kernel']}×{found['kernel']} convolution, plain and separable",
            [Column("channels", "Channels", format=",d"), Column("plain", "Plain", format=",d"),
             Column("separable", "Depthwise-separable", format=",d"), Column("ratio", "Saving", format=".2f",
                                                                            unit="times")],
            [{k: row[k] for k in ("channels", "plain", "separable", "ratio")} for row in found["rows"]],
            foot=foot, name="separable",
        ),
        lines("The saving grows with the width", drawn, x="channels", y="ratio", series="line", log_x=True,
              x_title="channels", y_title="plain ÷ separable", name="separable-saving"),
    ]  # fmt: skip


ENTRY = Claim(
    name="depthwise-separable",
    topic="depthwise-separable convolutions",
    statement="A 3×3 depthwise-separable convolution saves up to about 9 times the work.",
    sheet=True,
    experiment="Both forms are built at growing widths and their multiply–adds counted. “Up to about 9” is read as: "
    "the largest saving is within 5 % of 9 and not above it.",
    because=because,
    measure=measure,
    sizes={
        "tiny": {"widths": [8, 64, 512], "side": 4},
        "small": {"widths": [8, 16, 32, 64, 128, 256, 512, 1024], "side": 14},
        "large": {"widths": [8, 16, 32, 64, 128, 256, 512, 1024, 2048], "side": 14},
    },
    findings=findings,
    shown=shown,
)
