"""reshape: the same elements under another shape.

Contiguous values share memory, images are brought into PyTorch's order.
"""

from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Contiguous
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage


def match(line: Line, taken: set[int]) -> Stage | None:
    known = line.operation.name == "reshape" and line.inputs[0].only_use() is line and 0 not in line.output.shape
    return Reshape([line]) if known and not line.output.is_result else None


class Reshape(Stage):
    """z = a, of another shape."""

    def forward(self, to: Lowering) -> None:
        to.values.put(self.output, to.values.read_contiguous(self.lines[0].inputs[0]))

    def backward(self, to: Lowering) -> None:
        a = self.lines[0].inputs[0]
        gradient: Contiguous = to.gradients.as_contiguous(self.output)
        if to.values.is_padded(a):
            to.gradients.put(a, gradient)
        else:
            to.gradients.arrived[a.number] = gradient
