"""MNIST's digits, read by a multi-layer perceptron in NumPy alone.

    python p1.py

trains the network if there is no p1_model.npz beside this file, keeps it there and draws its curves; then the network
that is kept is loaded, and its error on the test images told. mnist_train.csv and mnist_test.csv, with a line for each
image, its label and 784 pixels, are read from this folder, or from the one that the environment variable MNIST names.
"""

import os

import numpy as np

from underhood.networks.template import (
    MLP,
    Array,
    ReLU,
    Sigmoid,
    Tanh,
    get_training_stats,
    random_normal_weight_init,
    zeros_bias_init,
)

HIDDEN = [512]
ACTIVATION = "Sigmoid"
LEARNING_RATE = 0.3
MOMENTUM = 0.9
BATCH_SIZE = 64
EPOCHS = 12
TRAINING_IMAGES = 60000  # so many of the file, drawn at random
SCALE = 1 / 255  # x = pixel · SCALE − SHIFT
SHIFT = 0.0
PRECISION = "float32"
SEED = 0

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("MNIST", HERE)
MODEL = os.path.join(HERE, "p1_model.npz")
CURVES = os.path.join(HERE, "p1_curves.png")
PIXELS, CLASSES = 784, 10
ACTIVATIONS = {"Sigmoid": Sigmoid, "Tanh": Tanh, "ReLU": ReLU}


def read(name: str) -> tuple[Array, Array]:
    """Images (N, 784), as the network takes them, and labels (N,) of a file."""
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        raise SystemExit(f"{path} is not there; set MNIST to the folder that has it")
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8, ndmin=2)
    if table.shape[1] != 1 + PIXELS:
        raise SystemExit(f"{path}: {table.shape[1]} numbers a line, not a label and {PIXELS} pixels")
    return table[:, 1:].astype(PRECISION) * SCALE - SHIFT, table[:, 0].astype(np.int64)


def new_network(rng: np.random.Generator) -> MLP:
    """The network with its initial weights."""
    return MLP(
        PIXELS,
        CLASSES,
        HIDDEN,
        [ACTIVATIONS[ACTIVATION]() for _ in HIDDEN],
        weight_init_fn=lambda d0, d1: random_normal_weight_init(d0, d1, rng).astype(PRECISION),
        bias_init_fn=lambda d: zeros_bias_init(d).astype(PRECISION),
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
    )


def train() -> None:
    """Train a network, keep it in MODEL, and draw its curves."""
    rng = np.random.default_rng(SEED)
    (images, labels), test = read("mnist_train.csv"), read("mnist_test.csv")
    some = rng.permutation(len(images))[:TRAINING_IMAGES]
    mlp = new_network(rng)
    stats = get_training_stats(mlp, ((images[some], labels[some]), test), EPOCHS, BATCH_SIZE, rng)
    print("epoch  training loss  training error  test loss  test error")
    for epoch, (loss, error, test_loss, test_error) in enumerate(zip(*stats, strict=True), start=1):
        print(f"{epoch:5}  {loss:13.4f}  {error:14.2%}  {test_loss:9.4f}  {test_error:10.2%}")
    mlp.save_model(MODEL)
    draw(stats)


def draw(stats: tuple[Array, Array, Array, Array]) -> None:
    """Loss and error against epochs, for training and test images."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("matplotlib is not installed: the curves are not drawn")
        return
    losses, errors, test_losses, test_errors = stats
    epochs = np.arange(1, len(losses) + 1)
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, name, training, test in zip(
        figure.subplots(1, 2), ("Loss", "Error"), (losses, errors), (test_losses, test_errors), strict=True
    ):
        axes.plot(epochs, training, label="training")
        axes.plot(epochs, test, "--", label="test")
        axes.set(xlabel="epoch", ylabel=name)
        axes.legend()
    figure.savefig(CURVES)
    print(f"curves: {CURVES}")


def load() -> MLP:
    """The network that is kept in MODEL."""
    mlp = new_network(np.random.default_rng(SEED))
    mlp.load_model(MODEL)
    return mlp


def predict(mlp: MLP, images: Array) -> Array:
    """The class of each image."""
    return mlp.forward(images).argmax(axis=1)


def evaluate() -> None:
    """Tell how many of the test images the kept network misreads."""
    images, labels = read("mnist_test.csv")
    wrong = int((predict(load(), images) != labels).sum())
    print(f"test error: {wrong / len(labels):.2%}, {wrong:,} of {len(labels):,} images misread")


if __name__ == "__main__":
    if not os.path.exists(MODEL):
        train()
    evaluate()
