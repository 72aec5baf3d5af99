"""batch_norm of images, with the residual sum and the ReLU that follow it."""

from underhood.engine.fast import normalisation as kernels
from underhood.engine.fast.lowering import Field, Flat, Lowering
from underhood.engine.fast.recording import Line, Value
from underhood.engine.fast.stages.stage import Stage, follow, is_image
from underhood.engine.fast.vectors import lanes


def match(line: Line, taken: set[int]) -> Stage | None:
    a, gamma, beta, _, _ = line.inputs if line.operation.name == "batch_norm" else (None,) * 5
    if not is_image(a) or (gamma is None) != (beta is None) or len(line.beside) not in (0, 2):
        return None
    if len({facts["momentum"] for facts in line.beside}) > 1 or any(extra.uses for extra in line.extras):
        return None
    lines = [line]
    after = line.output.only_use()
    if after is not None and after.operation.name == "add" and _same_shapes(after) and after.number not in taken:
        lines.append(after)
    after = follow(lines[-1], "relu", taken)
    return Norm([*lines, after] if after is not None else lines)


def _same_shapes(line: Line) -> bool:
    x, y = line.inputs
    return is_image(x) and is_image(y) and x.shape == y.shape and x is not y


class Norm(Stage):
    """y = φ(batch_norm(z) + r)."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(lines)
        self.z, self.gamma, self.beta, self.mean, self.var = lines[0].inputs
        self.settings = lines[0].settings
        sums = [line for line in lines if line.operation.name == "add"]
        self.r = next((x for line in sums for x in line.inputs if x is not lines[0].output), None)
        self.relu = lines[-1].operation.name == "relu"

    def begin(self, to: Lowering) -> None:
        lane = lanes(to.dtype)
        self.depth = -(-self.z.shape[1] // lane) * lane
        self.vectors = (1 if self.depth // lane % 2 else 2), lane
        self.line = to.flat((4, self.depth))
        nothing = to.flat((1,))
        affine = self.gamma is not None
        self.weights = (to.read_flat(self.gamma), to.read_flat(self.beta)) if affine else (nothing, nothing)
        if not self.settings["training"]:
            given = to.read_flat(self.mean), to.read_flat(self.var)
            to.emit(
                kernels.batch_norm_given_statistics,
                *self.weights,
                *given,
                self.line,
                self.z.shape[1],
                self.depth,
                self.settings["eps"],
                affine,
                parts=1,
            )

    def forward(self, to: Lowering) -> None:
        z = to.read_field(self.z)
        r = None if self.r is None else to.read_field(self.r)
        n, c, h, w = self.z.shape
        if self.settings["training"]:
            self.sums = to.flat((n, 2, self.depth))
            to.emit(kernels.batch_norm_sums(*self.vectors), z.image(), self.sums, n, h, w, self.depth, images=n)
            beside = self.lines[0].beside
            running = [to.held(facts["running"].array) for facts in beside] or [self.weights[0]] * 2
            momentum = beside[0]["momentum"] if beside else 0.0
            to.emit(kernels.batch_norm_statistics, self.sums, *self.weights, *running, self.line, n, h * w, c,
                    self.depth, self.settings["eps"], momentum, self.gamma is not None, bool(beside),
                    parts=1)  # fmt: skip
        y = to.make_field(self.output)
        kernel = kernels.batch_norm(*self.vectors, self.relu, r is not None)
        to.emit(kernel, z.image(), self.line, (r or z).image(), y.image(), n, h, w, self.depth, images=n)

    def backward(self, to: Lowering) -> None:
        affine = self.gamma is not None
        n, c, h, w = self.z.shape
        dy, y, z = to.gradient_field(self.output), to.read_field(self.output), to.read_field(self.z)
        self.back_sums, back = to.flat((n, 2, self.depth)), to.flat((3, self.depth))
        to.emit(
            kernels.batch_norm_gradient_sums(*self.vectors, self.relu),
            dy.image(),
            y.image(),
            z.image(),
            self.line,
            self.back_sums,
            n,
            h,
            w,
            self.depth,
            images=n,
        )
        sinks = [self._sink(to, value) for value in (self.gamma, self.beta)]
        to.emit(kernels.batch_norm_parameter_gradients, self.back_sums, self.weights[0], self.line, sinks[0][0],
                sinks[1][0], back, n, h * w, c, self.depth, affine, self.settings["training"], sinks[0][1],
                parts=1)  # fmt: skip
        with to.fresh_gradient_field_for(self.z) as dz:
            if self.r is not None and self.r.gradient:
                with to.gradient_field_for(self.r) as (dr, add):
                    self._spread(to, (dy, y, z, dz, dr), back, True, add)
            else:
                self._spread(to, (dy, y, z, dz, dz), back, False, False)

    def _spread(self, to: Lowering, fields: tuple[Field, ...], back: Flat, residual: bool, add: bool) -> None:
        dy, y, z, dz, dr = (field.image() for field in fields)
        n, _, h, w = self.z.shape
        to.emit(
            kernels.batch_norm_gradient(*self.vectors, self.relu, residual, add),
            dy,
            y,
            z,
            back,
            dz,
            dr,
            n,
            h,
            w,
            self.depth,
            images=n,
        )

    def _sink(self, to: Lowering, value: Value | None) -> tuple[Flat, float]:
        if value is None or not value.gradient:
            return to.flat((self.depth,)), 0.0
        return to.sink(value)
