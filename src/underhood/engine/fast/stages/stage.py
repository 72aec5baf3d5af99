"""What a stage is asked for, in this order: what memory it will need, what it does once a step, forward, backward."""

from collections.abc import Sequence

from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.recording import Line, Value


class Stage:
    """One or several lines done together. `output` is the last one's."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = list(lines)
        self.output = self.lines[-1].output

    def prepare(self, to: Lowering) -> None:
        """Say which borders the values that it reads must have."""

    def begin(self, to: Lowering) -> None:
        """What depends on weights alone."""

    def forward(self, to: Lowering) -> None:
        """Make the output."""
        raise NotImplementedError

    def backward(self, to: Lowering) -> None:
        """Hand the output's gradient on to the inputs. Called only if one has arrived."""

    def end(self, to: Lowering) -> None:
        """Add up what the threads have gathered apart."""


def follow(line: Line, name: str, taken: set[int]) -> Line | None:
    """The line that alone reads this one's output, if it is of that operation and no other stage has taken it."""
    after = line.output.only_use()
    if after is None or after.operation.name != name or after.number in taken:
        return None
    return after if after.inputs[0] is line.output else None


def is_image(value: object) -> bool:
    """Whether a value can lie as padded images."""
    return isinstance(value, Value) and len(value.shape) == 4 and 0 not in value.shape and value.dtype.kind == "f"
