"""leaky_relu, on images and on contiguous values."""

from math import prod

from underhood.engine.fast import leaky
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, is_image
from underhood.engine.fast.vectors import lanes


def match(line: Line, taken: set[int]) -> Stage | None:
    known = line.operation.name == "leaky_relu" and 0 not in line.output.shape and line.output.dtype.kind == "f"
    return Leaky([line]) if known else None


class Leaky(Stage):
    """z = a where a > 0, s·a elsewhere."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(lines)
        self.a, self.slope = lines[0].inputs[0], lines[0].settings["negative_slope"]

    def forward(self, to: Lowering) -> None:
        if is_image(self.output):
            a, z = to.values.read_padded(self.a).image(), to.values.make_padded(self.output)
            n, _, h, w = self.output.shape
            kernel = leaky.of_images(lanes(to.dtype), False)
            to.schedule.emit(kernel, a, a, z.image(), self.slope, n, h, w, z.depth, images=n)
        else:
            values, made = to.values.read_contiguous(self.a), to.values.make_contiguous(self.output)
            kernel = leaky.of_numbers(lanes(to.dtype))
            to.schedule.emit(kernel, values, values, made, self.slope, prod(self.output.shape))

    def backward(self, to: Lowering) -> None:
        if is_image(self.output):
            a, dz = to.values.read_padded(self.a).image(), to.gradients.as_padded(self.output)
            n, _, h, w = self.output.shape
            with to.gradients.into_padded(self.a) as (da, add):
                kernel = leaky.of_images(lanes(to.dtype), add)
                to.schedule.emit(kernel, a, dz.image(), da.image(), self.slope, n, h, w, dz.depth, images=n)
        else:
            values, delta = to.values.read_contiguous(self.a), to.gradients.as_contiguous(self.output)
            with to.gradients.into_new_contiguous(self.a) as made:
                kernel = leaky.of_numbers(lanes(to.dtype))
                to.schedule.emit(kernel, values, delta, made, self.slope, prod(self.output.shape))
