"""What the study cutout reports: the pictures before and after, what squares hide, and what single pixels would."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.figures import bars
from underhood.figures.pictures import Picture, pictures, shaded
from underhood.lab import Results, Summary
from underhood.report.document import Document, Equation, Section
from underhood.studies.occlusion.masks import expected_fraction
from underhood.tables import Column, Table

Array = NDArray[Any]

TITLE = "Cutout, and why it is not dropout"
QUESTION = "What does cutout do to an image, and how does it differ from dropout?"
DRAWN = "drawn"  # the name of the pictures that stand in where CIFAR-10 is not
DEPTHS = (0, 1, 2, 3, 4)  # 3×3 convolutions between the image and the unit that is asked
# Test error in per cent on CIFAR-10 with crops and flips, without and with cutout, and the number of runs:
# the authors' results beside their code, https://github.com/uoguelph-mlrg/Cutout.
PUBLISHED = (("ResNet-18", 4.72, 3.99, 5), ("WideResNet 28-10", 3.87, 3.08, 5), ("Shake-shake", 2.86, 2.56, 3))


def report(results: Results) -> Document:
    """What cutout does to pictures, how much it hides, and why single pixels are another thing."""
    trials = results.groups[0].counted
    first = trials[0]
    found, settings = first.result, first.settings
    with np.load(first.artefact("pictures.npz")) as packed:
        arrays = {name: packed[name] for name in packed.files}
    return Document(
        title=TITLE,
        question=QUESTION,
        answer=_answer(trials),
        sections=[
            Section("Before and after", _before_and_after(found, settings, arrays)),
            Section("How the square is drawn", _drawing(found, settings)),
            Section("How much it hides", _hiding(found, settings, arrays)),
            Section("Against dropout", _against_dropout(trials)),
            Section("Does it help?", _published()),
            Section("Checks, and what is assumed", _checks(trials)),
        ],
        headline={
            "hidden (%)": 100 * found["expected"],
            "unknown under the square (%)": _percent(trials, "guess_cutout"),
            "unknown under single pixels (%)": _percent(trials, "guess_dropout"),
        },
    )


def _percent(trials: Any, name: str) -> Summary:
    """A fraction over the seeds, as per cent."""
    return Summary.of([100 * trial.result[name] for trial in trials])


def _over(summary: Summary) -> str:
    return f" (mean and 95 % interval over {summary.n} seeds)" if summary.n > 1 else ""


def _told(summary: Summary) -> str:
    """12.3 %, or 12.3 ± 0.4 % over several seeds."""
    if summary.low is None or summary.high is None:
        return f"{summary.mean:.1f} %"
    return f"{summary.mean:.1f} ± {(summary.high - summary.low) / 2:.1f} %"


def _answer(trials: Any) -> str:
    found, settings = trials[0].result, trials[0].settings
    size, (_, height, width) = settings["size"], found["shape"]
    pixels, square = _percent(trials, "guess_dropout"), _percent(trials, "guess_cutout")
    said = (
        f"Cutout lays {_squares(settings)} of zeros, {size}×{size} pixels, over every training image at a random "
        f"position: on {height}×{width} images it hides **{100 * found['expected']:.1f} %** of the pixels on average. "
        f"Guessed from the visible pixels around it, **{_told(square)}** of what the square hides stays unknown; where "
        f"as many single pixels are dropped, **{_told(pixels)}**{_over(pixels)}. "
    )
    if square.mean > pixels.mean and (square.low is None or pixels.high is None or square.low > pixels.high):
        return said + (
            "So the square takes a part of the object out of sight that its surroundings do not give away, and the "
            "network must learn to recognise it by the rest; dropped pixels are noise that their neighbours mend."
        )
    return said + "With this square the surroundings tell as much as with single pixels: it hides no whole part."


def _squares(settings: dict[str, Any]) -> str:
    return "one square" if settings["holes"] == 1 else f"{settings['holes']} squares"


def _shown(pixels: Array) -> Array:
    """(C, H, W) as a picture's (H, W, 3) or (H, W)."""
    shown: Array = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]
    return shown


