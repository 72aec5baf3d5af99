"""The least a training step can take: its FLOPs at the machine's peak, its bytes at the bandwidth of a copy.

    FLOPs = 2·(3·M − M₁)                   M the multiply–adds of a forward pass, M₁ those of the first layer

Backward has a product for the weights and one for the inputs, each as large as forward's; the pictures need no
gradient. Bytes are those of an ideal fusion, in which only layers with parameters touch memory:

    bytes = 4·(5·P + 2·|x| + 5·Σ|aᵢ|)      P parameters, x the pictures, aᵢ the inputs of the other such layers

A weight is read by forward and by backward, its momentum is read, both are written. An input is written by the layer
before it, read by forward and by backward, and its gradient is written and read; x is only read, twice. What is
touched at all, 4·(2·P + |x| + Σ|aᵢ|) bytes, decides which copy is the measure: one of as many bytes, which runs in a
cache where they fit into one.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

from benchmarks.cases import Case

FLOAT = 4


@dataclass(frozen=True)
class Work:
    """What one training step of a case has to do."""

    flops: int
    moved: int
    touched: int

    def milliseconds(self, peaks: dict[str, Any]) -> tuple[float, float]:
        """For the FLOPs and for the bytes, by what `programs/peaks.py` found."""
        size = min((int(s) for s in peaks["copies"] if int(s) >= self.touched), default=max(map(int, peaks["copies"])))
        return self.flops / peaks["gflops"] / 1e6, self.moved / peaks["copies"][str(size)] / 1e6


def work(case: Case) -> Work:
    """By `underhood.cost`: multiply–adds, parameters and shapes of every layer."""
    from torch import nn

    import underhood

    shape = (case.batch, *case.image)
    found = underhood.cost(case.build(nn), shape)
    outputs = [shape, *(leaf.outputs[0] for leaf in found.leaves)]
    layers = [(leaf, prod(x)) for x, leaf in zip(outputs, found.leaves, strict=False) if leaf.counts.learnt]
    inner = sum(size for _, size in layers[1:])
    return Work(
        flops=2 * (3 * found.macs - (layers[0][0].macs or 0)),
        moved=FLOAT * (5 * found.parameters + 2 * prod(shape) + 5 * inner),
        touched=FLOAT * (2 * found.parameters + prod(shape) + inner),
    )
