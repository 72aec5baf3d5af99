"""max_pool2d of 2×2 places at stride 2, alone or after relu."""

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
    """p = max-max_pool(φ(z)), φ ReLU where there are two lines."""

    def forward(self, to: Lowering) -> None:
        z, p = to.read_field(self.lines[0].inputs[0]), to.make_field(self.output)
        n, _, h, w = self.output.shape
        self.places = to.flat((n, h, w, p.depth), np.uint8)
        relu = len(self.lines) == 2
        to.emit(max_pool(lanes(to.dtype), relu), z.image(), p.image(), self.places, n, h, w, p.depth, images=n)

    def backward(self, to: Lowering) -> None:
        z = self.lines[0].inputs[0]
        n, _, h, w = self.output.shape
        dp = to.gradient_field(self.output)
        with to.fresh_gradient_field_for(z) as dz:
            to.emit(
                max_pool_gradient(lanes(to.dtype)),
                dp.image(),
                self.places,
                dz.image(),
                n,
                h,
                w,
                dp.depth,
                z.shape[2] - 2 * h,
                z.shape[3] - 2 * w,
                images=n,
            )
