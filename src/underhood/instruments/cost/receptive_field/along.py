"""Receptive fields: which pixels of the input a unit can see.

Along one axis, unit i of a layer sees the pixels from low + i·j to high + i·j: a field of r = high − low + 1
pixels, whose neighbour's field lies j further (the jump, or effective stride). A window of K inputs, stride s,
padding p, dilation d makes of that

    r' = r + (K − 1)·d·j        j' = j·s        low' = low − p·j

so N layers of F×F and stride 1 see what one layer of N(F − 1) + 1 sees. Where branches meet, a unit sees from
the least low to the greatest high. Behind an upsampling neighbours differ; a pattern of P of them repeats:

    unit q·P + i sees low[i] + q·S … high[i] + q·S,        j = S/P

which is exact for transposed convolutions, interpolation and everything after them.

Source: Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", whose
formulas are the case P = 1.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

MOST_PARTS = 8  # of a union that is still followed


def stacked(layers: int, kernel: int) -> int:
    """The field of `layers` convolutions of kernel `kernel` and stride 1: N(F − 1) + 1 = NF − N + 1."""
    return layers * (kernel - 1) + 1


@dataclass(frozen=True)
class Along:
    """What each position along one axis sees of the input's axis: a pattern of intervals and how far it moves."""

    low: tuple[int, ...] = (0,)
    high: tuple[int, ...] = (0,)
    shift: int = 1

    @property
    def size(self) -> int:
        """The largest field of the pattern, in pixels; it may reach beyond the image."""
        return max(high - low + 1 for low, high in zip(self.low, self.high, strict=True))

    @property
    def jump(self) -> Fraction:
        """Pixels from one position's field to the next one's."""
        return Fraction(self.shift, len(self.low))

    def at(self, position: int) -> tuple[int, int]:
        """First and last pixel that the position sees."""
        repeat, index = divmod(position, len(self.low))
        return self.low[index] + repeat * self.shift, self.high[index] + repeat * self.shift

    def window(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> "Along":
        """Behind a convolution or a pool: position o sees inputs o·s − p + k·d, k = 0 … K − 1."""

        def seen(position: int) -> Iterable[int]:
            start = position * stride - padding
            return range(start, start + (kernel - 1) * dilation + 1, dilation)

        period = len(self.low) // gcd(len(self.low), stride)
        return self._gathered(seen, period, self.shift * stride * period // len(self.low))

    def spread(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> "Along | None":
        """Behind a transposed convolution: o sees the inputs i with o = i·s − p + k·d; None if some see none."""

        def seen(position: int) -> Iterable[int]:
            reached = [position + padding - k * dilation for k in range(kernel)]
            return [index // stride for index in reached if index % stride == 0]

        period = len(self.low) * stride
        if not all(seen(position) for position in range(stride)):
            return None
        return self._gathered(seen, period, self.shift)

    def enlarged(self, factor: int, before: int = 0, after: int = 0, centred: bool = False) -> "Along":
        """Behind an interpolation to `factor` times the size: o sees its source, and neighbours before and after.

        The source is ⌊o/f⌋ (nearest), or ⌊(o + ½)/f − ½⌋ when centred (linear, cubic).
        """

        def seen(position: int) -> Iterable[int]:
            source = (2 * position + 1 - factor) // (2 * factor) if centred else position // factor
            return range(source - before, source + after + 1)

        return self._gathered(seen, len(self.low) * factor, self.shift)

    def sliced(self, start: int, step: int = 1) -> "Along":
        """Every `step`-th position from `start` on; a negative start is a padding in front."""
        return self.window(1, step, -start)

    def union(self, other: "Along") -> "Along | None":
        """Where branches meet; None when they move at different speeds, so that no interval describes both."""
        if self.jump != other.jump:
            return None
        period = lcm(len(self.low), len(other.low))
        pairs = [(self.at(i), other.at(i)) for i in range(period)]
        low = tuple(min(a[0], b[0]) for a, b in pairs)
        high = tuple(max(a[1], b[1]) for a, b in pairs)
        return Along(low, high, int(self.jump * period))

    def _gathered(self, seen: Callable[[int], Iterable[int]], period: int, shift: int) -> "Along":
        ranges = [[self.at(i) for i in seen(position)] for position in range(period)]
        low = tuple(min(first for first, _ in one) for one in ranges)
        high = tuple(max(last for _, last in one) for one in ranges)
        return Along(low, high, shift)


@dataclass(frozen=True)
class Folded:
    """An axis of the image within a larger axis of the tensor, as in (B·H·W, C): index (b·length + h)·inner + w.

    `along` is None where the order was lost before.
    """

    along: Along | None
    length: int
    inner: int


@dataclass(frozen=True)
class Seen:
    """What a tensor's elements see of one axis of the input.

    `dims`   the tensor's axes along which the view moves
    `along`  how it moves, while one axis of the tensor still is that axis of the image
    `size`   the field in pixels; None when it is not known
    `low`, `high`   the first and last pixel that any of the elements sees
    `folded` how it moves where the image's axis is one factor of a tensor's axis: a later view may unfold it
    `parts`  where elements depend on views that move along different axes (the scores of an attention), these
    `order`  where no rule says how it moves, the number of the value since which none does: two views of one order
             still meet element by element, two of different orders do not

    Flattened, an element still sees its `size` pixels, but no rule says where: `dims` without `along`. What
    mixes all those elements (a linear layer) sees from `low` to `high`.
    """

    dims: tuple[int, ...]
    along: Along | None
    size: int | None
    low: int
    high: int
    folded: Folded | None = None
    parts: tuple["Seen", ...] = ()
    order: int | None = None

    @property
    def in_order(self) -> bool:
        """Whether it is known how the view moves; a view that does not move is in order."""
        return not self.dims or bool(self.along or self.parts or (self.folded and self.folded.along))

    def moved(self, dims: tuple[int, ...]) -> "Seen":
        """The same view at other axes of a tensor; no longer in order when it lies along several."""
        along, folded = (self.along, self.folded) if len(dims) == 1 else (None, None)
        return Seen(dims, along, self.size, self.low, self.high, folded, order=self.order)

    def disordered(self) -> "Seen":
        """The same pixels in an order that no rule follows."""
        return Seen(self.dims, None, self.size, self.low, self.high)

    def mixed(self) -> "Seen":
        """Every element sees what all saw together."""
        return Seen((), None, self.high - self.low + 1, self.low, self.high)

    def fixed(self) -> "Seen":
        """One position is chosen: the view no longer moves."""
        return Seen((), None, self.size, self.low, self.high)


def ordered(dim: int, along: Along, length: int) -> Seen:
    """The view along an axis of `length` positions."""
    edges = [
        along.at(i) for i in {*range(min(length, len(along.low))), *range(max(0, length - len(along.low)), length)}
    ]
    low = min((first for first, _ in edges), default=0)
    high = max((last for _, last in edges), default=-1)
    return Seen((dim,), along, along.size, low, high)


def union(one: Seen, other: Seen, length: Callable[[int], int]) -> Seen:
    """Elements that depend on both; `length` gives the size of an axis of theirs."""
    low, high = min(one.low, other.low), max(one.high, other.high)
    if one.along and other.along and one.dims == other.dims:
        along = one.along.union(other.along)
        if along is not None:
            return ordered(one.dims[0], along, length(one.dims[0]))
    dims = tuple(sorted({*one.dims, *other.dims}))
    for wide, narrow in ((one, other), (other, one)):
        if wide.size is not None and not wide.dims and wide.low <= narrow.low and wide.high >= narrow.high:
            return wide  # it sees all that the other sees, wherever that looks
    same = one.dims == other.dims and one.folded == other.folded and one.order == other.order
    if same and not one.along and not other.along:
        alike = one.size == other.size and not (one.parts or other.parts)
        return Seen(dims, None, one.size if alike else None, low, high, one.folded, order=one.order)
    parts = tuple(dict.fromkeys((*(one.parts or (one,)), *(other.parts or (other,)))))
    return Seen(dims, None, None, low, high, parts=parts if len(parts) <= MOST_PARTS else ())
