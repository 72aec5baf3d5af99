r"""A region proposal network, small enough to be trained in seconds on drawn scenes.

    image (3, H, W) → five 3×3 convolutions, three of stride 2 → feature map (48, H/8, W/8)
        → 3×3 convolution, 64 → 1×1 convolution: k objectness logits      at every position of the map,
                              → 1×1 convolution: 4k box deltas            for its k anchors

Loss, over the anchors sampled from an image (y: 1 for an object, 0 for background; t: deltas, t* the right ones):

    L = mean over all of −y log p − (1 − y) log(1 − p)  +  mean over objects of Σ smooth(t − t*),   p = σ(z)
    smooth(d) = d²/2β where |d| < β, |d| − β/2 elsewhere,   β = 1/9

    ∂L/∂z = (p − y) / N        ∂L/∂t = clip((t − t*)/β, −1, 1) / N_objects

Source: Ren, He, Girshick & Sun 2015, "Faster R-CNN". It has VGG-16 below, 9 anchors, 256 sampled, softmax over two
classes where one logit and the sigmoid say the same; β is the authors' code's.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.data import stream
from underhood.studies.detection.boxes import area, encode, iou
from underhood.studies.detection.scenes import scene
from underhood.training.backends import Backend
from underhood.training.initial import initialise

Array = NDArray[Any]

STRIDE = 8
CHANNELS = (16, 32, 48, 48, 48)  # of the five convolutions
STRIDES = (2, 2, 2, 1, 1)
MIDDLE = 64
BETA = 1 / 9


def network(nn: Any, kinds: int) -> Any:
    """The network for `kinds` anchors a position, of either `nn`. Called, it gives (features, objectness, deltas)."""

    class RegionProposals(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            before = 3
            for channels, stride in zip(CHANNELS, STRIDES, strict=True):
                layers += [nn.Conv2d(before, channels, 3, stride=stride, padding=1), nn.ReLU()]
                before = channels
            self.backbone = nn.Sequential(*layers)
            self.middle = nn.Sequential(nn.Conv2d(before, MIDDLE, 3, padding=1), nn.ReLU())
            self.objectness = nn.Conv2d(MIDDLE, kinds, 1)
            self.deltas = nn.Conv2d(MIDDLE, 4 * kinds, 1)

        def forward(self, x: Any) -> tuple[Any, Any, Any]:
            features = self.backbone(x)
            return features, *self.head(features)

        def head(self, features: Any) -> tuple[Any, Any]:
            middle = self.middle(features)
            return self.objectness(middle), self.deltas(middle)

    return RegionProposals()


def anchor_sizes(scales: Sequence[float], ratios: Sequence[float]) -> Array:
    """Widths and heights (k, 2): area scale², height over width the ratio. w = s/√r, h = s·√r."""
    return np.array([(s / math.sqrt(r), s * math.sqrt(r)) for s in scales for r in ratios])


def anchor_boxes(rows: int, columns: int, sizes: Array, stride: int = STRIDE) -> Array:
    """All anchors (rows · columns · k, 4): at every position of the map one of every size, around its middle."""
    y, x = np.meshgrid((np.arange(rows) + 0.5) * stride, (np.arange(columns) + 0.5) * stride, indexing="ij")
    middles = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
    return np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=-1).reshape(-1, 4)


def inside(boxes: Array, height: int, width: int) -> NDArray[np.bool_]:
    """Which boxes (N,) do not cross the picture's border."""
    found: NDArray[np.bool_] = (boxes[:, :2] >= 0).all(1) & (boxes[:, 2] <= width) & (boxes[:, 3] <= height)
    return found


def in_order(objectness: Array, deltas: Array) -> tuple[Array, Array]:
    """One image's maps (k, h, w) and (4k, h, w) as logits (N,) and deltas (N, 4) in the order of the anchors."""
    kinds, rows, columns = objectness.shape
    steps = deltas.reshape(kinds, 4, rows, columns).transpose(2, 3, 0, 1).reshape(-1, 4)
    return objectness.transpose(1, 2, 0).reshape(-1), steps


