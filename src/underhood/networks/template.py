"""The MLP of a course's template, with the template's names and meanings, in NumPy alone.

    hₖ = φₖ(hₖ₋₁ Wₖ + bₖ),   h₀ = x,   logits = h_{L−1} W_L + b_L,   E = softmax cross-entropy

    x: (N, input_size)   Wₖ: (d₀, d₁)   bₖ: (d₁,)   labels: (N,) classes or (N, C) one-hot

Activations, softmax and the linear layer are the functions of the engine's own pages, on NumPy's arrays.

Source: the programming exercise of "24-789 Deep Learning for Engineers", Carnegie Mellon University, 2021.
Differs from `mlp` in how it is written (no tape: each layer keeps what backward wants), in its initial weights
(standard normal) and in its weights' layout, (inputs, outputs).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from underhood.engine.ops import activations as smooth
from underhood.engine.ops import linear, piecewise, softmax

Array = np.ndarray
WeightInit = Callable[[int, int], Array]
BiasInit = Callable[[int], Array]


class Activation:
    """φ. It remembers what it saw; `derivative()` is φ′ there."""

    def __init__(self) -> None:
        self.input: Array = np.zeros(0)
        self.state: Array = np.zeros(0)

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    def forward(self, x: Array) -> Array:
        """φ(x)."""
        raise NotImplementedError

    def derivative(self) -> Array:
        """φ′ at the last input."""
        raise NotImplementedError

    def backward(self, dz: Array) -> Array:
        """φ′ at the last input, times the gradient that comes from above."""
        return dz * self.derivative()


class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, x: Array) -> Array:
        self.input, self.state = x, smooth._sigmoid(x)
        return self.state

    def derivative(self) -> Array:
        return smooth._sigmoid_slope(self.input)


class Tanh(Activation):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)."""

    def forward(self, x: Array) -> Array:
        self.input, self.state = x, smooth._tanh(x)
        return self.state

    def derivative(self) -> Array:
        return smooth._tanh_slope(self.input)


class ReLU(Activation):
    """max(x, 0)."""

    def forward(self, x: Array) -> Array:
        self.input, self.state = x, piecewise._relu(x)
        return self.state

    def derivative(self) -> Array:
        return piecewise._relu_slope(self.state).astype(self.state.dtype)


class SoftmaxCrossEntropy:
    """E = −log softmax(x)[label], for each row."""

    def __call__(self, x: Array, labels: Array) -> Array:
        return self.forward(x, labels)

    def forward(self, x: Array, labels: Array) -> Array:
        """The loss of each row, (N,)."""
        self.logits, self.labels = x, classes(labels)
        self.loss: Array = -softmax.log_softmax_vector(x, dim=1)[np.arange(len(x)), self.labels]
        return self.loss

    def derivative(self) -> Array:
        """∂E/∂x = softmax(x) − one-hot(label), (N, C)."""
        gradient = softmax.softmax_vector(self.logits, dim=1)
        gradient[np.arange(len(gradient)), self.labels] -= 1
        return gradient


def classes(labels: Array) -> Array:
    """Classes (N,) from classes or one-hot rows."""
    return labels.argmax(axis=1) if labels.ndim == 2 else labels.astype(np.int64)


def random_normal_weight_init(d0: int, d1: int, rng: np.random.Generator | None = None) -> Array:
    """W: (d0, d1) from the standard normal distribution."""
    return (rng or np.random.default_rng()).standard_normal((d0, d1))


def zeros_bias_init(d: int) -> Array:
    """b: (d,) zeros."""
    return np.zeros(d)


