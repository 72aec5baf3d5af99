r"""Region proposals: how Faster R-CNN finds out where to look, every step on one picture.

    picture → feature map → at every position k anchors → objectness p and four deltas for each
            → decode → clip at the border → drop what is tiny → the best N → non-maximum suppression → proposals

A small region proposal network (`rpn.py`) is trained here in seconds, on drawn scenes, and then looked at while it
works on one picture: a drawn one with known objects, or one's own.

    underhood run region-proposals --set threshold=0.5
    underhood run region-proposals --set image=street.png --set scales=[16,32,64]

Sources: Girshick 2015, "Fast R-CNN"; Ren, He, Girshick & Sun 2015, "Faster R-CNN" (its table 5 for the times).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from underhood.data import stream
from underhood.errors import BadInput, MissingPiece
from underhood.lab import Scale, Study
from underhood.settings import SettingError, Settings
from underhood.studies.detection import selective_search
from underhood.studies.detection.boxes import clip, decode, encode, iou, nms, suppression
from underhood.studies.detection.report import QUESTION, TITLE, report
from underhood.studies.detection.rpn import (
    STRIDE,
    Trainer,
    anchor_boxes,
    anchor_sizes,
    in_order,
    inside,
    probability,
    small,
)
from underhood.studies.detection.scenes import scene
from underhood.training.backends import backend
from underhood.trials import Artefact, Context, Event, Metric, Note, Result

Array = NDArray[Any]
Fraction = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]

HEADS, MEMBERS = 3, 4  # boxes of the worked example of suppression: clusters, and boxes of each
POOLED, HIDDEN = 4, 128  # the detector after the proposals, for its time: 4×4 positions a box, one hidden layer


class RegionProposalsSettings(Settings):
    """The picture, the anchors, the training and the steps after it."""

    image: str = Field("", description="a picture file of one's own (read by Pillow); a drawn scene when empty")
    image_content: str = Field("", description="its SHA-256; found by itself, so that another picture is another trial")
    objects: int = Field(3, ge=1, le=6, description="objects in the drawn scene")
    height: int = Field(96, ge=48, le=160, description="of the drawn scenes, in pixels")
    width: int = Field(128, ge=48, le=160, description="of the drawn scenes; a picture of one's own is made to fit")
    scales: list[Positive] = Field([16, 26, 42], min_length=1, max_length=5, description="√area of the anchors, pixels")
    ratios: list[Positive] = Field([0.5, 1, 2], min_length=1, max_length=5, description="height over width")
    steps: int = Field(300, ge=1, description="training steps")
    batch: int = Field(4, ge=1, le=64, description="scenes a step")
    lr: float = Field(0.002, gt=0, description="Adam's; a fifth of it in the last 30 % of the steps")
    sampled: int = Field(64, ge=2, description="anchors a scene that the loss counts, at most half of them objects")
    foreground: Fraction = Field(0.5, description="an anchor is an object from this IoU on; 0.7 in the paper")
    background: Fraction = Field(0.3, description="and background below this one")
    kept_before: int = Field(300, ge=1, le=3000, description="proposals that go into suppression, best first")
    kept_after: int = Field(50, ge=1, description="proposals that are handed on")
    smallest: float = Field(4, ge=0, description="sides in pixels below which a proposal is dropped")
    threshold: Fraction = Field(0.7, description="suppression removes what overlaps a better box by more than this IoU")
    test_scenes: int = Field(20, ge=1, description="fresh scenes to count how many objects the proposals cover")
    backend: Literal["auto", "torch", "underhood"] = Field(
        "auto", description="what trains the network: PyTorch where it is installed, else this package's engine"
    )
    threads: int = Field(1, ge=1, description="threads of the training and of the timing")

    @model_validator(mode="before")
    @classmethod
    def _know_the_content(cls, given: dict[str, Any]) -> dict[str, Any]:
        path = Path(str(given.get("image", ""))).expanduser()
        return {**given, "image_content": sha256(path.read_bytes()).hexdigest() if path.is_file() else ""}

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
    fraction = (settings.foreground, settings.background)
    trainer = Trainer(back, sizes, shape, seed, settings.lr, settings.batch, settings.sampled, fraction)
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
    scores = probability(found["logits"][found["proposals"]])
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


def _decoded(found: dict[str, Array]) -> list[dict[str, Any]]:
    """The five best proposals from anchor to clipped box, and one that the border cuts."""
    crossing = [row for row in found["best"] if (found["decoded"][row] != found["clipped"][row]).any()]
    rows = list(dict.fromkeys([*found["kept"][:5].tolist(), *crossing[:1]]))
    return [
        {
            "row": int(row),
            "p": float(probability(found["logits"][row])),
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
        "p": probability(found["logits"][rows]).tolist(),
        "iou": iou(boxes, boxes).tolist(),
        "steps": [{"kept": step.kept, "removed": [list(pair) for pair in step.removed]} for step in steps],
    }


def _recall(trainer: Trainer, settings: RegionProposalsSettings, seed: int) -> dict[str, float]:
    """The fraction of the objects of fresh scenes that some proposal covers with IoU ≥ 0.5."""
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
            "fast": [
                common,
                _median(lambda: selective_search.proposals(picture), 3),
                _median(lambda: _detector(feature_map, searched, weights), 5),
            ],
            "faster": [
                common,
                _median(network_proposals, 9),
                _median(lambda: _detector(feature_map, ours, weights), 5),
            ],
            "searched": len(searched),
            "proposed": len(ours),
        }


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
        other = Trainer(back, trainer.sizes, trainer.shape, 0, 0.1, 1, 2, trainer.fraction)
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


ENTRY = Study(
    name="region-proposals",
    title=TITLE,
    question=QUESTION,
    theme="Architectures",
    source="Girshick 2015; Ren, He, Girshick & Sun 2015; course homework, NYU 2022",
    settings=RegionProposalsSettings,
    trial=trial,
    compares=(),
    scales={
        "smoke": Scale(
            "20 training steps, 2 test scenes", seeds=1, set={"steps": 20, "batch": 2, "test_scenes": 2}, time="10 s"
        ),
        "quick": Scale("300 training steps of 4 scenes, 20 test scenes", seeds=1, time="30 s"),
        "full": Scale(
            "2,000 training steps of 8 scenes, 100 test scenes",
            seeds=1,
            set={"steps": 2000, "batch": 8, "test_scenes": 100},
            time="5 min",
        ),
    },
    report=report,
)
