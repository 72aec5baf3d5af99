"""Boxes: how much two overlap, how one is written relative to another, and which of many are kept.

A box is (left, top, right, bottom) in pixels, with the edges of the first and behind the last pixel: its width is
right − left, without a "+1". Arrays of boxes are (N, 4).

Sources: Girshick et al. 2014 (the coding), Ren et al. 2015 (the region proposal network). PyTorch: torchvision.ops.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LARGEST_STEP = math.log(1000 / 16)  # dw, dh are cut here, so that no box grows more than 62.5 times


def area(boxes: Array) -> Array:
    """(N,): width times height; 0 for a box that is turned inside out."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def iou(a: Array, b: Array) -> Array:
    r"""Intersection over union (N, M) of a (N, 4) and b (M, 4): |A ∩ B| / |A ∪ B|; 0 where both are empty."""
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    other = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(other - corner, 0), axis=2)
    union = area(a)[:, None] + area(b)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared, dtype=float), where=union > 0)


def _middle_and_size(boxes: Array) -> tuple[Array, Array, Array, Array]:
    wide, tall = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return boxes[:, 0] + wide / 2, boxes[:, 1] + tall / 2, wide, tall


def encode(anchors: Array, truths: Array, weights: tuple[float, ...] = (1, 1, 1, 1)) -> Array:
    """The steps (N, 4) from each anchor to its truth:

    dx = (x* − x) / w    dy = (y* − y) / h    dw = log(w* / w)    dh = log(h* / h),   each times its weight

    x, y: the middle; w, h: the size. The RPN's weights are 1, those of Fast R-CNN's box head 10, 10, 5, 5.
    """
    x, y, w, h = _middle_and_size(anchors)
    tx, ty, tw, th = _middle_and_size(truths)
    return np.stack([(tx - x) / w, (ty - y) / h, np.log(tw / w), np.log(th / h)], axis=1) * np.asarray(weights)


def decode(anchors: Array, deltas: Array, weights: tuple[float, ...] = (1, 1, 1, 1)) -> Array:
    """The boxes (N, 4) that the steps lead to; undoes `encode`, with dw and dh cut at log(1000/16)."""
    x, y, w, h = _middle_and_size(anchors)
    dx, dy, dw, dh = (deltas / np.asarray(weights)).T
    cx, cy = x + dx * w, y + dy * h
    wide, tall = w * np.exp(np.minimum(dw, LARGEST_STEP)), h * np.exp(np.minimum(dh, LARGEST_STEP))
    return np.stack([cx - wide / 2, cy - tall / 2, cx + wide / 2, cy + tall / 2], axis=1)


def clip(boxes: Array, height: int, width: int) -> Array:
    """The boxes cut at the picture's border."""
    return np.clip(boxes, 0, [width, height, width, height])


@dataclass(frozen=True)
class Step:
    """One step of non-maximum suppression: the box that is kept, and those it removes with their IoU."""

    kept: int
    removed: tuple[tuple[int, float], ...]


def suppression(boxes: Array, scores: Array, threshold: float) -> list[Step]:
    """Non-maximum suppression, step by step: take the best box that is left, remove what overlaps it too much.

    "Too much" is IoU **>** threshold. Of equal scores the first goes first. The rows of `boxes` are their names.
    """
    left = np.argsort(-scores, kind="stable")
    steps = []
    while len(left):
        best, others = left[0], left[1:]
        overlap = iou(boxes[best : best + 1], boxes[others])[0]
        gone = overlap > threshold
        removed = zip(others[gone].tolist(), overlap[gone].tolist(), strict=True)
        steps.append(Step(int(best), tuple(removed)))
        left = others[~gone]
    return steps


def nms(boxes: Array, scores: Array, threshold: float) -> Array:
    """The rows that `suppression` keeps, best first: all IoU at once (N × N), then one pass over the rows."""
    order = np.argsort(-scores, kind="stable")
    too_near = iou(boxes[order], boxes[order]) > threshold
    gone = np.zeros(len(order), bool)
    for i in range(len(order)):
        if not gone[i]:
            gone[i + 1 :] |= too_near[i, i + 1 :]
    return order[~gone]
