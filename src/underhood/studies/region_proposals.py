r"""Region proposals: how Faster R-CNN finds out where to look, every step on one picture.

    picture → feature map → at every place k anchors → objectness p and four deltas for each
            → decode → clip at the border → drop what is tiny → the best N → non-maximum suppression → proposals

A small region proposal network (`rpn.py`) is trained here in seconds, on drawn scenes, and then looked at while it
works on one picture: a drawn one with known objects, or one's own.

    underhood run region-proposals --set threshold=0.5
    underhood run region-proposals --set image=street.png --set scales=[16,32,64]

Sources: Girshick 2015, "Fast R-CNN"; Ren, He, Girshick & Sun 2015, "Faster R-CNN" (its table 5 for the times).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from underhood.data import stream
from underhood.errors import BadInput, MissingPiece
from underhood.figures import Figure, bars, lines
from underhood.figures.matrix import matrix
from underhood.figures.pictures import Box, Picture, pictures, shaded
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.settings import SettingError, Settings
from underhood.studies import selective_search
from underhood.studies.boxes import clip, decode, encode, iou, nms, suppression
from underhood.studies.rpn import STRIDE, Trainer, anchor_boxes, anchor_sizes, in_order, inside, small
from underhood.studies.scenes import scene
from underhood.tables import Column, Table, number
from underhood.training.backends import backend
from underhood.training.events import Artefact, Context, Event, Metric, Note, Result

Array = NDArray[Any]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]

HEADS, MEMBERS = 3, 4  # boxes of the worked example of suppression: clusters, and boxes of each
POOLED, HIDDEN = 4, 128  # the detector after the proposals, for its time: 4×4 places a box, one hidden layer
# Milliseconds on one K40 with VGG-16; selective search ran on the processor. Table 5 of Faster R-CNN.
PUBLISHED = {"fast": (146.0, 1510.0, 174.0), "faster": (141.0, 10.0, 47.0)}
PARTS = ("Feature map", "Region proposals", "Classes and boxes of the proposals")


class RegionProposalsSettings(Settings):
    """The picture, the anchors, the training and the steps after it."""

    image: str = Field("", description="a picture file of one's own (read by Pillow); a drawn scene when empty")
    objects: int = Field(3, ge=1, le=6, description="objects in the drawn scene")
    height: int = Field(96, ge=48, le=160, description="of the drawn scenes, in pixels")
    width: int = Field(128, ge=48, le=160, description="of the drawn scenes; a picture of one's own is made to fit")
    scales: list[Positive] = Field([16, 26, 42], min_length=1, max_length=5, description="√area of the anchors, pixels")
    ratios: list[Positive] = Field([0.5, 1, 2], min_length=1, max_length=5, description="height over width")
    steps: int = Field(300, ge=1, description="training steps")
    batch: int = Field(4, ge=1, le=64, description="scenes a step")
    lr: float = Field(0.002, gt=0, description="Adam's; a fifth of it in the last 30 % of the steps")
    sampled: int = Field(64, ge=2, description="anchors a scene that the loss counts, at most half of them objects")
    foreground: Share = Field(0.5, description="an anchor is an object from this IoU on; 0.7 in the paper")
    background: Share = Field(0.3, description="and background below this one")
    kept_before: int = Field(300, ge=1, le=3000, description="proposals that go into suppression, best first")
    kept_after: int = Field(50, ge=1, description="proposals that are handed on")
    smallest: float = Field(4, ge=0, description="sides in pixels below which a proposal is dropped")
    threshold: Share = Field(0.7, description="suppression removes what overlaps a better box by more than this IoU")
    test_scenes: int = Field(20, ge=1, description="fresh scenes to count how many objects the proposals cover")
    backend: Literal["auto", "torch", "underhood"] = Field(
        "auto", description="what trains the network: PyTorch where it is installed, else this package's engine"
    )
    threads: int = Field(1, ge=1, description="threads of the training and of the timing")

    @field_validator("image")
    @classmethod
    def _there(cls, given: str) -> str:
        if given and not Path(given).expanduser().is_file():
            raise ValueError(f'there is no file "{given}"')
        return given

    @model_validator(mode="after")
    def _possible(self) -> "RegionProposalsSettings":
        if self.background > self.foreground:
            raise SettingError("background", f"{self.background:g} is above foreground, {self.foreground:g}")
        if min(self.scales) > min(self.height, self.width):
            raise SettingError("scales", f"no anchor fits into a picture of {self.height}×{self.width} pixels")
        return self


# The trial


def trial(settings: RegionProposalsSettings, seed: int, context: Context) -> Iterator[Event]:
    """Train the network, look at it at work on one picture, and time it beside selective search."""
    sizes = anchor_sizes(settings.scales, settings.ratios)
    shape = (settings.height, settings.width)
    back = backend(_backend(settings.backend), "float32")
    share = (settings.foreground, settings.background)
    trainer = Trainer(back, sizes, shape, seed, settings.lr, settings.batch, settings.sampled, share)
    yield Note(f"training a region proposal network on drawn scenes, by {back.name}")
    before = _recall(trainer, settings, seed)
    for step, objectness, box in trainer.steps(settings.steps):
        yield Metric(step, {"objectness_loss": objectness, "box_loss": box})
        if context.stopping():
            return
    picture, truths = _picture(settings, seed)
    found = propose(trainer, picture, settings)
    example = _example(found)
    yield Artefact("arrays.npz", lambda path: _save(path, {"picture": picture, "truths": truths, **found}))
    yield Result(
        {
            "backend": back.name,
            "map": list(found["objectness"].shape[1:]),
            "kinds": len(sizes),
            "counts": _counts(found, settings),
            "paper_anchors": _paper_anchors(),
            "decoded": _decoded(found),
            "example": example,
            "suppressed": _worked(found, example, settings.threshold),
            "recall_before": before,
            "recall": _recall(trainer, settings, seed),
            "times": _times(trainer, picture, found, settings),
            "coding": encode(np.array([[0.0, 0, 10, 20]]), np.array([[2.0, 3, 14, 18]]), (10, 10, 5, 5))[0].tolist(),
            "torch_gap": _torch_gap(trainer, picture, found),
            "plain_nms": _plain_nms(found, settings.threshold),
        }
    )


def _backend(name: str) -> str:
    if name != "auto":
        return name
    from importlib.util import find_spec

    return "torch" if find_spec("torch") else "underhood"


def propose(trainer: Trainer, picture: Array, settings: RegionProposalsSettings) -> dict[str, Array]:
    """Everything between one picture and its proposals, by name, in the order of the steps."""
    height, width = picture.shape[:2]
    features, objectness, deltas = trainer.look(picture)
    logits, steps = in_order(objectness.astype(float), deltas.astype(float))
    anchors = anchor_boxes(objectness.shape[1], objectness.shape[2], trainer.sizes)
    return {"features": features, "objectness": objectness} | _filtered(anchors, logits, steps, height, width, settings)


def _filtered(
    anchors: Array, logits: Array, steps: Array, height: int, width: int, settings: RegionProposalsSettings
) -> dict[str, Array]:
    """From the network's two outputs to the proposals."""
    boxes = decode(anchors, steps)
    clipped = clip(boxes, height, width)
    large = np.flatnonzero(~small(clipped, settings.smallest))
    best = large[np.argsort(-logits[large], kind="stable")][: settings.kept_before]
    kept = best[nms(clipped[best], logits[best], settings.threshold)]
    return {
        "anchors": anchors,
        "inside": inside(anchors, height, width),
        "logits": logits,
        "deltas": steps,
        "decoded": boxes,
        "clipped": clipped,
        "large": large,
        "best": best,
        "kept": kept,
        "proposals": kept[: settings.kept_after],
    }


