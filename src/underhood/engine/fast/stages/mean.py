"""adaptive_avg_pool2d to one position: the mean of every channel."""

from underhood.engine.fast.images import global_average, global_average_gradient
from underhood.engine.fast.kernel import Image
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Contiguous
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, is_image
from underhood.engine.fast.vectors import lanes


def match(line: Line, taken: set[int]) -> Stage | None:
    one = line.operation.name == "adaptive_avg_pool2d" and line.output.shape[2:] == (1, 1)
    return Mean([line]) if one and is_image(line.inputs[0]) else None


class Mean(Stage):
    """z[n, c] = mean of a[n, c, ·, ·]."""

    def forward(self, to: Lowering) -> None:
        a = to.values.read_padded(self.lines[0].inputs[0])
        n, c, h, w = self.lines[0].inputs[0].shape
        rows = self._rows(to.values.make_contiguous(self.output))
        to.schedule.emit(global_average(lanes(to.dtype)), a.image(), rows, n, h, w, c, images=n)

    def backward(self, to: Lowering) -> None:
        a = self.lines[0].inputs[0]
        n, c, h, w = a.shape
        dz = to.gradients.as_contiguous(self.output)
        with to.gradients.into_padded(a) as (da, add):
            to.schedule.emit(
                global_average_gradient(lanes(to.dtype), add), self._rows(dz), da.image(), n, h, w, c, images=n
            )

    def _rows(self, means: Contiguous) -> Image:
        return Image(means, 0, 0, self.output.shape[1], 0, 0)