def _before_and_after(found: dict[str, Any], settings: dict[str, Any], arrays: dict[str, Array]) -> list[Any]:
    shown = []
    for i, number in enumerate(settings["images"]):
        fraction = 100 * found["hidden"][i] / (found["shape"][1] * found["shape"][2])
        shown += [
            Picture(f"image {number}", _shown(arrays["before"][i])),
            Picture(f"cutout: {fraction:.0f} % hidden", _shown(arrays["cutout"][i])),
            Picture("as many single pixels", _shown(arrays["dropout"][i])),
        ]
    colour = ", ".join(map(str, found["mean_colour"]))
    several = len(found["mean_colour"]) == 3
    if found["source"] == DRAWN:
        if settings["data"] == DRAWN:
            source = "These pictures are drawn, as the settings ask; `--set data=cifar10` shows real ones."
        else:
            source = "These pictures are drawn, for CIFAR-10 is not here: `underhood data get cifar10` fetches it."
            source += " Then `underhood run cutout --rerun` shows real ones."
    else:
        source = f"The pictures are real, from {found['source']}'s training set."
    return [
        f"{source} The square is **zero after normalisation**. Zero then stands for the mean of the training set, "
        f"so on the screen the square has the mean {'colour' if several else 'grey'}, {colour} of 255: it is not "
        "a black hole that would look like an object of its own, but no news at all.",
        pictures(
            "Before and after",
            shown,
            columns=3,
            largest=192,
            name="before-and-after",
            caption="Right: dropout applied to pixels, each hidden by a coin of its own, as many on average. "
            "You still see everything.",
        ),
        pictures(
            "The same picture, eight times",
            [Picture(f"draw {i}", _shown(pixels)) for i, pixels in enumerate(arrays["again"], 1)],
            columns=4,
            largest=128,
            name="eight-draws",
            caption="A new position every time the image is used: in training no two epochs see the same picture.",
        ),
    ]


def _drawing(found: dict[str, Any], settings: dict[str, Any]) -> list[Any]:
    size, (_, height, width) = settings["size"], found["shape"]
    y, x = found["centres"][0]
    top, bottom, left, right = found["edges"][0]
    half = size // 2
    rows = []
    for number, centre, (r1, r2, c1, c2), hidden in zip(
        settings["images"], found["centres"], found["edges"], found["hidden"], strict=True
    ):
        rows.append(
            {
                "image": str(number),
                "centre": f"({centre[0]}, {centre[1]})",
                "rows": f"{r1} … {r2 - 1}",
                "columns": f"{c1} … {c2 - 1}",
                "hidden": hidden,
                "share": hidden / (height * width),
                "crosses": (r2 - r1) * (c2 - c1) < size * size,
            }
        )
    columns = [
        Column("image", "Image", align="left"),
        Column("centre", "Centre (row, column)", align="left"),
        Column("rows", "Rows hidden", align="left"),
        Column("columns", "Columns hidden", align="left"),
        Column("hidden", "Pixels hidden", format=",d"),
        Column("share", "Fraction", format=".1%"),
        Column("crosses", "Crosses the border", align="left"),
    ]
    return [
        f"The centre $(y, x)$ is any pixel of the image, all with the same chance, and the side is $S = {size}$:",
        Equation(
            r"x'_{k,i,j} = x_{k,i,j}\, m_{i,j}, \qquad m_{i,j} = 0 \text{ if } r_1 \le i < r_2,\ c_1 \le j < c_2,"
            r"\text{ else } 1",
            "$k$: the colour channel. One mask for all channels of an image; another for every image, every epoch.",
        ),
        Equation(
            r"r_1 = \max(0,\ y - \lfloor S/2 \rfloor), \qquad "
            r"r_2 = \min(H,\ y - \lfloor S/2 \rfloor + S)",
            "The columns $c_1$, $c_2$ come from $x$ and $W$ in the same way. What lies outside the image is cut off.",
        ),
        f"Image {settings['images'][0]}, with its {'first ' if settings['holes'] > 1 else ''}centre at ({y}, {x}):",
        Equation(
            r"\begin{aligned}"
            rf"r_1 &= \max(0,\ {y} - {half}) = {top}, & \ r_2 &= \min({height},\ {y} - {half} + {size}) = {bottom} \\"
            rf"c_1 &= \max(0,\ {x} - {half}) = {left}, & \ c_2 &= \min({width},\ {x} - {half} + {size}) = {right}"
            r"\end{aligned}"
        ),
        Table("The squares of the pictures above", columns, rows, name="squares"),
    ]