def _picture(settings: RegionProposalsSettings, seed: int) -> tuple[Array, Array]:
    """The picture (H, W, 3) of 0 to 255 and the boxes of its objects; of one's own picture no box is known."""
    if not settings.image:
        rng = stream("augmentation", seed, name="example")
        return scene(rng, settings.height, settings.width, settings.objects)
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingPiece("A picture file is read by Pillow: pip install 'underhood[images]'") from error
    try:
        with Image.open(Path(settings.image).expanduser()) as opened:
            opened.thumbnail((settings.width, settings.height))
            return np.asarray(opened.convert("RGB")), np.zeros((0, 4))
    except (OSError, SyntaxError) as error:
        raise BadInput(f"{settings.image}: not a picture that can be read ({error}).") from error


def _counts(found: dict[str, Array], settings: RegionProposalsSettings) -> dict[str, int]:
    crossing = (found["decoded"] != found["clipped"]).any(1)
    scores = _probability(found["logits"][found["proposals"]])
    return {
        "anchors": len(found["anchors"]),
        "inside": int(found["inside"].sum()),
        "decoded": len(found["decoded"]),
        "crossing": int(crossing.sum()),
        "large": len(found["large"]),
        "best": len(found["best"]),
        "kept": len(found["kept"]),
        "proposals": len(found["proposals"]),
        "sure": int((scores >= 0.5).sum()),
    }


def _paper_anchors() -> dict[str, int]:
    """The same count for the paper's picture of 1000×600, stride 16, anchors of 128, 256, 512 pixels."""
    anchors = anchor_boxes(600 // 16, 1000 // 16, anchor_sizes([128, 256, 512], [0.5, 1, 2]), 16)
    return {"anchors": len(anchors), "inside": int(inside(anchors, 600, 1000).sum())}


def _probability(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits))


