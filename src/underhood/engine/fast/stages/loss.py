"""cross_entropy, the mean over a batch of classes; its gradient is made in the same pass."""

import numpy as np

from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.products import cross_entropy
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage


def match(line: Line, taken: set[int]) -> Stage | None:
    if line.operation.name != "cross_entropy" or line.settings["reduction"] != "mean":
        return None
    x, t, weight = line.inputs
    plain = weight is None and len(x.shape) == 2 and 0 not in x.shape and t.dtype == np.int64
    return Loss([line]) if plain else None


class Loss(Stage):
    """−(1/N) Σ log softmax(x)[t]."""

    def forward(self, to: Lowering) -> None:
        x, t, _ = self.lines[0].inputs
        settings = self.lines[0].settings
        labels, ignored = to.values.read_contiguous(t), settings["ignore_index"]
        self.slope = to.memory.contiguous(x.shape)
        to.schedule.emit(
            cross_entropy,
            to.values.read_contiguous(x),
            labels,
            to.values.make_contiguous(self.output),
            self.slope,
            *x.shape,
            settings["label_smoothing"],
            ignored,
            parts=1,
        )

    def backward(self, to: Lowering) -> None:
        x = self.lines[0].inputs[0]
        dz = to.gradients.of(self.output)
        if to.gradients.is_root(self.output) and x.number not in to.gradients.arrived and not to.values.is_padded(x):
            to.gradients.arrived[x.number] = self.slope
            return
        gradient, slope = to.memory.contiguous(x.shape), self.slope

        def scale() -> None:
            np.multiply(slope.array, dz.array, out=gradient.array)

        to.schedule.python("cross_entropy gradient (not fused)", scale, slope, dz, gradient)
        to.gradients.put(x, gradient)
