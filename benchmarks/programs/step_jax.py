"""Training steps on JAX: jit over value_and_grad, the state donated, pictures channels last as XLA likes them.

python -m benchmarks.programs.step_jax simple-nn
"""

from functools import partial
from typing import Any

from benchmarks.programs.timing import batches, options, report  # isort: skip  (begins the clock)

import jax
import jax.numpy as jnp
from jax import lax, nn

from benchmarks.cases import CASES

Parameters = dict[str, dict[str, jax.Array]]

SHAPES: dict[str, dict[str, tuple[int, ...]]] = {  # of the weights; a convolution's are (K, K, C, O)
    "mlp": {"fc1": (784, 256), "fc2": (256, 10)},
    "listing1": {"conv1": (5, 5, 1, 10), "conv2": (5, 5, 10, 20), "fc1": (320, 50), "fc2": (50, 10)},
    "simple-conv-net": {"conv": (5, 5, 1, 20), "fc1": (2880, 500), "fc2": (500, 10)},
    "simple-nn": {
        "conv1": (5, 5, 3, 8),
        "conv2": (3, 3, 8, 16),
        "fc1": (576, 120),
        "fc2": (120, 84),
        "fc3": (84, 10),
    },
}


def mlp(p: Parameters, x: jax.Array) -> jax.Array:
    return dense(p["fc2"], nn.relu(dense(p["fc1"], flat(x))))


def listing1(p: Parameters, x: jax.Array) -> jax.Array:
    x = max_pool(nn.relu(conv(p["conv1"], x)))
    x = max_pool(nn.relu(conv(p["conv2"], x)))
    return dense(p["fc2"], dense(p["fc1"], flat(x)))


def simple_conv_net(p: Parameters, x: jax.Array) -> jax.Array:
    x = max_pool(conv(p["conv"], x))
    return dense(p["fc2"], nn.relu(dense(p["fc1"], flat(x))))


def simple_nn(p: Parameters, x: jax.Array) -> jax.Array:
    x = max_pool(nn.relu(conv(p["conv1"], x)))
    x = max_pool(nn.relu(conv(p["conv2"], x)))
    x = nn.relu(dense(p["fc1"], flat(x)))
    return dense(p["fc3"], nn.relu(dense(p["fc2"], x)))


def conv(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, p["w"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + p["b"]


def max_pool(x: jax.Array) -> jax.Array:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def dense(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return x @ p["w"] + p["b"]


def flat(x: jax.Array) -> jax.Array:
    return x.reshape(len(x), -1)


NETWORKS = {"mlp": mlp, "listing1": listing1, "simple-conv-net": simple_conv_net, "simple-nn": simple_nn}

chosen = options(NETWORKS).parse_args()
case, network = CASES[chosen.case], NETWORKS[chosen.case]


def cross_entropy(parameters: Parameters, x: jax.Array, t: jax.Array) -> jax.Array:
    logits = nn.log_softmax(network(parameters, x))
    return -jnp.take_along_axis(logits, t[:, None], axis=1).mean()


@partial(jax.jit, donate_argnums=(0, 1))
def sgd(parameters: Parameters, velocity: Parameters, x: jax.Array, t: jax.Array) -> tuple[Any, Any, jax.Array]:
    loss, gradients = jax.value_and_grad(cross_entropy)(parameters, x, t)
    velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradients)
    parameters = jax.tree.map(lambda w, v: w - 0.01 * v, parameters, velocity)
    return parameters, velocity, loss


def step(x: jax.Array, t: jax.Array) -> float:
    global parameters, velocity
    parameters, velocity, loss = jax.block_until_ready(sgd(parameters, velocity, x, t))
    return float(loss)


initial = nn.initializers.lecun_normal()
keys = jax.random.split(jax.random.key(0), len(SHAPES[chosen.case]))
parameters = {
    name: {"w": initial(key, shape), "b": jnp.zeros(shape[-1])}
    for key, (name, shape) in zip(keys, SHAPES[chosen.case].items(), strict=True)
}
velocity = jax.tree.map(jnp.zeros_like, parameters)
data = [(jnp.asarray(x.transpose(0, 2, 3, 1)), jnp.asarray(t)) for x, t in batches(case.image, case.batch)]
report(step, data, chosen)