def _decoded(found: dict[str, Array]) -> list[dict[str, Any]]:
    """The five best proposals from anchor to clipped box, and one that the border cuts."""
    crossing = [row for row in found["best"] if (found["decoded"][row] != found["clipped"][row]).any()]
    rows = list(dict.fromkeys([*found["kept"][:5].tolist(), *crossing[:1]]))
    return [
        {
            "row": int(row),
            "p": float(_probability(found["logits"][row])),
            **{name: found[name][row].tolist() for name in ("anchors", "deltas", "decoded", "clipped")},
        }
        for row in rows
    ]


def _example(found: dict[str, Array]) -> list[int]:
    """A dozen of the proposals to show suppression by: the best ones, each with some that overlap it."""
    boxes, best = found["clipped"], found["best"]
    heads = best[nms(boxes[best], found["logits"][best], 0.3)][:HEADS]
    chosen: list[int] = []
    for head in heads:
        near = best[iou(boxes[head : head + 1], boxes[best])[0] > 0.3]
        chosen += [row for row in near.tolist() if row not in chosen][:MEMBERS]
    return sorted(chosen, key=lambda row: -found["logits"][row])


def _worked(found: dict[str, Array], example: Sequence[int], threshold: float) -> dict[str, Any]:
    rows = np.array(example)
    boxes = found["clipped"][rows]
    steps = suppression(boxes, found["logits"][rows], threshold)
    return {
        "boxes": boxes.tolist(),
        "p": _probability(found["logits"][rows]).tolist(),
        "iou": iou(boxes, boxes).tolist(),
        "steps": [{"kept": step.kept, "removed": [list(pair) for pair in step.removed]} for step in steps],
    }


def _recall(trainer: Trainer, settings: RegionProposalsSettings, seed: int) -> dict[str, float]:
    """The share of the objects of fresh scenes that some proposal covers with IoU ≥ 0.5."""
    covered, proposed = [], 0
    for i in range(settings.test_scenes):
        rng = stream("augmentation", seed, epoch=i, name="test")
        picture, truths = scene(rng, settings.height, settings.width, settings.objects)
        found = propose(trainer, picture, settings)
        boxes = found["clipped"][found["proposals"]]
        covered += iou(truths, boxes).max(1).tolist()
        proposed += len(boxes)
    return {
        "objects": len(covered),
        "share": float(np.mean(np.array(covered) >= 0.5)),
        "iou": float(np.mean(covered)),
        "proposals": proposed / settings.test_scenes,
    }


# Times


def _times(trainer: Trainer, picture: Array, found: dict[str, Array], settings: RegionProposalsSettings) -> Any:
    """Milliseconds of the three parts of both detectors on this picture, medians of repeats."""
    back, net = trainer.back, trainer.net
    height, width = picture.shape[:2]
    x = back.tensor((picture.transpose(2, 0, 1) / 127.5 - 1)[None].astype(np.float32))
    with back.no_grad():
        features = net.backbone(x)

        def network_proposals() -> None:
            objectness, deltas = (np.array(back.array(out))[0] for out in net.head(features))
            logits, steps = in_order(objectness.astype(float), deltas.astype(float))
            anchors = anchor_boxes(objectness.shape[1], objectness.shape[2], trainer.sizes)
            _filtered(anchors, logits, steps, height, width, settings)

        searched = selective_search.proposals(picture)
        ours = found["clipped"][found["proposals"]]
        weights = stream("init", 0, name="detector").standard_normal((len(found["features"]) * POOLED**2, HIDDEN))
        feature_map = found["features"]
        common = _median(lambda: net.backbone(x), 9)
        return {
            "fast": [common, _median(lambda: selective_search.proposals(picture), 3),
                     _median(lambda: _detector(feature_map, searched, weights), 5)],
            "faster": [common, _median(network_proposals, 9),
                       _median(lambda: _detector(feature_map, ours, weights), 5)],
            "searched": len(searched),
            "proposed": len(ours),
        }  # fmt: skip


def _detector(features: Array, boxes: Array, weights: Array) -> Array:
    """What stands behind the proposals in both detectors: pool each box to 4×4, one layer. Untrained: for its time."""
    _, rows, columns = features.shape
    pooled = np.zeros((len(boxes), len(features), POOLED, POOLED))
    for n, (left, top, right, bottom) in enumerate(boxes / STRIDE):
        down = np.linspace(top, bottom, POOLED + 1).clip(0, rows)
        across = np.linspace(left, right, POOLED + 1).clip(0, columns)
        for i in range(POOLED):
            one, two = _bin(down[i], down[i + 1], rows)
            for j in range(POOLED):
                three, four = _bin(across[j], across[j + 1], columns)
                pooled[n, :, i, j] = features[:, one:two, three:four].max((1, 2))
    return np.maximum(pooled.reshape(len(boxes), -1) @ weights, 0)


def _bin(start: float, end: float, length: int) -> tuple[int, int]:
    first = min(int(start), length - 1)
    return first, min(max(first + 1, int(np.ceil(end))), length)


