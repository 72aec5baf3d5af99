"""Sums of two images, with the ReLU that follows, and ReLU alone."""

from underhood.engine.fast.images import add_relu, relu_gradient
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, follow, is_image
from underhood.engine.fast.vectors import lanes


def match(line: Line, taken: set[int]) -> Stage | None:
    if not is_image(line.output):
        return None
    if line.operation.name == "relu":
        return Sum([line])
    if line.operation.name == "add" and all(is_image(x) and x.shape == line.output.shape for x in line.inputs):
        after = follow(line, "relu", taken)
        return Sum([line, after] if after is not None else [line])
    return None


class Sum(Stage):
    """z = φ(a + b) or φ(a)."""

    def forward(self, to: Lowering) -> None:
        fields = [to.values.read_padded(x) for x in self.lines[0].inputs]
        n, _, h, w = self.output.shape
        z = to.values.make_padded(self.output)
        kernel = add_relu(lanes(to.dtype), self._relu, len(fields) == 2)
        to.schedule.emit(kernel, fields[0].image(), fields[-1].image(), z.image(), n, h, w, z.depth, images=n)

    def backward(self, to: Lowering) -> None:
        n, _, h, w = self.output.shape
        dz, z = to.gradients.as_padded(self.output), to.values.read_padded(self.output)
        for x in self.lines[0].inputs:
            if x.gradient:
                with to.gradients.into_padded(x) as (da, add):
                    kernel = relu_gradient(lanes(to.dtype), self._relu, add)
                    to.schedule.emit(kernel, dz.image(), z.image(), da.image(), n, h, w, z.depth, images=n)

    @property
    def _relu(self) -> bool:
        return self.lines[-1].operation.name == "relu"
