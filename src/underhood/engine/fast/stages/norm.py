"""batch_norm of images, with the residual sum and the ReLU that follow it."""

from underhood.engine.fast import normalisation as kernels
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Contiguous, Padded
from underhood.engine.fast.recording import Line, Value
from underhood.engine.fast.stages.stage import Stage, follow, is_image
from underhood.engine.fast.vectors import lanes


def match(line: Line, taken: set[int]) -> Stage | None:
    a, gamma, beta, _, _ = line.inputs if line.operation.name == "batch_norm" else (None,) * 5
    if not is_image(a) or (gamma is None) != (beta is None) or len(line.side_effects) not in (0, 2):
        return None
    if len({facts["momentum"] for facts in line.side_effects}) > 1 or any(extra.uses for extra in line.extras):
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
        self.line = to.memory.contiguous((4, self.depth))
        nothing = to.memory.contiguous((1,))
        affine = self.gamma is not None
        self.weights = (
            (to.values.read_contiguous(self.gamma), to.values.read_contiguous(self.beta))
            if affine
            else (nothing, nothing)
        )
        if not self.settings["training"]:
            given = to.values.read_contiguous(self.mean), to.values.read_contiguous(self.var)
            to.schedule.emit(
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
        z = to.values.read_padded(self.z)
        r = None if self.r is None else to.values.read_padded(self.r)
        n, c, h, w = self.z.shape
        if self.settings["training"]:
            self.sums = to.memory.contiguous((n, 2, self.depth))
            to.schedule.emit(
                kernels.batch_norm_sums(*self.vectors), z.image(), self.sums, n, h, w, self.depth, images=n
            )
            side_effects = self.lines[0].side_effects
            running = [to.memory.held(facts["running"].array) for facts in side_effects] or [self.weights[0]] * 2
            momentum = side_effects[0]["momentum"] if side_effects else 0.0
            settings = self.settings["eps"], momentum, self.gamma is not None, bool(side_effects)
            sizes = n, h * w, c, self.depth
            to.schedule.emit(
                kernels.batch_norm_statistics, self.sums, *self.weights, *running, self.line, *sizes, *settings, parts=1
            )
        y = to.values.make_padded(self.output)
        kernel = kernels.batch_norm(*self.vectors, self.relu, r is not None)
        to.schedule.emit(kernel, z.image(), self.line, (r or z).image(), y.image(), n, h, w, self.depth, images=n)

    def backward(self, to: Lowering) -> None:
        affine = self.gamma is not None
        n, c, h, w = self.z.shape
        dy, y, z = (
            to.gradients.as_padded(self.output),
            to.values.read_padded(self.output),
            to.values.read_padded(self.z),
        )
        self.back_sums, back = to.memory.contiguous((n, 2, self.depth)), to.memory.contiguous((3, self.depth))
        to.schedule.emit(
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
        targets = [self._target(to, value) for value in (self.gamma, self.beta)]
        (d_gamma, keep_gamma), (d_beta, keep_beta) = targets
        sizes = n, h * w, c, self.depth, affine, self.settings["training"]
        emit = to.schedule.emit
        emit(
            kernels.batch_norm_parameter_gradients,
            self.back_sums,
            self.weights[0],
            self.line,
            d_gamma,
            d_beta,
            back,
            *sizes,
            keep_gamma,
            keep_beta,
            parts=1,
        )
        with to.gradients.into_new_padded(self.z) as dz:
            if self.r is not None and self.r.gradient:
                with to.gradients.into_padded(self.r) as (dr, add):
                    self._spread(to, (dy, y, z, dz, dr), back, True, add)
            else:
                self._spread(to, (dy, y, z, dz, dz), back, False, False)

    def _spread(self, to: Lowering, images: tuple[Padded, ...], back: Contiguous, residual: bool, add: bool) -> None:
        dy, y, z, dz, dr = (each.image() for each in images)
        n, _, h, w = self.z.shape
        to.schedule.emit(
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

    def _target(self, to: Lowering, value: Value | None) -> tuple[Contiguous, float]:
        if value is None or not value.gradient:
            return to.memory.contiguous((self.depth,)), 0.0
        return to.gradients.target(value)
