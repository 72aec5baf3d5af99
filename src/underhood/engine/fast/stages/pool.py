"""max_pool2d of 2×2 windows at stride 2, alone or after relu."""

import numpy as np

from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.pooling import max_pool, max_pool_gradient
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, follow, is_image
from underhood.engine.fast.vectors import lanes

HALVING = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}


def match(line: Line, taken: set[int]) -> Stage | None:
    if not is_image(line.inputs[0]) or 0 in line.output.shape:
        return None
    if line.operation.name == "relu":
        after = follow(line, "max_pool2d", taken)
        return Pool([line, after]) if after is not None and after.settings == HALVING else None
    return Pool([line]) if line.operation.name == "max_pool2d" and line.settings == HALVING else None


class Pool(Stage):
    """p = max-pool(φ(z)), φ ReLU where there are two lines."""

    def forward(self, to: Lowering) -> None:
        z, p = to.values.read_padded(self.lines[0].inputs[0]), to.values.make_padded(self.output)
        n, _, h, w = self.output.shape
        self.positions = to.memory.contiguous((n, h, w, p.depth), np.uint8)
        relu = len(self.lines) == 2
        to.schedule.emit(
            max_pool(lanes(to.dtype), relu), z.image(), p.image(), self.positions, n, h, w, p.depth, images=n
        )

    def backward(self, to: Lowering) -> None:
        z = self.lines[0].inputs[0]
        n, _, h, w = self.output.shape
        dp = to.gradients.as_padded(self.output)
        with to.gradients.into_new_padded(z) as dz:
            to.schedule.emit(
                max_pool_gradient(lanes(to.dtype)),
                dp.image(),
                self.positions,
                dz.image(),
                n,
                h,
                w,
                dp.depth,
                z.shape[2] - 2 * h,
                z.shape[3] - 2 * w,
                images=n,
            )
