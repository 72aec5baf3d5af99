"""How fields grow through a pass: a record in, the view of every value out.

Every axis of the image after batch and channels is followed on its own. An operation without a rule loses the
view and is named; from there on the field reads "–", never a guess.
"""

from underhood.instruments.cost.receptive_field import mixing, moves, windows
from underhood.instruments.cost.receptive_field.along import Along, Seen, ordered
from underhood.instruments.cost.receptive_field.step import Fields, Rule, Step
from underhood.instruments.pytorch import load_torch
from underhood.instruments.record import Operation, Record

RULES: dict[str, Rule] = {**windows.RULES, **mixing.RULES, **moves.RULES}


def follow(record: Record) -> Fields | None:
    """The fields of a pass, or None where no input is an image (N, C, …) that a window ever sees."""
    images = [value for value in record.inputs if len(value.shape) >= 3 and value.dtype.is_floating_point]
    windowed = any(operation.name in windows.WINDOWED for operation in record.root.operations())
    if not images or not windowed:
        return None
    extent = images[0].shape[2:]
    fields = Fields(extent)
    for image in images:
        if image.shape[2:] == extent:
            fields.views[image.number] = tuple(ordered(2 + axis, Along(), size) for axis, size in enumerate(extent))
    spoilt: set[int] = set()
    for operation in record.root.operations():
        _advance(fields, operation, spoilt)
    return fields


def _advance(fields: Fields, operation: Operation, spoilt: set[int]) -> None:
    inputs = [value for value in operation.inputs if fields.of(value)]
    if operation.partial and inputs:
        spoilt.add(operation.outputs[0].storage)  # written through a view: its other views don't know
    outputs = operation.outputs
    if not inputs or not outputs:
        return
    if operation.name in moves.FORGETFUL:
        for value in outputs:
            fields.views.pop(value.number, None)
        return
    for axis in range(len(fields.extent)):
        if any(value.storage in spoilt for value in inputs):
            new: Seen | None = None
        else:
            new = _rule(operation)(Step(fields, operation, axis))
        if new is None:
            fields.lost.add(operation.name)
            old = [view[axis] for value in inputs if (view := fields.of(value))]
            new = Seen((), None, None, min(s.low for s in old), max(s.high for s in old))
        for value in outputs:
            rest = fields.views.get(value.number, ())
            fields.views[value.number] = (*rest[:axis], new, *rest[axis + 1 :])


def _rule(operation: Operation) -> Rule:
    """The operation's rule by its name, in place or not; elementwise functions share one."""
    named = RULES.get(operation.name) or RULES.get(operation.name.removesuffix("_"))
    if named:
        return named
    pointwise = load_torch().Tag.pointwise in operation.overload.tags
    return moves.pointwise if pointwise else lambda step: None