def as_maps(logits: Array, deltas: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Undoes `in_order`; `shape` is (k, h, w)."""
    kinds, rows, columns = shape
    steps = deltas.reshape(rows, columns, kinds, 4).transpose(2, 3, 0, 1).reshape(4 * kinds, rows, columns)
    return logits.reshape(rows, columns, kinds).transpose(2, 0, 1), steps


@dataclass(frozen=True)
class Labels:
    """What one image's anchors are taught: rows of the sampled ones, 1 for an object, and the objects' deltas."""

    sampled: Array  # (N,)
    y: Array  # (N,)
    objects: Array  # (P,)
    t: Array  # (P, 4)


def labels(
    anchors: Array, truths: Array, shape: tuple[int, int], fraction: tuple[float, float], count: int, rng: Any
) -> Labels:
    """Objects: IoU with some truth at or above the first bound, or the truth's best anchor. Background: all IoU
    below the second. The rest, and what crosses the border, teaches nothing. At most half of `count` are objects.
    """
    usable = inside(anchors, *shape)
    overlap = np.where(usable[:, None], iou(anchors, truths), 0.0)
    best = overlap.max(1)
    is_object = (best >= fraction[0]) | ((overlap == overlap.max(0)) & (overlap > 0)).any(1)
    background = np.flatnonzero(usable & ~is_object & (best < fraction[1]))
    objects = _some(np.flatnonzero(is_object), count // 2, rng)
    background = _some(background, count - len(objects), rng)
    t = encode(anchors[objects], truths[overlap[objects].argmax(1)])
    sampled = np.concatenate([objects, background])
    return Labels(sampled, np.arange(len(sampled)) < len(objects), objects, t)


def _some(rows: Array, count: int, rng: Any) -> Array:
    return rows if len(rows) <= count else rng.choice(rows, count, replace=False)


def loss(logits: Array, deltas: Array, taught: Labels) -> tuple[float, float, Array, Array]:
    """One image's two losses, and their gradients at the logits (N,) and the deltas (N, 4)."""
    z, y = logits[taught.sampled], taught.y.astype(logits.dtype)
    objectness = float(np.mean(np.logaddexp(0, z) - y * z))
    d_logits, d_deltas = np.zeros_like(logits), np.zeros_like(deltas)
    d_logits[taught.sampled] = (probability(z) - y) / max(1, len(z))
    off = deltas[taught.objects] - taught.t
    size = np.abs(off)
    number = max(1, len(off))
    box = float(np.where(size < BETA, off**2 / (2 * BETA), size - BETA / 2).sum() / number)
    d_deltas[taught.objects] = np.clip(off / BETA, -1, 1) / number
    return objectness, box, d_logits, d_deltas


def probability(logits: Array) -> Array:
    """σ(z), the objectness."""
    return 1 / (1 + np.exp(-logits))


def normalised(pixels: Array) -> Array:
    """(H, W, 3) from 0 to 255 as (3, H, W) in [−1, 1]."""
    return (pixels.transpose(2, 0, 1) / 127.5 - 1).astype(np.float32)


@dataclass
class Trainer:
    """The network on a back end, and what its training needs."""

    back: Backend
    sizes: Array
    shape: tuple[int, int]
    seed: int
    lr: float
    batch: int
    sampled: int
    fraction: tuple[float, float]

    def __post_init__(self) -> None:
        self.net = self.back.prepare(network(self.back.nn, len(self.sizes)))
        initialise(self.net, self.seed, "he", self.back)
        self.optimizer = self.back.optimizer("adam", self.net, lr=self.lr)

    def steps(self, count: int) -> Iterator[tuple[int, float, float]]:
        """Train on freshly drawn scenes; the step and its two losses."""
        height, width = self.shape
        positions = -(-height // STRIDE), -(-width // STRIDE)
        anchors = anchor_boxes(*positions, self.sizes)
        for step in range(count):
            rng = stream("augmentation", self.seed, epoch=step, name="scenes")
            drawn = [scene(rng, height, width, int(rng.integers(1, 4))) for _ in range(self.batch)]
            for group in getattr(self.optimizer, "param_groups", ()):
                group["lr"] = self.lr * (1 if step < 0.7 * count else 0.2)
            yield step, *self._step(drawn, anchors, rng)

    def _step(self, drawn: list[tuple[Array, Array]], anchors: Array, rng: Any) -> tuple[float, float]:
        _, objectness, deltas = self.net(self.back.tensor(np.stack([normalised(pixels) for pixels, _ in drawn])))
        given = [np.zeros(tuple(out.shape), np.float32) for out in (objectness, deltas)]
        sums = np.zeros(2)
        maps = self.back.array(objectness), self.back.array(deltas)
        for i, (_, truths) in enumerate(drawn):
            taught = labels(anchors, truths, self.shape, self.fraction, self.sampled, rng)
            first, second, d_logits, d_deltas = loss(*in_order(maps[0][i], maps[1][i]), taught)
            given[0][i], given[1][i] = as_maps(d_logits, d_deltas, maps[0][i].shape)
            sums += np.array([first, second]) / len(drawn)
        # The gradient at the two outputs is known: the sum of products with it has just that gradient.
        mean = [self.back.tensor(gradient / len(drawn)) for gradient in given]
        self.optimizer.zero_grad()
        ((objectness * mean[0]).sum() + (deltas * mean[1]).sum()).backward()
        self.optimizer.step()
        return float(sums[0]), float(sums[1])

    def look(self, pixels: Array) -> tuple[Array, Array, Array]:
        """Feature map (48, h, w), objectness logits (k, h, w) and deltas (4k, h, w) of one image."""
        with self.back.no_grad():
            found = self.net(self.back.tensor(normalised(pixels)[None]))
        features, objectness, deltas = (np.array(self.back.array(each))[0] for each in found)
        return features, objectness, deltas


def small(boxes: Array, side: float) -> NDArray[np.bool_]:
    """Which boxes (N,) are narrower or lower than `side` pixels, or empty."""
    found: NDArray[np.bool_] = (
        (boxes[:, 2] - boxes[:, 0] < side) | (boxes[:, 3] - boxes[:, 1] < side) | (area(boxes) == 0)
    )
    return found
