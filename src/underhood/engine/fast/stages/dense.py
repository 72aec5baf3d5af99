"""linear on rows, alone or before relu."""

from underhood.engine.fast import blas, products
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, follow


def match(line: Line, taken: set[int]) -> Stage | None:
    if line.operation.name != "linear" or not blas.available():
        return None
    a, w, b = line.inputs
    leaves = all(x is None or x.origin == "leaf" for x in (w, b))
    if len(a.shape) != 2 or 0 in a.shape or not leaves:
        return None
    after = follow(line, "relu", taken)
    return Dense([line, after] if after is not None else [line])


class Dense(Stage):
    """z = φ(a wᵀ + b)."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(lines)
        self.a, self.w, self.b = lines[0].inputs
        self.relu = len(lines) == 2
        self.N, self.D = self.a.shape
        self.P = self.w.shape[0]

    def forward(self, to: Lowering) -> None:
        bias = to.flat((1,)) if self.b is None else to.read_flat(self.b)
        self.weights = to.read_flat(self.w)
        to.emit(products.linear(self.relu, self.b is not None), to.read_flat(self.a), self.weights, bias,
                to.make_flat(self.output), self.N, self.D, self.P)  # fmt: skip

    def backward(self, to: Lowering) -> None:
        dz = to.gradient_as_flat(self.output)
        if self.relu:
            to.emit(products.relu_mask, dz, to.read_flat(self.output), self.N * self.P)
        if self.a.gradient:
            with to.gradient_flat_for(self.a) as (da, add):
                to.emit(products.to_input, dz, self.weights, da, self.N, self.D, self.P, add)
        if self.w.gradient:
            target, keep = to.sink(self.w)
            to.emit(products.to_weight, dz, to.read_flat(self.a), target, self.N, self.D, self.P, keep)
        if self.b is not None and self.b.gradient:
            target, keep = to.sink(self.b)
            to.emit(products.add_rows_up, dz, target, self.N, self.P, keep, parts=1)
