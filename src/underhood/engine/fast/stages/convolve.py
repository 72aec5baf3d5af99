"""conv2d, without groups."""

from underhood.engine.fast.convolving import Convolution
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Contiguous
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, is_image
from underhood.engine.ops.windows import windows


def match(line: Line, taken: set[int]) -> Stage | None:
    if line.operation.name != "conv2d" or line.settings["groups"] != 1:
        return None
    a, w, b = line.inputs
    leaves = all(x is None or x.origin == "leaf" for x in (w, b))
    return Convolve([line]) if is_image(a) and is_image(line.output) and leaves else None


class Convolve(Stage):
    """z = a ∗ w + b."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(lines)
        self.a, self.w, self.b = lines[0].inputs
        settings = lines[0].settings
        self.windows = windows(
            self.a.shape[2:], self.w.shape[2:], settings["stride"], settings["padding"], settings["dilation"]
        )
        # an image that only convolutions read needs no whole vectors of channels: they take its elements one by one
        others = self.a.is_shared or any(use.operation.name != "conv2d" for use in self.a.uses)
        self.filled = self.a.origin == "line" or others

    def prepare(self, to: Lowering) -> None:
        self.sums = Convolution(to.memory, to.schedule, self.windows, self.w.shape, self.output.shape[0])
        to.values.widen(self.a, self.sums.border)
        if self.a.gradient:
            to.values.widen(self.output, self.sums.gradient_border, "gradient")

    def begin(self, to: Lowering) -> None:
        w = to.values.read_contiguous(self.w)
        self.packed = self.sums.pack(w)
        self.bias = self.sums.pack_bias(None if self.b is None else to.values.read_contiguous(self.b))
        self.flipped: list[Contiguous] = []
        if self.a.gradient and to.gradients.wanted:
            self.flipped = self.sums.pack_flipped(w)

    def forward(self, to: Lowering) -> None:
        a = to.values.read_padded(self.a, self.filled)
        self.sums.forward(a, self.packed, self.bias, to.values.make_padded(self.output))

    def backward(self, to: Lowering) -> None:
        a, dz = to.values.read_padded(self.a, self.filled), to.gradients.as_padded(self.output)
        if self.w.gradient:
            self.weight_sums = self.sums.weight_gradient(a, dz, to.threads)
        if self.b is not None and self.b.gradient:
            self.bias_sums = self.sums.bias_gradient(dz, to.threads)
        if self.a.gradient:
            with to.gradients.into_padded(self.a) as (da, add):
                self.sums.input_gradient(dz, self.flipped, da, add)

    def end(self, to: Lowering) -> None:
        if self.w.gradient:
            self.sums.reduce(self.weight_sums, *to.gradients.target(self.w))
        if self.b is not None and self.b.gradient:
            self.sums.reduce_bias(self.bias_sums, *to.gradients.target(self.b))
