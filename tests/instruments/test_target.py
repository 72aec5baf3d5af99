"""What the user's words resolve to."""

import pytest
import torch
from torch import nn

from underhood.errors import BadInput
from underhood.instruments import target
from underhood.instruments.target import parse_arguments, resolve
from underhood.networks import NETWORKS

FILE = """
import torch
from torch import nn
from helper import WIDTH


class Network(nn.Module):
    def __init__(self, width=WIDTH, *, bias=True):
        super().__init__()
        self.linear = nn.Linear(width, 2, bias)

    def forward(self, x):
        return self.linear(x)


def build(width: int = 3):
    return Network(width)


def page(nn, width=4):
    return nn.Linear(width, 1)


ready = Network(5)
number = 3
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "helper.py").write_text("WIDTH = 7\n")
    path = tmp_path / "net.py"
    path.write_text(FILE)
    return path


def weight(target):
    return tuple(next(target.build(nn).parameters()).shape)


def test_a_name_of_ours():
    target = resolve("listing1", {"classes": 100})
    assert target.input == (1, 28, 28)
    assert target.pages
    assert target.build(nn)[-1].out_features == 100


def test_files_classes_functions_and_instances(file):
    assert weight(resolve(f"{file}:Network")) == (2, 7)
    assert weight(resolve(f"{file}:Network", {"width": 9})) == (2, 9)
    assert weight(resolve(f"{file}:build")) == (2, 3)
    assert weight(resolve(f"{file}:build()", {"width": 6})) == (2, 6)
    assert weight(resolve(f"{file}:page", {"width": 8})) == (1, 8)
    assert resolve(f"{file}:page").pages
    assert weight(resolve(f"{file}:ready")) == (2, 5)
    assert weight(resolve(str(file))) == (2, 7)


def test_packages_and_objects():
    assert weight(resolve("torch.nn:Linear", {"in_features": 3, "out_features": 4})) == (4, 3)
    module = nn.Linear(2, 2)
    assert resolve(module).build(nn) is module
    assert resolve(module).built is module
    assert resolve(nn.Identity).name == "Identity"
    target = resolve("mlp")
    assert resolve(target) is target


def test_arguments_are_python_values_or_text():
    texts = ["width=4", "kinds=['a', 'b']", "deep=true", "rate=1e-3", "name=wide", "none=none", "sum = a=b"]
    assert parse_arguments(texts) == {
        "width": 4,
        "kinds": ["a", "b"],
        "deep": True,
        "rate": 0.001,
        "name": "wide",
        "none": None,
        "sum": "a=b",
    }
    with pytest.raises(BadInput, match='"width" is not of the form name=value'):
        parse_arguments(["width"])


@pytest.mark.parametrize(
    ("what", "arguments", "words"),
    [
        ("vgg9", {}, 'no network "vgg9": did you mean "vgg19"'),
        ("missing.py:Network", {}, "missing.py: there is no such file"),
        ("no_such_package.nets:Net", {}, "No module named 'no_such_package'"),
        ("torch.nn:Lineer", {}, 'torch.nn has no "Lineer": did you mean'),
        ("vgg16", {"wide": 1}, "--args: got an unexpected keyword argument 'wide'; it takes depth"),
        ("torch.nn:Linear", {}, "missing a required argument: 'in_features'"),
    ],
)
def test_mistakes_say_what_is_right(what, arguments, words):
    with pytest.raises(BadInput, match=words):
        resolve(what, arguments)


def test_mistakes_in_files(file, tmp_path):
    with pytest.raises(BadInput, match="is a int, not a network"):
        resolve(f"{file}:number")
    with pytest.raises(BadInput, match="is built already"):
        resolve(f"{file}:ready", {"width": 1})
    with pytest.raises(BadInput, match='has no "Netwerk": did you mean "Network"'):
        resolve(f"{file}:Netwerk")
    broken = tmp_path / "broken.py"
    broken.write_text("import torch\n\nx = 1 / 0\n")
    with pytest.raises(BadInput, match=r"broken.py:3: ZeroDivisionError: division by zero"):
        resolve(f"{broken}:Net")
    broken.write_text("class Net(:\n")
    with pytest.raises(BadInput, match=r"broken.py:1: SyntaxError"):
        resolve(f"{broken}:Net")
    broken.write_text("x = 1\n")
    with pytest.raises(BadInput, match=r"say which network, as .*; it defines no torch"):
        resolve(str(broken))
    broken.write_text("from torch import nn\n\n\nclass A(nn.Module): ...\n\n\nclass B(nn.Module): ...\n")
    with pytest.raises(BadInput, match="it defines A, B"):
        resolve(str(broken))


def test_a_file_leaves_the_path_as_it_was(file):
    import sys

    before = list(sys.path)
    resolve(f"{file}:Network")
    assert sys.path == before


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_ours_resolves(name):
    with torch.device("meta"):
        assert isinstance(resolve(name).build(nn), nn.Module)


def test_what_has_no_signature_takes_no_arguments():
    assert target._parameters(type) == {}
