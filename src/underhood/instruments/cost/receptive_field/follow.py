"""How fields grow through a pass: a record in, the view of every value out.

Every axis of the image after batch and channels is followed on its own. An operation without a rule loses the
view and is named; from there on the field reads "–", never a guess.
"""

from dataclasses import replace

from underhood.instruments.cost.receptive_field import mixing, moves, windows
from underhood.instruments.cost.receptive_field.along import Along, Seen, ordered
from underhood.instruments.cost.receptive_field.step import Fields, Rule, Step
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
    for operation in record.root.operations():
        _advance(fields, operation)
    return fields


def _advance(fields: Fields, operation: Operation) -> None:
    outputs = operation.outputs
    for value in (*operation.inputs, *outputs):
        fields.stored.setdefault(value.storage, set()).add(value.number)
    if not outputs or not any(map(fields.of, operation.inputs)):
        return
    if operation.name in moves.FORGETFUL:
        for value in outputs:
            fields.views.pop(value.number, None)
        return
    view = tuple(_seen(fields, operation, axis) for axis in range(len(fields.extent)))
    # all axes at once, for what is written in place is an input too; a write through a view concerns all views
    written = [fields.stored[outputs[0].storage]] if operation.partial else [{value.number} for value in outputs]
    for number in set().union(*written):
        fields.views[number] = tuple(
            seen if seen.in_order or seen.order is not None else replace(seen, order=number) for seen in view
        )


def _seen(fields: Fields, operation: Operation, axis: int) -> Seen:
    """What the outputs see along an axis, of unknown size where no rule says; and since when its order is lost."""
    old = {value.number: view[axis] for value in operation.inputs if (view := fields.of(value))}
    new = None if operation.partial else _followed(fields, operation, axis)
    if new is None:
        since = [fields.disordered[n, axis] for n in old if (n, axis) in fields.disordered]
        fields.lost.add(since[0] if since else operation.name)
        return Seen((), None, None, min(s.low for s in old.values()), max(s.high for s in old.values()))
    if not new.in_order:
        since = [fields.disordered[n, axis] for n, seen in old.items() if not seen.in_order]
        for value in operation.outputs:
            fields.disordered[value.number, axis] = since[0] if since else operation.name
    return new


def _followed(fields: Fields, operation: Operation, axis: int) -> Seen | None:
    """What the output sees, by the operation's rule; None where there is none, or it can't say."""
    step = Step(fields, operation, axis)
    tracked = list(step.tracked())
    if not any(seen.parts for _, seen in tracked):
        return _by_rule(step)
    # what depends on several views sees what it would see by each of them
    found = [
        _by_rule(Step(fields, operation, axis, (value, part)))
        for value, seen in tracked
        for part in seen.parts or (seen,)
    ]
    return None if None in found else step.joined([seen for seen in found if seen])


def _by_rule(step: Step) -> Seen | None:
    try:
        new = _rule(step.operation)(step)
    except Exception:  # an argument that the rule was not made for: the view is lost, the count goes on
        new = None
    if new is None:
        tracked = [seen for _, seen in step.tracked()]
        if all(not seen.dims and seen.size is not None for seen in tracked):
            return step.joined(tracked)  # all elements see the same, and so do all that are made of them
    return new


def _rule(operation: Operation) -> Rule:
    """The operation's rule by its name, in place or not; elementwise functions share one."""
    named = RULES.get(operation.name) or RULES.get(operation.base)
    if named:
        return named
    return moves.pointwise if operation.is_elementwise else lambda step: None
