"""The weights' histograms that a training kept (training/histograms.py), drawn: a figure for each array of weights.

    density of a bin = its count / (all elements · the bin's width)        so that bins of any width can be compared

Each setting's first seed that counts is drawn, at every epoch that was asked for. A report of a study that asks for
histograms ends with them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from underhood.figures import Figure, lines
from underhood.lab.results import Group, Results
from underhood.report.document import Section
from underhood.training.histograms import FOLDER, read

MOST = 12  # figures; the other arrays' histograms are in the files
Kept = dict[str, dict[int, Mapping[str, Any]]]  # by array and epoch


def sections(results: Results) -> list[Section]:
    """One section where a trial kept histograms, none otherwise."""
    kept = {group.label: found for group in results.groups if (found := _of(group))}
    arrays = list(dict.fromkeys(name for found in kept.values() for name in found))
    if not arrays:
        return []
    said = "The first seed's. " * any(len(group.trials) > 1 for group in results.groups)
    said += f"Those of biases and of normalisations are with each trial's artefacts, in `{FOLDER}`."
    if len(arrays) > MOST:
        said += f" Of {len(arrays)} arrays of weights the first {MOST} are drawn; the others are there too."
    figures = [_figure(name, kept, results) for name in arrays[:MOST]]
    return [Section("The weights' histograms", [said, *figures], folded=True)]


def _of(group: Group) -> Kept:
    """The histograms of the first seed that counts, of kernels and matrices."""
    found: Kept = {}
    if not (group.settings.get("histograms") or {}).get("epochs"):
        return found
    for trial in group.counted[:1]:
        for path in sorted((trial.folder.artefacts / FOLDER).glob("epoch-*.json")):
            file = read(path)
            for name in _weights(file["weights"]):
                found.setdefault(name, {})[file["epoch"]] = file["weights"][name]
    return found


def _weights(arrays: Mapping[str, Any]) -> Iterator[str]:
    """What is named a weight, but for the scale of a normalisation, which has a running mean beside it."""
    for name in arrays:
        module, _, last = name.rpartition(".")
        if last == "weight" and f"{module}.running_mean" not in arrays:
            yield name


def _figure(name: str, kept: Mapping[str, Kept], results: Results) -> Figure:
    rows = [
        {
            "weight": at,
            "density": density,
            "of": ", ".join(filter(None, [label * bool(results.varying), f"epoch {epoch}"])),
        }
        for label, found in kept.items()
        for epoch, histogram in found.get(name, {}).items()
        for at, density in _density(histogram)
    ]
    return lines(
        f"Weights of {name}",
        rows,
        x="weight",
        y="density",
        series="of",
        x_title="weight",
        y_title="density",
        name=f"weights-{name}",
        caption="The fraction of the weights in a bin over its width, at the bin's middle.",
    )


def _density(histogram: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    """The middle of each bin and its density; weights that are not finite are in none, but count."""
    counts = histogram["counts"]
    width = (histogram["high"] - histogram["low"]) / len(counts)
    whole = sum(counts) + histogram["not_finite"]
    for i, count in enumerate(counts):
        yield histogram["low"] + (i + 0.5) * width, count / (whole * width)
