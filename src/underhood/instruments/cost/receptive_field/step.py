"""What is known of a pass's fields so far, and one operation as a rule sees it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from underhood.instruments.cost.receptive_field.along import Seen, union
from underhood.instruments.record import Operation, Value

View = tuple[Seen, ...]  # one Seen for each axis of the image


@dataclass
class Fields:
    """The views of a pass by value number, and the operations that lost one for want of a rule.

    `extent` is the image's size along each axis; `texts` the arithmetic of windows by value number and axis;
    `disordered` the operation since which a view's order is not known, by the same; `stored` the numbers of the values
    that lie in a storage.
    """

    extent: tuple[int, ...]
    views: dict[int, View] = field(default_factory=dict)
    texts: dict[tuple[int, int], str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    disordered: dict[tuple[int, int], str] = field(default_factory=dict)
    stored: dict[int, set[int]] = field(default_factory=dict)

    def of(self, value: Value) -> View | None:
        return self.views.get(value.number)

    def covers(self, seen: Seen, axis: int) -> bool:
        """Whether a view that no longer moves sees the whole image along the axis."""
        return not seen.dims and seen.size is not None and seen.low <= 0 and seen.high >= self.extent[axis] - 1


@dataclass
class Step:
    """One operation along one axis of the image; `only` is the one part of one input's view to be followed."""

    fields: Fields
    operation: Operation
    axis: int
    only: tuple[Value, Seen] | None = None

    @property
    def args(self) -> tuple[Any, ...]:
        return self.operation.args

    @property
    def out(self) -> Value:
        return self.operation.outputs[0]

    def seen(self, value: Any) -> Seen | None:
        if self.only is not None:
            return self.only[1] if isinstance(value, Value) and value.number == self.only[0].number else None
        view = self.fields.of(value) if isinstance(value, Value) else None
        return view[self.axis] if view else None

    def length(self, dim: int) -> int:
        return self.out.shape[dim]

    def tracked(self) -> Iterator[tuple[Value, Seen]]:
        for value in self.operation.inputs:
            if seen := self.seen(value):
                yield value, seen

    def joined(self, views: list[Seen]) -> Seen:
        first, *others = views
        for other in others:
            first = union(first, other, self.length)
        return first


Rule = Callable[[Step], Seen | None]
"""What the operation's output sees; None where no rule can say."""
