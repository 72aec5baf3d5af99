"""Fast beside Faster R-CNN: what differs, and where each spends its time, as published and as measured here."""

from collections.abc import Sequence
from typing import Any

from underhood.figures import bars
from underhood.tables import Column, Table

# Milliseconds on one K40 with VGG-16; selective search ran on the processor. Faster R-CNN (TPAMI 2017), table 5.
PUBLISHED = {"fast": (146.0, 1510.0, 174.0), "faster": (141.0, 10.0, 47.0)}
PARTS = ("Feature map", "Region proposals", "Classes and boxes of the proposals")


def fractions(times: Sequence[float]) -> list[float]:
    return [each / sum(times) for each in times]


def fast_and_faster(found: dict[str, Any]) -> list[Any]:
    times = found["times"]

    def columns(milliseconds: str) -> list[Column]:
        return [
            Column("part", "Part", align="left"),
            Column("fast", "Fast R-CNN", unit="ms", format=milliseconds),
            Column("fast_share", "Fraction", format=".1%"),
            Column("faster", "Faster R-CNN", unit="ms", format=milliseconds),
            Column("faster_share", "Fraction", format=".1%"),
        ]

    def rows(of: dict[str, Any]) -> list[dict[str, Any]]:
        both = {which: [*of[which], sum(of[which])] for which in ("fast", "faster")}
        return [
            {"part": part, **{k: both[k][i] for k in both}, **{f"{k}_share": both[k][i] / both[k][-1] for k in both}}
            for i, part in enumerate((*PARTS, "All"))
        ]

    differ = [
        ("Proposals come from", "selective search on the processor", "a network on the feature map (RPN)"),
        ("They share computation with the detector", "none", "all convolutions below"),
        ("They learn", "no", "yes, together with the detector"),
        ("Proposals a picture", "about 2,000", "300 are enough"),
        ("After the proposals", "RoI pooling, layers for class and box", "the same"),
        ("Pictures a second in the paper", "0.5", "5"),
    ]
    return [
        "Both detectors run one convolutional network over the picture and then look at each proposed region of its "
        "feature map: what is it, and where exactly? They differ in who proposes the regions.",
        Table(
            "What differs",
            [Column("what", "", align="left"), Column("fast", "Fast R-CNN", align="left"),
             Column("faster", "Faster R-CNN", align="left")],
            [dict(zip(("what", "fast", "faster"), row, strict=True)) for row in differ], name="differences",
        ),
        Table(
            "Time for one picture, as published", columns(",.0f"), rows(PUBLISHED), name="published-times",
            foot=["VGG-16 on one K40, selective search on the processor: Ren, He, Girshick & Sun 2017 (IEEE TPAMI, "
                  "doi 10.1109/TPAMI.2016.2577031), table 5. There suppression is counted in the last part."],
        ),
        Table(
            "Time for one picture, measured here", columns(",.1f"), rows(times), name="measured-times",
            foot=[
                f"Medians; suppression is counted with the proposals. This page's network and a selective search in "
                f"Python: {times['searched']} proposals of "
                f"search, {times['proposed']} of the network.",
                "The detector behind the proposals is untrained: its time does not depend on its weights. Drawn scenes "
                "have few regions; on photographs selective search proposes about 2,000.",
                "Each number is rounded by itself, so a sum may seem to be off in its last digit.",
            ],
        ),
        bars(
            "Where the time goes",
            [{"part": part, "detector": title, "share": fraction}
             for which, title in (("fast", "Fast R-CNN"), ("faster", "Faster R-CNN"))
             for part, fraction in zip(PARTS, fractions(times[which]), strict=True)],
            x="part", y="share", series="detector", y_format=".0%", x_title="", y_title="fraction of the time",
            name="shares",
        ),
        "So the answer to *why is it faster* is one part, not all: the proposals. The convolutions cost the same. "
        "In the paper fewer and better proposals make the last part cheaper too; here it takes "
        f"{times['faster'][2]:.1f} ms for the network's {times['proposed']} and {times['fast'][2]:.1f} ms for the "
        f"search's {times['searched']}. The network below is so small here that its map costs next to nothing, which "
        "leaves the proposals a larger fraction than VGG-16 would; the milliseconds say more than the fractions.",
    ]  # fmt: skip
