"""`device` and `dtype`, which every layer with weights takes: where it would compute, and in what."""

import inspect

import pytest
import torch

import underhood
from tests.engine.nn.test_layers import LAYERS
from tests.engine.nn.test_sequences import ATTENTION, CELLS, RECURRENT, TRANSFORMERS
from underhood.engine import nn

ROWS = dict.fromkeys([row for row, *_ in (*LAYERS, *RECURRENT, *ATTENTION, *TRANSFORMERS)] + CELLS)
ONE_OF_EACH = {row.split("(")[0]: row for row in ROWS if row.endswith(")") and "nn." not in row}
TAKING = {
    name: row
    for name, row in ONE_OF_EACH.items()
    if "device" in inspect.signature(getattr(nn, name).__init__).parameters
}


def made(row, lib, **more):
    name, _, arguments = row.partition("(")
    settings = eval(f"dict_of({arguments}", {"dict_of": lambda *args, **kwargs: (args, kwargs), "np": None})
    return getattr(lib.nn, name)(*settings[0], **(settings[1] | more))


def test_there_are_many():
    assert len(TAKING) > 20


@pytest.mark.parametrize("name", TAKING)
def test_another_device_is_refused(name):
    with pytest.raises(RuntimeError, match="device 'cuda:0': underhood's engine runs on the CPU"):
        made(TAKING[name], underhood, device="cuda:0")
    made(TAKING[name], underhood, device="cpu")


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # torch's
@pytest.mark.parametrize("name", TAKING)
def test_the_dtype_is_that_of_all_weights_and_buffers(name):
    found = []
    for lib in (underhood, torch):
        net = made(TAKING[name], lib, dtype=lib.float64)
        tensors = [*net.named_parameters(), *net.named_buffers()]
        found.append({path: str(t.dtype).removeprefix("torch.") for path, t in tensors})
    assert found[0] == found[1]
