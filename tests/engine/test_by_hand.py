"""The homework's functions: scalar, vector and PyTorch agree, in the forms that their names promise."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as T

from underhood import engine
from underhood.engine import by_hand

rng = np.random.default_rng(0)
IMAGES, MAPS = rng.normal(size=(3, 2, 8, 8)), rng.normal(size=(3, 2, 6, 6))
FILTERS, BIAS = rng.normal(size=(4, 2, 3, 3)), rng.normal(size=4)
ROWS, WEIGHT = rng.normal(size=(3, 7)), rng.normal(size=(4, 7))

LAYERS = {
    "conv2d": ((IMAGES, FILTERS, BIAS), T.conv2d),
    "pool2d": ((MAPS,), lambda a: T.max_pool2d(a, 2)),
    "relu": ((MAPS,), T.relu),
    "reshape": ((MAPS,), lambda a: a.flatten(1)),
    "fc_layer": ((ROWS, WEIGHT, BIAS), T.linear),
    "softmax": ((ROWS,), lambda a: T.softmax(a, 1)),
}
DOORS = [(f"{layer}_{kind}", *LAYERS[layer]) for layer in LAYERS for kind in ("scalar", "vector")]


@pytest.mark.parametrize(("name", "inputs", "reference"), DOORS, ids=[name for name, *_ in DOORS])
def test_a_door_is_pytorchs_layer(name, inputs, reference):
    door = getattr(by_hand, name)
    expected = reference(*map(torch.tensor, inputs))
    z = door(*inputs)
    assert isinstance(z, np.ndarray)
    assert by_hand.diff_mse(z, expected) < 1e-28
    tensors = [engine.tensor(x, requires_grad=True) for x in inputs]
    z = door(*tensors, "cpu")
    assert by_hand.diff_mse(z, expected) < 1e-28
    assert z.grad_fn.form == {"scalar": "definition", "vector": "vector"}[name.split("_")[-1]]


def test_the_convolution_has_columns_of_either_length():
    assert (
        by_hand.diff_mse(
            by_hand.conv2d_vector(IMAGES, FILTERS, BIAS, columns="K·K"), by_hand.conv2d_scalar(IMAGES, FILTERS, BIAS)
        )
        < 1e-28
    )
    z = by_hand.conv2d_vector(engine.tensor(IMAGES, requires_grad=True), engine.tensor(FILTERS), columns="K·K")
    assert z.grad_fn.operation.name == "conv2d_by_channel"
    with pytest.raises(ValueError, match="C·K·K or K·K"):
        by_hand.conv2d_vector(IMAGES, FILTERS, columns="K")


def test_diff_mse_is_the_mean_of_squares():
    assert by_hand.diff_mse(np.array([1.0, 2.0]), torch.tensor([1.0, 5.0])) == 4.5
    assert by_hand.diff_mse(engine.tensor([[3.0]], requires_grad=True), np.zeros((1, 1))) == 9
    with pytest.raises(ValueError, match=r"\(2,\) and \(1, 2\) differ"):
        by_hand.diff_mse(np.zeros(2), np.zeros((1, 2)))


def test_every_layer_of_the_homework_has_both_doors():
    doors = {name for name, f in inspect.getmembers(by_hand, inspect.isfunction) if f.__module__ == by_hand.__name__}
    assert {name for name, *_ in DOORS} | {"diff_mse"} == {name for name in doors if not name.startswith("_")}


def test_there_is_no_other_device():
    with pytest.raises(RuntimeError, match="CPU"):
        by_hand.relu_scalar(MAPS, "cuda")