def _hiding(found: dict[str, Any], settings: dict[str, Any], arrays: dict[str, Array]) -> list[Any]:
    size, (_, height, width) = settings["size"], found["shape"]
    down, across = expected_fraction(size, height), expected_fraction(size, width)
    full = size * size / (height * width)
    rows = [
        {"what": "the whole square, if it never crossed", "share": min(1.0, full)},
        {"what": "expected, all centres counted: exact", "share": found["expected"]},
        {"what": f"measured on {settings['draws']:,} draws", "share": found["share"]},
    ]
    said = [
        "Near a border a part of the square falls off. Averaged over all centres, one square covers along each side",
        Equation(
            r"\mathrm{E}[\text{rows}] = \frac{1}{H} \sum_{y=0}^{H-1} (r_2 - r_1) "
            rf"= {down * height:.4g} \text{{ of }} {height}"
        ),
        "rows, and of the columns likewise; rows and columns are drawn independently, so their fractions multiply:",
        Equation(
            r"\mathrm{E}[\text{fraction}] = "
            rf"\frac{{{down * height:.4g}}}{{{height}}} \cdot \frac{{{across * width:.4g}}}{{{width}}} "
            rf"= {down * across:.4f}",
        ),
        *_several_squares(found, settings),
        Table(
            "Fraction of the image that is hidden",
            [Column("what", "", align="left"), Column("share", "Fraction", format=".2%")],
            rows,
            foot=[f"The measured mean has a standard error of {100 * found['share_error']:.2f} percentage points."],
            name="shares",
        ),
    ]
    often = arrays["often"]  # exact, over all centres
    grey = [shaded(mask.astype(float)) for mask in (arrays["one"], arrays["few"])]
    whole = found["whole"]
    kept = "" if whole is None else f"The square lies whole within the image for {100 * whole:.1f} % of the centres. "
    said += [
        pictures(
            "How often each pixel is hidden",
            [
                Picture("one mask", grey[0]),
                Picture("mean of 30 masks", grey[1]),
                Picture("all centres: exact", shaded(often, 0)),
            ],
            columns=3,
            largest=192,
            name="how-often",
            caption=f"Dark: hidden more often, {often.max():.0%} of the time in the middle, {often.min():.0%} in the "
            "rarest corner.",
        ),
        f"{kept}Crossing the border is meant: it leaves some images with nearly everything in view. The paper's "
        "authors found this, or leaving half of the images alone, important: a network that only ever sees maimed "
        "pictures is at a loss before a whole one. Images are left whole when the network is tested.",
    ]
    return said


def _several_squares(found: dict[str, Any], settings: dict[str, Any]) -> list[Any]:
    """How several squares on one image come to what they hide."""
    if settings["holes"] == 1:
        return []
    return [
        f"{settings['holes']} squares may overlap. A pixel stays visible when all of them miss it; averaged over the "
        "pixels, that gives",
        Equation(
            rf"\mathrm{{E}}[\text{{fraction}}] = \frac{{1}}{{H W}} \sum_{{i,j}} \left(1 - (1 - q_{{i,j}})^"
            rf"{{{settings['holes']}}}\right) = {found['expected']:.4f}",
            "$q_{i,j}$: the probability that one square hides the pixel.",
        ),
    ]