def _median(work: Callable[[], Any], repeats: int) -> float:
    """Milliseconds, after one run to warm up."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return float(np.median(taken))


# Checks


def _torch_gap(trainer: Trainer, picture: Array, found: dict[str, Array]) -> float | None:
    """The largest difference of the two outputs from the other library's, with the same weights, in float64.

    Where the network was trained by PyTorch this package's engine answers, and the other way round.
    """
    if _backend("auto") != "torch":
        return None
    outputs = []
    for name in ("torch", "underhood"):
        back = backend(name, "float64")
        other = Trainer(back, trainer.sizes, trainer.shape, 0, 0.1, 1, 2, trainer.share)
        weights = {key: np.array(trainer.back.array(value)) for key, value in trainer.net.state_dict().items()}
        other.net.load_state_dict({key: back.tensor(value.astype(np.float64)) for key, value in weights.items()})
        outputs.append(other.look(picture)[1:])
    return max(float(np.abs(a - b).max()) for a, b in zip(*outputs, strict=True))


def _plain_nms(found: dict[str, Array], threshold: float) -> bool:
    """Whether suppression agrees with its definition: a box stays unless a better one that stays overlaps it."""
    best = found["best"]
    overlap = iou(found["clipped"][best], found["clipped"][best])
    stays: list[int] = []
    for i in range(len(best)):
        if all(overlap[i, j] <= threshold for j in stays):
            stays.append(i)
    return bool(best[stays].tolist() == found["kept"].tolist())


def _save(path: Path, arrays: dict[str, Array]) -> None:
    packed = BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # the stubs want allow_pickle first
    path.write_bytes(packed.getvalue())


# The report


def report(results: Results) -> Document:
    """Fast beside Faster R-CNN, and the proposal network at work on one picture."""
    trials = [trial for group in results.groups for trial in group.counted]
    if not trials:
        return Document(study.title, study.question, "No trial finished, so there is nothing to show.")
    first = trials[0]
    found, settings = first.result, first.settings
    with np.load(first.artefact("arrays.npz")) as packed:
        arrays = {name: packed[name] for name in packed.files}
    return Document(
        title=study.title,
        question=study.question,
        answer=_answer(found, settings),
        sections=[
            Section("Fast beside Faster R-CNN", _fast_and_faster(found)),
            Section("The region proposal network", _structure(found, settings)),
            Section("From the picture to the map", _first_look(arrays)),
            Section("Anchors", _anchors(found, settings, arrays)),
            Section("How it learns", _learning(found, settings, trials)),
            Section("From deltas to boxes", _decoding(found, arrays)),
            Section("Non-maximum suppression, step by step", _suppression(found, settings, arrays)),
            Section("How many are left", _left(found)),
            Section("Checks, and what is assumed", _checks(found, settings)),
        ],
    )


def _answer(found: dict[str, Any], settings: dict[str, Any]) -> str:
    c, recall, times = found["counts"], found["recall"], found["times"]
    fast, faster = (_shares(PUBLISHED[which])[1] for which in ("fast", "faster"))
    covered, before = (f"{100 * of['share']:.0f} %" for of in (recall, found["recall_before"]))
    return (
        "Fast R-CNN waits for its region proposals; Faster R-CNN lets a network make them from the feature map that it "
        f"has computed anyway. In the paper proposals took {100 * fast:.0f} % of a picture's time before and "
        f"{100 * faster:.0f} % after; measured here, {times['fast'][1]:.0f} ms by selective search and "
        f"{times['faster'][1]:.0f} ms by the network. On one picture **{c['anchors']:,}** anchors become "
        f"{c['large']:,} clipped boxes that are not tiny, the best {c['best']} go into non-maximum suppression, "
        f"**{c['kept']}** come out of it and {c['proposals']} are handed on, {c['sure']} of them surer than not that "
        f"they hold an object. On {settings['test_scenes']} fresh scenes the proposals cover **{covered}** of "
        f"{recall['objects']} objects (IoU ≥ 0.5); before training {before}."
    )


def _shares(times: Sequence[float]) -> list[float]:
    return [each / sum(times) for each in times]


def _fast_and_faster(found: dict[str, Any]) -> list[Any]:
    times = found["times"]
    columns = [
        Column("part", "Part", align="left"),
        Column("fast", "Fast R-CNN", unit="ms", format=",.1f"),
        Column("fast_share", "Share", format=".0%"),
        Column("faster", "Faster R-CNN", unit="ms", format=",.1f"),
        Column("faster_share", "Share", format=".0%"),
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
            "Time for one picture, as published", columns, rows(PUBLISHED), name="published-times",
            foot=["VGG-16 on one K40, selective search on the processor; Ren et al. 2015, table 5."],
        ),
        Table(
            "Time for one picture, measured here", columns, rows(times), name="measured-times",
            foot=[
                f"Medians. This page's network and a selective search in Python: {times['searched']} proposals of "
                f"search, {times['proposed']} of the network.",
                "The detector behind the proposals is untrained: its time does not depend on its weights. Drawn scenes "
                "have few regions; on photographs selective search proposes about 2,000.",
            ],
        ),
        bars(
            "Where the time goes",
            [{"part": part, "detector": title, "share": share}
             for which, title in (("fast", "Fast R-CNN"), ("faster", "Faster R-CNN"))
             for part, share in zip(PARTS, _shares(times[which]), strict=True)],
            x="part", y="share", series="detector", y_format=".0%", x_title="", y_title="share of the time, measured",
            name="shares",
        ),
        "So the answer to *why is it faster* is one part, not all: the proposals. The convolutions cost the same, and "
        "with fewer and better proposals the last part gets cheaper too. Here the network below is so small that its "
        "map costs next to nothing, which leaves the proposals a larger share than VGG-16 would; the milliseconds "
        "tell more than the shares.",
    ]  # fmt: skip


def _structure(found: dict[str, Any], settings: dict[str, Any]) -> list[Any]:
    rows, columns = found["map"]
    kinds, height, width = found["kinds"], settings["height"], settings["width"]
    where = f"{rows}×{columns}"
    steps = [
        ("picture", "", "3×" + (f"{height}×{width}" if not settings["image"] else "H×W"), "3×600×1000"),
        ("convolutions, shared with the detector", "3×3, ReLU", f"48×{where}", "512×37×62 (VGG-16, stride 16)"),
        ("the window that slides over the map", "3×3, ReLU", f"64×{where}", "512×37×62"),
        ("objectness", "1×1", f"{kinds}×{where}", "18×37×62: two classes for each of 9 anchors"),
        ("box deltas", "1×1", f"{4 * kinds}×{where}", "36×37×62"),
    ]
    return [
        "The RPN is a small, fully convolutional network on top of the shared feature map. A 3×3 convolution looks at "
        "a window around every place; two 1×1 convolutions beside each other read from it, for each of $k$ **anchors** "
        "(boxes of fixed shapes around that place), an **objectness**, *is there anything?*, and four **deltas**, "
        "*how must the anchor move and stretch to fit it?* Being a convolution it asks the same question everywhere, "
        "so an object that moves moves its proposal.",
        Table(
            "The layers",
            [Column("layer", "Layer", align="left"), Column("kind", "Kind", align="left"),
             Column("here", "Output here", align="left"), Column("paper", "In the paper", align="left")],
            [dict(zip(("layer", "kind", "here", "paper"), step, strict=True)) for step in steps], name="layers",
        ),
        f"Here $k = {len(settings['scales'])} \\cdot {len(settings['ratios'])} = {kinds}$, and one place of the map "
        f"stands for {STRIDE}×{STRIDE} pixels of the picture.",
    ]  # fmt: skip


def _boxes_of(rows: Array, kind: str, names: Sequence[str] = ()) -> list[Box]:
    labels = [*names, *[""] * (len(rows) - len(names))]
    return [_box(row, label, kind) for row, label in zip(rows, labels, strict=True)]


def _box(edges: Array, label: str, kind: str) -> Box:
    left, top, right, bottom = edges.tolist()
    return Box(left, top, right, bottom, label, kind)


def _first_look(arrays: dict[str, Array]) -> list[Any]:
    picture, features = arrays["picture"], arrays["features"]
    strongest = np.argsort(-features.std((1, 2)), kind="stable")[:6]
    maps = [Picture(f"channel {i}", shaded(features[i])) for i in strongest]
    p = _probability(arrays["objectness"]).max(0)
    truths = arrays["truths"]
    told = "its objects" if len(truths) else "one's own picture"
    return [
        "The picture, six of the 48 channels of its feature map (dark is strong), and the objectness: at each place "
        "the largest probability among its anchors.",
        pictures(
            "Picture, objectness",
            [Picture(f"the picture: {told}", picture, _boxes_of(truths, "object")),
             Picture(f"objectness, {p.min():.2f} (white) to {p.max():.2f}", shaded(p, 0, 1))],
            columns=2, largest=302, name="objectness",
        ),
        pictures("Feature map", maps, columns=6, largest=96, name="features"),
    ]  # fmt: skip


def _anchors(found: dict[str, Any], settings: dict[str, Any], arrays: dict[str, Array]) -> list[Any]:
    rows, columns = found["map"]
    kinds = found["kinds"]
    sizes = [(s, r) for s in settings["scales"] for r in settings["ratios"]]
    middle = (rows // 2 * columns + columns // 2) * kinds
    at = arrays["anchors"][middle : middle + kinds]
    boxes = [_box(box, "", f"scale {scale:g}") for box, (scale, _) in zip(at, sizes, strict=True)]
    s, r = sizes[0]
    w, h = (at[0, 2] - at[0, 0]), (at[0, 3] - at[0, 1])
    x, y = (at[0, 0] + at[0, 2]) / 2, (at[0, 1] + at[0, 3]) / 2
    p = found["paper_anchors"]
    c = found["counts"]
    return [
        "An anchor of scale $s$ and ratio $r$ (height over width) has the area $s^2$:",
        Equation(r"w = \frac{s}{\sqrt{r}}, \qquad h = s\,\sqrt{r}", "All $k$ stand around every place's middle."),
        Equation(
            rf"s = {s:g},\ r = {r:g}: \quad w = \frac{{{s:g}}}{{\sqrt{{{r:g}}}}} = {w:.2f}, \quad "
            rf"h = {s:g} \cdot \sqrt{{{r:g}}} = {h:.2f}",
            f"At row {rows // 2}, column {columns // 2} of the map, the middle is "
            f"$x = ({columns // 2} + 0.5) \\cdot {STRIDE} = {x:g}$, $y = ({rows // 2} + 0.5) \\cdot {STRIDE} = {y:g}$.",
        ),
        pictures(
            f"The {kinds} anchors of one place", [Picture("around the middle of the map", arrays["picture"], boxes)],
            columns=1, largest=384, name="anchors",
        ),
        Equation(
            rf"{rows} \cdot {columns} \cdot {kinds} = {number(c['anchors'])}".replace(",", "{,}"),
            f"anchors on this picture, {c['inside']:,} of them inside it. In the paper, on 1000×600 pixels with stride "
            f"16: 62 · 37 · 9 = {p['anchors']:,} (\"about 20,000\"), by this page's count {p['inside']:,} inside "
            "(\"about 6,000\").",
        ),
    ]  # fmt: skip


def _learning(found: dict[str, Any], settings: dict[str, Any], trials: Sequence[Any]) -> list[Any]:
    rows = [
        {"step": step, "loss": value, "part": title}
        for name, title in (("objectness_loss", "objectness"), ("box_loss", "box deltas"))
        for step, value in _smooth(trials[0].metric(name))
    ]
    before, after = found["recall_before"], found["recall"]
    return [
        f"An anchor counts as an object when its IoU with one is at least {settings['foreground']:g}, or when it is "
        f"that object's best anchor; as background when its IoU with every object is below "
        f"{settings['background']:g}. The others, and those that cross the border, teach nothing. Of each picture "
        f"{settings['sampled']} anchors are drawn, at most half of them objects, for background would drown them.",
        Equation(
            r"\begin{aligned} L &= \frac{1}{N}\sum_i \left( -y_i \log p_i - (1 - y_i) \log(1 - p_i) \right) \\ "
            r"&+ \frac{1}{N_+}\sum_{i:\, y_i = 1} \sum_{j=1}^{4} \mathrm{smooth}(t_{ij} - t^*_{ij}) \end{aligned}",
            "$p = \\sigma(z)$ is the objectness, $t$ the deltas, $t^*$ the right ones. smooth is the square near 0 and "
            "the absolute value further out: large errors pull no harder than middling ones.",
        ),
        lines(
            "Training loss", rows, x="step", y="loss", series="part", log_y=True, y_title="loss", x_title="step",
            caption=f"Means of ten steps, each of {settings['batch']} freshly drawn scenes; by {found['backend']}.",
            name="loss",
        ),
        Table(
            f"Objects that a proposal covers with IoU ≥ 0.5, on {settings['test_scenes']} fresh scenes",
            [Column("when", "", align="left"), Column("share", "Covered", format=".0%"),
             Column("iou", "Mean best IoU", format=".2f"), Column("proposals", "Proposals a picture", format=".0f")],
            [{"when": when, **{k: of[k] for k in ("share", "iou", "proposals")}}
             for when, of in (("before training", before), ("after", after))],
            name="recall",
        ),
    ]  # fmt: skip


def _smooth(series: dict[int, float], window: int = 10) -> list[tuple[int, float]]:
    steps = sorted(series)
    chunks = [steps[i : i + window] for i in range(0, len(steps), window)]
    return [(chunk[0], float(np.mean([series[step] for step in chunk]))) for chunk in chunks]


def _decoding(found: dict[str, Any], arrays: dict[str, Array]) -> list[Any]:
    one = found["decoded"][0]
    (x1, y1, x2, y2), (dx, dy, dw, dh) = one["anchors"], one["deltas"]
    w, h, x, y = x2 - x1, y2 - y1, (x1 + x2) / 2, (y1 + y2) / 2
    nw, nh = w * np.exp(dw), h * np.exp(dh)
    table = [
        {"box": chr(65 + i), "p": each["p"], "anchor": _box_text(each["anchors"]),
         "deltas": ", ".join(f"{d:.2f}" for d in each["deltas"]), "decoded": _box_text(each["decoded"]),
         "clipped": _box_text(each["clipped"])}
        for i, each in enumerate(found["decoded"])
    ]  # fmt: skip
    rows = np.array([each["row"] for each in found["decoded"]])
    names = [row["box"] for row in table]
    return [
        "The deltas tell where the anchor's middle goes, in units of its size, and by which factor it stretches:",
        Equation(
            r"\begin{aligned} x &= x_a + d_x w_a, & \ y &= y_a + d_y h_a \\ "
            r"w &= w_a e^{d_w}, & \ h &= h_a e^{d_h} \end{aligned}",
            "$d_w$ and $d_h$ are cut at $\\log(1000/16)$, so that no box explodes.",
        ),
        f"For the best proposal, A, from the anchor around ({x:g}, {y:g}) of {w:.1f}×{h:.1f} pixels:",
        Equation(
            r"\begin{aligned}"
            rf"x &= {x:g} + {_signed(dx)} \cdot {w:.2f} = {x + dx * w:.2f}, & \ "
            rf"y &= {y:g} + {_signed(dy)} \cdot {h:.2f} = {y + dy * h:.2f} \\"
            rf"w &= {w:.2f} \cdot e^{{{dw:.3f}}} = {nw:.2f}, & \ h &= {h:.2f} \cdot e^{{{dh:.3f}}} = {nh:.2f}"
            r"\end{aligned}"
        ),
        Table(
            "From anchor to box",
            [Column("box", "Box", align="left"), Column("p", "p", format=".3f"), Column("anchor", "Anchor"),
             Column("deltas", "Deltas"), Column("decoded", "Decoded"), Column("clipped", "Clipped")],
            table, foot=["Boxes are left, top, right, bottom in pixels; the last one crosses the border and is cut."],
            name="decoded",
        ),
        pictures(
            "The same boxes, drawn",
            [Picture("anchors", arrays["picture"], _boxes_of(arrays["anchors"][rows], "box", names)),
             Picture("decoded and clipped", arrays["picture"], _boxes_of(arrays["clipped"][rows], "box", names))],
            columns=2, largest=302, name="anchors-and-boxes",
        ),
    ]  # fmt: skip


def _signed(value: float) -> str:
    return f"{value:.3f}" if value >= 0 else rf"({value:.3f})"


def _box_text(box: Sequence[float]) -> str:
    return ", ".join(f"{edge:.1f}" for edge in box)


def _suppression(found: dict[str, Any], settings: dict[str, Any], arrays: dict[str, Array]) -> list[Any]:
    worked = found["suppressed"]
    names = [str(i) for i in range(1, len(worked["boxes"]) + 1)]
    boxes, overlap = np.array(worked["boxes"]), np.array(worked["iou"])
    limit = settings["threshold"]
    steps = [
        {
            "step": i,
            "kept": names[step["kept"]],
            "p": worked["p"][step["kept"]],
            "removed": ", ".join(f"{names[row]} ({share:.2f})" for row, share in step["removed"]) or "none",
            "left": len(names) - sum(1 + len(each["removed"]) for each in worked["steps"][:i]),
        }
        for i, step in enumerate(worked["steps"], 1)
    ]
    kept = [step["kept"] for step in worked["steps"]]
    counts = found["counts"]
    return [
        "Around an object many anchors answer, so its proposals lie over each other. **IoU** says how much two do:",
        Equation(r"\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}", "1: the same box; 0: nothing in common."),
        *_one_iou(boxes, overlap, names),
        f"Non-maximum suppression keeps the best box, removes all that overlap it with IoU > {limit:g}, and goes on "
        f"with the best one that is left. Worked out on {len(names)} of the {counts['best']} proposals, in order of "
        "their objectness:",
        matrix("IoU of every two", overlap, names, names, name="iou",
               caption=f"A box is removed by an earlier one that is kept when their number is above {limit:g}."),
        Table(
            "Step by step",
            [Column("step", "Step"), Column("kept", "Kept"), Column("p", "p", format=".3f"),
             Column("removed", "Removed (IoU)", align="left"), Column("left", "Still waiting")],
            steps, name="suppression",
        ),
        pictures(
            "Before and after",
            [Picture(f"{len(names)} boxes", arrays["picture"], _boxes_of(boxes, "proposal", names)),
             Picture(f"{len(kept)} kept", arrays["picture"],
                     _boxes_of(boxes[kept], "proposal", [names[row] for row in kept]))],
            columns=2, largest=302, name="before-and-after",
        ),
        f"At {limit:g} an object keeps several boxes: proposals may be generous, for the detector after them sees each "
        "one and suppresses again, class by class. A lower threshold keeps fewer and risks losing one of two objects "
        "that stand close: `--set threshold=0.3`.",
    ]  # fmt: skip


def _one_iou(boxes: Array, overlap: Array, names: Sequence[str]) -> list[Any]:
    """The IoU of two of the boxes, by hand."""
    if len(boxes) < 2:
        return []
    other = int(overlap[0, 1:].argmax()) + 1
    a, b = boxes[0], boxes[other]
    wide, tall = max(0.0, min(a[2], b[2]) - max(a[0], b[0])), max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b)]
    shared = wide * tall
    return [
        Equation(
            rf"\frac{{{wide:.2f} \cdot {tall:.2f}}}{{{areas[0]:.1f} + {areas[1]:.1f} - {shared:.1f}}} "
            rf"= \frac{{{shared:.1f}}}{{{sum(areas) - shared:.1f}}} = {overlap[0, other]:.2f}",
            f"Boxes 1 and {names[other]} below: width times height of what they share, over both areas less that.",
        )
    ]


def _left(found: dict[str, Any]) -> list[Any]:
    c, p = found["counts"], found["paper_anchors"]
    rows = [
        {"step": "anchors, k at every place", "here": c["anchors"], "paper": f"about 20,000 ({p['anchors']:,})"},
        {"step": "    inside the picture: used in training", "here": c["inside"],
         "paper": f"about 6,000 ({p['inside']:,})"},
        {"step": "decoded: one box an anchor", "here": c["decoded"], "paper": "about 20,000"},
        {"step": "    of them crossing the border: clipped", "here": c["crossing"], "paper": "–"},
        {"step": "not tiny", "here": c["large"], "paper": "–"},
        {"step": "the best by objectness", "here": c["best"], "paper": "6,000 or 2,000, by implementation"},
        {"step": "after non-maximum suppression", "here": c["kept"], "paper": "about 2,000"},
        {"step": "handed to the detector", "here": c["proposals"], "paper": "2,000 in training, 300 in use"},
        {"step": "    of them with p ≥ 0.5", "here": c["sure"], "paper": "–"},
    ]  # fmt: skip
    steps = ("anchors", "large", "best", "kept", "proposals", "sure")
    names = ("anchors", "clipped, not tiny", "best by objectness", "after suppression", "handed on", "p ≥ 0.5")
    return [
        Table(
            "Proposals after each step",
            [Column("step", "Step", align="left"), Column("here", "Here", format=",d"),
             Column("paper", "In the paper (by this page's count)", align="left")],
            rows, name="counts",
        ),
        _funnel([{"step": name, "count": c[key]} for key, name in zip(steps, names, strict=True)]),
    ]  # fmt: skip


def _funnel(rows: list[dict[str, Any]]) -> Figure:
    return bars(
        "The funnel", rows, x="step", y="count", log_y=True, y_format=",d", x_title="", y_title="boxes", name="funnel"
    )


def _checks(found: dict[str, Any], settings: dict[str, Any]) -> list[Any]:
    dx, dy, dw, dh = found["coding"]
    gap = found["torch_gap"]
    torch = (
        "PyTorch is not installed, so the checks by published numbers and by definition stand alone."
        if gap is None
        else f"With the trained weights PyTorch and this package's engine give the same objectness and deltas: the "
        f"largest difference in float64 is **{gap:.1g}**."
    )
    agrees = "agrees" if found["plain_nms"] else "**does not agree**"
    checks = [
        torch,
        "The coding on the published example, proposal (0, 0, 10, 20), truth (2, 3, 14, 18), weights 10, 10, 5, 5: "
        f"{dx:.8g}, {dy:.8g}, {dw:.8f}, −{-dh:.8f}; published 3, 0.25, 5·ln 1.2 = 0.91160778, 5·ln 0.75 = −1.43841036.",
        f"Suppression {agrees} with its definition (a box stays unless a better one that stays overlaps it by more "
        f"than {settings['threshold']:g}) on all {found['counts']['best']} boxes.",
    ]
    own = (
        " The picture is one's own, the network has seen drawn shapes alone: what it finds there shows the steps, not "
        "how good a detector can be."
        if settings["image"]
        else ""
    )
    return [
        "\n".join(f"- {check}" for check in checks),
        f"Assumed, each by option: the scenes, anchors of scales {', '.join(f'{s:g}' for s in settings['scales'])} and "
        f"ratios {', '.join(f'{r:g}' for r in settings['ratios'])}; objects from an IoU of "
        f"{settings['foreground']:g} on where the paper says 0.7, for so short a training needs more examples; "
        f"{settings['sampled']} anchors sampled where it samples 256. Assumed without an option: both parts of the "
        "loss weigh the same, one logit and a sigmoid stand for the paper's softmax over two classes, no “+1” on "
        f"widths, suppression where IoU is greater than the threshold, not equal.{own}",
    ]


study = Study(
    name="region-proposals",
    title="Region proposals, step by step",
    question="How does Faster R-CNN find out where to look, and why is it faster than Fast R-CNN?",
    theme="Architectures",
    source="Girshick 2015; Ren, He, Girshick & Sun 2015; course homework, NYU 2022",
    settings=RegionProposalsSettings,
    trial=trial,
    scales={
        "smoke": Scale(
            "20 training steps, 2 test scenes", seeds=1, set={"steps": 20, "batch": 2, "test_scenes": 2}, time="10 s"
        ),
        "quick": Scale("300 training steps of 4 scenes, 20 test scenes", seeds=1, time="30 s"),
        "full": Scale(
            "2,000 training steps of 8 scenes, 100 test scenes", seeds=1,
            set={"steps": 2000, "batch": 8, "test_scenes": 100}, time="10 min",
        ),
    },
    report=report,
)  # fmt: skip
