"""Which weight of one network is which of another, so that both compute with the same numbers.

    by name     fc1.weight ↔ fc1.weight
    in order    what is left, in the order of definition: matrices with matrices, vectors with vectors. Where one
                network keeps as one weight what the other keeps as several (in_proj_weight, and q, k, v), the parts
                lie along its first axis. A weight of a layer of the user's own may be kept transposed.

Running statistics are matched in the same way; one without a counterpart keeps its value. Weights that are all alike
when they are made (biases of 0, scales of 1) are drawn at random before they are copied: they would hide a mistake.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from underhood.errors import BadInput
from underhood.instruments.check.gap import Array
from underhood.instruments.check.layers import as_array
from underhood.instruments.check.steps import is_library


@dataclass(frozen=True)
class Link:
    """Rows of a weight of mine, and the rows of theirs that they have to be."""

    mine: str
    theirs: str
    rows: tuple[int, int] | None = None
    from_rows: tuple[int, int] | None = None
    transposed: bool = False

    def of_mine(self, array: Array) -> Array:
        return array if self.rows is None else array[slice(*self.rows)]

    def of_theirs(self, array: Array) -> Array:
        """The same elements in the other network's array, laid out as mine."""
        part = array if self.from_rows is None else array[slice(*self.from_rows)]
        return part.T if self.transposed else part


@dataclass
class Links:
    """The links, and the names on either side that have none."""

    links: list[Link] = field(default_factory=list)
    mine: list[str] = field(default_factory=list)
    theirs: list[str] = field(default_factory=list)
    shared: dict[str, list[str]] = field(default_factory=dict)  # a weight that they tie: mine that are not tied
    statistics: dict[str, str] = field(default_factory=dict)  # running means and variances: mine, theirs

    @property
    def in_order(self) -> list[Link]:
        return [link for link in self.links if link.mine != link.theirs]


def match(mine: Any, theirs: Any, name: str, against: str) -> Links:
    """Link the weights of two networks. Raises BadInput where nothing fits, or a namesake has another shape."""
    ours, right = dict(mine.named_parameters()), dict(theirs.named_parameters())
    tied = _tied(theirs)
    found = Links(statistics=statistics(mine, theirs))
    for key in [key for key in ours if key in right or key in tied]:
        source = key if key in right else tied[key]
        shapes = tuple(ours[key].shape), tuple(right[source].shape)
        if shapes[0] == shapes[1]:
            found.links.append(Link(key, source))
        elif shapes[0] == shapes[1][::-1] and _is_own(mine, key):
            found.links.append(Link(key, source, transposed=True))
        else:
            hint = ": transposed weight" if shapes[0] == shapes[1][::-1] else ""
            raise BadInput(f"{name}: {key} is {shapes[0]}, {source} of {against} is {shapes[1]}{hint}")
    linked = {link.mine for link in found.links}, {link.theirs for link in found.links}
    for axes in sorted({p.ndim for p in (*ours.values(), *right.values())}):
        _in_order(
            mine,
            [(key, tuple(p.shape)) for key, p in ours.items() if key not in linked[0] and p.ndim == axes],
            [(key, tuple(p.shape)) for key, p in right.items() if key not in linked[1] and p.ndim == axes],
            found,
        )
    if ours and right and not found.links:
        raise BadInput(
            f"{name} and {against} have no weights in common: {_listed(ours)}, where {against} has {_listed(right)}"
        )
    for link in found.links:
        found.shared.setdefault(link.theirs, []).append(link.mine)
    found.shared = {key: names for key, names in found.shared.items() if len(names) > 1 and key in tied.values()}
    return found


def _tied(net: Any) -> dict[str, str]:
    """Other names of weights that a network uses in several modules."""
    first = {id(p): key for key, p in net.named_parameters()}
    every: dict[str, Any] = {}
    for path, module in net.named_modules():
        for key, p in getattr(module, "_parameters", {}).items():
            if p is not None:
                every[f"{path}.{key}" if path else key] = p
    return {key: first[id(p)] for key, p in every.items() if id(p) in first and first[id(p)] != key}


