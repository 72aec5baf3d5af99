"""How lines of a recording become calls of kernels: one module a kind, tried in this order.

Each has `match(line, taken)`, which returns a Stage for this line and perhaps some that follow and that no other
stage has `taken`, or None. A stage stands where its last line stood. What none knows runs as it does without a
plan, by `plain`.
"""

from underhood.engine.fast.stages import convolve, dense, leaky, loss, mean, norm, plain, pool, reshape, slices, sum
from underhood.engine.fast.stages.stage import Stage

KINDS = (convolve, pool, norm, dense, loss, mean, reshape, slices, sum, leaky, plain)

__all__ = ["KINDS", "Stage"]
