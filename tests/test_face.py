"""`underhood` itself: the names on its face, each loaded when it is first used."""

import importlib
import subprocess
import sys

import pytest

import underhood


@pytest.mark.parametrize("name", underhood.__all__)
def test_every_name_of_the_face_is_there(name):
    assert getattr(underhood, name) is not None
    assert name in dir(underhood)


def test_the_face_is_what_the_floors_have():
    engine = importlib.import_module("underhood.engine")
    assert underhood.Tensor is engine.Tensor
    assert underhood.functional is engine.functional
    assert underhood.nn.Linear is engine.nn.Linear
    assert underhood.optim.SGD is engine.optim.SGD


def test_torchs_functions_are_on_the_face():
    assert underhood.cat is underhood.functional.cat
    assert underhood.zeros(2, dtype=underhood.float64).dtype == underhood.double
    assert {"cat", "zeros", "float64", "manual_seed", "autograd"} <= set(dir(underhood))


@pytest.mark.parametrize("name", sorted(name for names in underhood._OF_TORCH.values() for name in names.split()))
def test_what_torch_has_at_its_top_is_there(name):
    torch = importlib.import_module("torch")
    assert hasattr(torch, name) or name in ("uint8",)
    assert getattr(underhood, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'tensr'"):
        underhood.tensr  # noqa: B018


@pytest.mark.parametrize(
    "line",
    [
        "import underhood.nn as nn; nn.Linear",
        "from underhood.nn import Linear",
        "import underhood.nn.functional as F; F.relu",
        "from underhood.nn import init; init.kaiming_uniform_",
        "import underhood.nn.init; underhood.nn.init.zeros_",
        "import underhood.optim as optim; optim.SGD",
        "from underhood import nn, optim",
    ],
)
def test_imports_written_for_torch_work_after_changing_the_package(line):
    subprocess.run([sys.executable, "-c", line], check=True)
