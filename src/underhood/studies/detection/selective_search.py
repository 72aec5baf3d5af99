"""Selective search, plain: what Fast R-CNN took its proposals from before there was a network for them.

1. Cut the picture into small regions of like colour: a graph of pixels whose edges weigh the colour difference;
   lightest edge first, join two regions when the edge is no heavier than max inside + k/size of both.
2. Join the two most similar neighbours, again and again, until one region is left. The bounding box of every
   region that ever was is a proposal.

Similarity: how like the colour histograms are, how small the two are, and how well they fill their common box. The
original adds texture and runs over several colour spaces; this page has one, which is enough for drawn scenes.

Sources: Felzenszwalb & Huttenlocher 2004; Uijlings, van de Sande, Gevers & Smeulders 2013.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SCALE = 1.5  # k: larger makes the first regions larger; colours lie in [0, 1]
SMALLEST = 20  # pixels of a first region
BINS = 12


def proposals(pixels: Array) -> Array:
    """Boxes (N, 4) of all regions, each once, in a picture (H, W, 3) of 0 to 255."""
    colours = pixels / 255
    names = segments(colours)
    height, width = names.shape
    regions = {name: _region(colours, names == name) for name in np.unique(names).tolist()}
    boxes = [region[2] for region in regions.values()]
    pairs = {(a, b): _likeness(regions[a], regions[b], height * width) for a, b in _neighbours(names)}
    fresh = max(regions) + 1
    while pairs:
        a, b = max(pairs, key=lambda pair: pairs[pair])
        regions[fresh] = _joined(regions[a], regions[b])
        boxes.append(regions[fresh][2])
        touching = {name for pair in pairs if a in pair or b in pair for name in pair} - {a, b}
        pairs = {pair: value for pair, value in pairs.items() if not {a, b} & set(pair)}
        pairs |= {(name, fresh): _likeness(regions[name], regions[fresh], height * width) for name in touching}
        fresh += 1
    return np.unique(np.array(boxes, float), axis=0)


def segments(colours: Array) -> Array:
    """The first regions (H, W), by name."""
    height, width = colours.shape[:2]
    pixel = np.arange(height * width).reshape(height, width)
    steps = [(pixel[:, :-1], pixel[:, 1:]), (pixel[:-1], pixel[1:])]
    one, other = (np.concatenate([step[side].ravel() for step in steps]) for side in (0, 1))
    flat = colours.reshape(-1, 3)
    weight = np.sqrt(((flat[one] - flat[other]) ** 2).sum(1))
    order = np.argsort(weight, kind="stable")
    edges = list(zip(one[order].tolist(), other[order].tolist(), weight[order].tolist(), strict=True))
    parent, size = list(range(height * width)), [1] * (height * width)
    limit = [SCALE] * (height * width)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for small in (False, True):  # the second time joins what is still too small
        for a, b, heavy in edges:
            i, j = root(a), root(b)
            if i == j:
                continue
            if (min(size[i], size[j]) < SMALLEST) if small else heavy <= min(limit[i], limit[j]):
                parent[j] = i
                size[i] += size[j]
                limit[i] = heavy + SCALE / size[i]
    return np.array([root(i) for i in range(height * width)]).reshape(height, width)


Region = tuple[int, Array, tuple[int, int, int, int]]  # size, colour histogram, box


def _region(colours: Array, mask: Array) -> Region:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    inside = colours[mask]
    counts = [np.histogram(inside[:, channel], BINS, (0, 1))[0] for channel in range(3)]
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return int(mask.sum()), np.concatenate(counts) / (3 * mask.sum()), box


def _neighbours(names: Array) -> set[tuple[int, int]]:
    sides = [(names[:, :-1], names[:, 1:]), (names[:-1], names[1:])]
    touching = np.concatenate([np.stack([a[a != b], b[a != b]], axis=1) for a, b in sides])
    return {(int(a), int(b)) for a, b in np.unique(np.sort(touching, axis=1), axis=0)}


def _joined(a: Region, b: Region) -> Region:
    size = a[0] + b[0]
    box = min(a[2][0], b[2][0]), min(a[2][1], b[2][1]), max(a[2][2], b[2][2]), max(a[2][3], b[2][3])
    return size, (a[0] * a[1] + b[0] * b[1]) / size, box


def _likeness(a: Region, b: Region, pixels: int) -> float:
    size, _, (left, top, right, bottom) = _joined(a, b)
    colour = float(np.minimum(a[1], b[1]).sum())
    filled = 1 - ((right - left) * (bottom - top) - size) / pixels
    return colour + (1 - size / pixels) + filled
