"""linear on rows, alone or before relu."""

from underhood.engine.fast import products
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Contiguous
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, follow
from underhood.engine.fast.vectors import lanes


def match(line: Line, taken: set[int]) -> Stage | None:
    if line.operation.name != "linear":
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
        bias = to.memory.contiguous((self.P,)) if self.b is None else to.values.read_contiguous(self.b)
        self._product(to, to.values.read_contiguous(self.a), bias, to.values.make_contiguous(self.output), turned=True)

    def _product(self, to: Lowering, a: Contiguous, bias: Contiguous, z: Contiguous, *, turned: bool) -> None:
        """z = φ(a wᵀ + bias), or, not turned, z = a w + bias."""
        depth, columns = (self.D, self.P) if turned else (self.P, self.D)
        lane = lanes(to.dtype)
        R, V = products.tile_shape(self.N, columns, lane)
        workspace = to.memory.contiguous((to.threads, products.workspace_size(V, lane, depth)))
        to.schedule.emit(
            products.matrix_product(R, V, lane),
            a,
            to.values.read_contiguous(self.w),
            bias,
            z,
            workspace,
            self.N,
            depth,
            columns,
            turned,
            self.relu and turned,
        )

    def backward(self, to: Lowering) -> None:
        dz = to.gradients.as_contiguous(self.output)
        lane = lanes(to.dtype)
        if self.relu:
            to.schedule.emit(products.relu_gradient(lane), dz, to.values.read_contiguous(self.output), self.N * self.P)
        if self.b is not None and self.b.gradient:
            target, keep = to.gradients.target(self.b)
            to.schedule.emit(products.linear_bias_gradient(lane), dz, target, self.N, self.P, keep)
        if self.a.gradient:
            with to.gradients.into_new_contiguous(self.a) as da:
                self._product(to, dz, to.memory.contiguous((self.D,)), da, turned=False)
        if self.w.gradient:
            R, V = products.tile_shape(self.P, self.D, lane)
            workspace = to.memory.contiguous((to.threads, products.workspace_size(V, lane, self.N, products.WIDE)))
            target, keep = to.gradients.target(self.w)
            lr = to.gradients.update_within(self.w)
            to.schedule.emit(
                products.linear_weight_gradient(R, V, lane),
                dz,
                to.values.read_contiguous(self.a),
                target,
                to.values.read_contiguous(self.w),
                lr or workspace,
                workspace,
                self.N,
                self.D,
                self.P,
                keep,
                lr is not None,
            )