class MLP:
    """`hiddens` widths and as many `activations`; trained by gradient descent with momentum.

    dW, db hold the gradients of the last `backward`; with momentum μ a step is v ← μ v − lr dW, W ← W + v.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        hiddens: Sequence[int],
        activations: Sequence[Activation],
        weight_init_fn: WeightInit = random_normal_weight_init,
        bias_init_fn: BiasInit = zeros_bias_init,
        criterion: SoftmaxCrossEntropy | None = None,
        lr: float = 0.01,
        momentum: float = 0.0,
    ) -> None:
        if len(activations) != len(hiddens):
            raise ValueError(f"{len(hiddens)} hidden layers want {len(hiddens)} activations, got {len(activations)}")
        widths = [input_size, *hiddens, output_size]
        self.W = [weight_init_fn(widths[k], widths[k + 1]) for k in range(len(widths) - 1)]
        self.b = [bias_init_fn(d) for d in widths[1:]]
        self.activations = list(activations)
        self.criterion = criterion or SoftmaxCrossEntropy()
        self.lr, self.momentum = lr, momentum
        self.vW, self.vb = [np.zeros_like(w) for w in self.W], [np.zeros_like(b) for b in self.b]
        self.zero_grads()

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    def forward(self, x: Array) -> Array:
        """The logits, (N, output_size)."""
        self.inputs = [x]
        for w, b, activation in zip(self.W, self.b, self.activations, strict=False):
            self.inputs.append(activation(linear.vector(self.inputs[-1], w.T, b)))
        self.output: Array = linear.vector(self.inputs[-1], self.W[-1].T, self.b[-1])
        return self.output

    def zero_grads(self) -> None:
        """Set all gradients to zero."""
        self.dW, self.db = [np.zeros_like(w) for w in self.W], [np.zeros_like(b) for b in self.b]

    def backward(self, labels: Array) -> None:
        """Add the gradients of the batch's mean loss to dW and db."""
        self.criterion(self.output, labels)
        d = self.criterion.derivative() / len(labels)
        for k in reversed(range(len(self.W))):
            if k < len(self.activations):
                d = self.activations[k].backward(d)
            a, w, b = self.inputs[k], self.W[k].T, self.b[k]
            d, dw, db = linear.vector_backward(d, d, a, w, b)
            self.dW[k] += dw.T
            self.db[k] += db

    def step(self) -> None:
        """Update weights and biases from their gradients."""
        for values, velocities, gradients in ((self.W, self.vW, self.dW), (self.b, self.vb, self.db)):
            for value, velocity, gradient in zip(values, velocities, gradients, strict=True):
                velocity *= self.momentum
                velocity -= self.lr * gradient
                value += velocity

    def get_loss(self, labels: Array) -> float:
        """Mean loss of the last `forward`."""
        return float(self.criterion(self.output, labels).mean())

    def get_error(self, labels: Array) -> int:
        """Number of wrong predictions of the last `forward`."""
        return int((self.output.argmax(axis=1) != classes(labels)).sum())

    def save_model(self, path: str | Path = "p1_model.npz") -> None:
        """W0, b0, W1, b1, … as arrays of an .npz file."""
        np.savez(path, allow_pickle=False, **self.weights())

    def load_model(self, path: str | Path = "p1_model.npz") -> None:
        """Take the arrays that `save_model` wrote, of a network of the same sizes."""
        with np.load(path, allow_pickle=False) as arrays:
            for name, array in self.weights().items():
                if arrays[name].shape != array.shape:
                    raise ValueError(f"{path}: {name} is {arrays[name].shape}, this network's is {array.shape}")
                array[...] = arrays[name]

    def weights(self) -> dict[str, Array]:
        """The learnt arrays by name."""
        named = {f"W{k}": w for k, w in enumerate(self.W)}
        return named | {f"b{k}": b for k, b in enumerate(self.b)}


def batches(n: int, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """The rows of each batch of a shuffled epoch."""
    order = rng.permutation(n)
    return (order[start : start + size] for start in range(0, n, size))


def get_training_stats(
    mlp: MLP, dset: Any, nepochs: int, batch_size: int, rng: np.random.Generator | None = None
) -> tuple[Array, Array, Array, Array]:
    """Train on `dset` = ((x, labels), (x, labels)), the training and the test part.

    Returns training losses, training errors, test losses and test errors, one an epoch; losses are means and
    errors fractions of wrong predictions.
    """
    (x, labels), (test_x, test_labels) = dset
    rng = rng or np.random.default_rng()
    stats = []
    for _ in range(nepochs):
        loss, errors = 0.0, 0
        for rows in batches(len(x), batch_size, rng):
            mlp.zero_grads()
            mlp.forward(x[rows])
            mlp.backward(labels[rows])
            mlp.step()
            loss += mlp.get_loss(labels[rows]) * len(rows)
            errors += mlp.get_error(labels[rows])
        mlp.forward(test_x)
        test = mlp.get_loss(test_labels), mlp.get_error(test_labels) / len(test_x)
        stats.append((loss / len(x), errors / len(x), *test))
    columns = np.array(stats).reshape(nepochs, 4).T
    return columns[0], columns[1], columns[2], columns[3]