def _against_dropout(trials: Any) -> list[Any]:
    found, settings = trials[0].result, trials[0].settings
    rows = [_known("single pixels (dropout)", trials, "guess_dropout"), _known("cutout", trials, "guess_cutout")]
    exact = settings["holes"] == 1
    deep = [
        {"depth": f"{depth} layers" if depth != 1 else "1 layer", "cutout": 100 * cut, "dropout": 100 * drop}
        for depth, cut, drop in zip(DEPTHS, found["blind_cutout"], found["blind_dropout"], strict=True)
    ]
    columns = [
        Column("what", "", align="left"),
        Column("dropout", "Dropout", align="left"),
        Column("cutout", "Cutout", align="left"),
    ]
    facts = [
        ("What goes", "single units, each by its own coin", "one connected square of the input"),
        ("Where", "any layer, each with a coin of its own", "the input alone, all channels at once"),
        ("What is left of it deeper in", "other maps still show the same spot", "no map can: it never came in"),
        ("Rescaled by 1/(1 − p)", "yes, to keep the mean", "no: zero is the mean of normalised images"),
        ("Works like", "noise in the network; many thinned networks", "new training images; partly hidden objects"),
        ("When tested", "off", "off"),
    ]
    return [
        "Both hide something while training so that the network cannot lean on a few details. The difference is "
        "what it can still find out.",
        Table("Two ways to hide", columns, [dict(zip(("what", "dropout", "cutout"), f, strict=True)) for f in facts]),
        "**Neighbouring pixels tell of each other.** Take the images, hide pixels, and guess each hidden one as "
        "smoothly as possible from those around it:",
        bars(
            "What the visible pixels tell of the hidden ones",
            rows,
            x="how",
            y="right",
            band=("low", "high") if len(trials) > 1 else None,
            y_format=".0%",
            x_title="hidden",
            y_title="explained fraction of its variation",
            name="told",
            caption="Measured here, the same fraction of pixels hidden both ways; 0 % is guessing the mean colour.",
        ),
        "**A unit deeper in the network sees a window of the image**, $(2k+1)$ pixels wide after $k$ convolutions of "
        "3×3. It is blind when all of its window is hidden. With pixels dropped at a rate $p$ its "
        "probability is $p^{9}$ after one layer, away from the border; a square hides whole windows at once:",
        Table(
            "Units that see hidden pixels alone",
            [
                Column("depth", "After", align="left"),
                Column("cutout", "Cutout", unit="%", format=".2f"),
                Column("dropout", "Dropout of pixels", unit="%", format=".3g"),
            ],
            deep,
            foot=[
                "Cutout: exact, over all centres." if exact else "Cutout: measured on 2,000 draws of all squares.",
                "Dropout: the mean of p to the number of pixels in the window, which are fewer at a border.",
            ],
            name="blind",
        ),
        "So, as DeVries and Taylor argue, dropout does little in convolutional layers: they have few weights, which "
        "need less of it, and what one unit loses its neighbours in the map keep. Cutout removes the same spot from "
        "all later maps at once, and so acts like data augmentation: it shows objects half hidden, as the world does, "
        "and rewards looking at the whole picture rather than at one telling detail.",
    ]


def _known(how: str, trials: Any, name: str) -> dict[str, Any]:
    """What the visible pixels tell, with its interval over several seeds."""
    right = Summary.of([1 - trial.result[name] for trial in trials])
    return {"how": how, "right": right.mean, "low": right.low, "high": right.high}


def _published() -> list[Any]:
    rows = [{"network": n, "without": a, "with": b, "saved": (a - b) / a, "runs": k} for n, a, b, k in PUBLISHED]
    return [
        Table(
            "Test error on CIFAR-10 as published",
            [
                Column("network", "Network", align="left"),
                Column("without", "Without", unit="%", format=".2f"),
                Column("with", "With cutout", unit="%", format=".2f"),
                Column("saved", "Errors saved", format=".0%"),
                Column("runs", "Runs", format="d"),
            ],
            rows,
            foot=["Means, with crops and flips, S = 16: as the authors give them at github.com/uoguelph-mlrg/Cutout."],
            name="published",
        ),
        "This study trains nothing; whether a network of yours gains is a question for an experiment.",
    ]


def _checks(trials: Any) -> list[Any]:
    found, settings = trials[0].result, trials[0].settings
    gaps = [trial.result["torch_gap"] for trial in trials]
    gap = None if None in gaps else max(gaps)
    if gap is None:
        torch = "PyTorch is not installed, so the check by counting stands alone."
    else:
        torch = (
            "PyTorch makes the same mask another way: a 1 at the centre, spread by a transposed convolution with "
            f"S×S ones. The largest difference between its images and ours is **{gap:.1g}**."
        )
    fraction = float(np.mean([trial.result["share"] for trial in trials]))
    error = float(np.mean([trial.result["share_error"] for trial in trials])) / len(trials) ** 0.5
    off = abs(fraction - found["expected"]) / max(error, 1e-12)
    drawn = settings["draws"] * len(trials)
    checks = [
        torch,
        f"Of {drawn:,} draws, {100 * fraction:.2f} % of the pixels were hidden: {off:.1f} standard errors from what "
        f"counting all centres gives, {100 * found['expected']:.2f} %.",
    ]
    return [
        "\n".join(f"- {check}" for check in checks),
        _assumed(settings),
    ]


def _assumed(settings: Any) -> str:
    """What the question leaves open, as it was set."""
    return (
        f"Assumed, each by option: {_squares(settings)} an image (`holes`), S = {settings['size']} (`size`; the "
        f"paper takes 16 for CIFAR-10, 8 for CIFAR-100), centres {'as set' if settings['centres'] else 'drawn'} "
        "(`centres`), every image cut. Where S is odd, the authors' code hides S − 1 pixels a side and this page S."
    )
