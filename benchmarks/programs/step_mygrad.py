"""Training steps on MyGrad, which is NumPy underneath.

python -m benchmarks.programs.step_mygrad simple-nn
"""

from benchmarks.programs.timing import batches, options, report  # isort: skip  (begins the clock)

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.initializers import uniform
from mygrad.nnet.layers import conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.cases import CASES


def weight(*shape: int, inputs: int) -> mg.Tensor:
    # not mygrad's he_uniform, whose bound grows with the number of inputs
    return uniform(*shape, lower_bound=-(inputs**-0.5), upper_bound=inputs**-0.5)


class Dense:
    def __init__(self, inputs: int, outputs: int) -> None:
        self.w = weight(inputs, outputs, inputs=inputs)
        self.b = mg.zeros(outputs, dtype=np.float32)

    def __call__(self, x: mg.Tensor) -> mg.Tensor:
        return x.reshape(len(x), -1) @ self.w + self.b


class Conv:
    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        self.w = weight(outputs, inputs, size, size, inputs=inputs * size**2)
        self.b = mg.zeros((outputs, 1, 1), dtype=np.float32)

    def __call__(self, x: mg.Tensor) -> mg.Tensor:
        return conv_nd(x, self.w, stride=1) + self.b


def pool(x: mg.Tensor) -> mg.Tensor:
    return max_pool(x, (2, 2), 2)


NETWORKS = {
    "mlp": lambda: [Dense(784, 256), relu, Dense(256, 10)],
    "listing1": lambda: [
        Conv(1, 10, 5), relu, pool, Conv(10, 20, 5), relu, pool, Dense(320, 50), Dense(50, 10),
    ],
    "simple-conv-net": lambda: [Conv(1, 20, 5), pool, Dense(2880, 500), relu, Dense(500, 10)],
    "simple-nn": lambda: [
        Conv(3, 8, 5), relu, pool, Conv(8, 16, 3), relu, pool,
        Dense(576, 120), relu, Dense(120, 84), relu, Dense(84, 10),
    ],
}  # fmt: skip

chosen = options(NETWORKS).parse_args()
case = CASES[chosen.case]

layers = NETWORKS[chosen.case]()
parameters = [tensor for layer in layers if isinstance(layer, Dense | Conv) for tensor in (layer.w, layer.b)]
velocities = [np.zeros_like(p.data) for p in parameters]


def step(x: np.ndarray, t: np.ndarray) -> float:
    z = x
    for layer in layers:
        z = layer(z)
    loss = softmax_crossentropy(z, t)
    loss.backward()
    for p, v in zip(parameters, velocities, strict=True):
        v *= 0.9
        v += p.grad
        p.data -= 0.01 * v
    return loss.item()


report(step, batches(case.image, case.batch), chosen)