def _is_own(net: Any, key: str) -> bool:
    """Whether a weight belongs to a layer of the user's own."""
    path = key.rpartition(".")[0]
    return not is_library(dict(net.named_modules())[path])


def _in_order(
    net: Any, mine: list[tuple[str, tuple[int, ...]]], theirs: list[tuple[str, tuple[int, ...]]], found: Links
) -> None:
    """Pair off what is left; a weight may take several of the other side along its first axis."""
    links: list[Link] = []
    i = j = used = taken = 0  # rows of mine[i] and of theirs[j] that are linked already
    while i < len(mine) and j < len(theirs):
        (key, shape), (source, other) = mine[i], theirs[j]
        if shape == other and not used and not taken:
            links.append(Link(key, source))
            i, j = i + 1, j + 1
        elif shape == other[::-1] and _is_own(net, key) and not used and not taken:
            links.append(Link(key, source, transposed=True))
            i, j = i + 1, j + 1
        elif shape and shape[1:] == other[1:]:
            rows = min(shape[0] - used, other[0] - taken)
            links.append(Link(key, source, (used, used + rows), (taken, taken + rows)))
            used, taken = used + rows, taken + rows
            i, used = (i + 1, 0) if used == shape[0] else (i, used)
            j, taken = (j + 1, 0) if taken == other[0] else (j, taken)
        else:
            break
    whole = i == len(mine) and j == len(theirs)
    if whole or not (used or taken):
        found.links += links
    else:  # half a weight is none
        i = j = 0
    found.mine += [key for key, _ in mine[i:]]
    found.theirs += [key for key, _ in theirs[j:]]


def _listed(weights: dict[str, Any]) -> str:
    names = [f"{key} {tuple(p.shape)}" for key, p in weights.items()]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def draw_constants(net: Any, seed: int = 3) -> None:
    """Random numbers where all elements of a weight, or of the running statistics, are alike."""
    rng = np.random.default_rng(seed)
    for _, parameter in net.named_parameters():
        array = parameter.detach().numpy()
        if array.dtype.kind == "f" and array.size and (array == array.flat[0]).all():
            array[...] += 0.3 * rng.normal(size=array.shape)
    for key, buffer in net.named_buffers():
        array = buffer.detach().numpy()
        if key.endswith("running_mean"):
            array[...] += 0.3 * rng.normal(size=array.shape)
        elif key.endswith("running_var"):
            array[...] *= np.exp(0.3 * rng.normal(size=array.shape))


def copy_weights(theirs: Any, mine: Any, links: Links) -> None:
    """Their numbers into mine, and their running statistics. Any other buffer is mine's own: it may be the mistake."""
    source, target = dict(theirs.named_parameters()), dict(mine.named_parameters())
    for link in links.links:
        link.of_mine(target[link.mine].detach().numpy())[...] = link.of_theirs(as_array(source[link.theirs]))
    kept, own = dict(theirs.named_buffers()), dict(mine.named_buffers())
    for key, other in links.statistics.items():
        own[key].detach().numpy()[...] = as_array(kept[other])


def statistics(mine: Any, theirs: Any) -> dict[str, str]:
    """Which running statistics are which: by name, else in their order."""
    found: dict[str, str] = {}
    for ending in ("running_mean", "running_var"):
        ours = {k: tuple(b.shape) for k, b in mine.named_buffers() if k.endswith(ending)}
        right = {k: tuple(b.shape) for k, b in theirs.named_buffers() if k.endswith(ending)}
        found |= {key: key for key, shape in ours.items() if right.get(key) == shape}
        rest = [key for key in ours if key not in right], [key for key in right if key not in ours]
        if [ours[key] for key in rest[0]] == [right[key] for key in rest[1]]:
            found |= dict(zip(*rest, strict=True))
    return found
