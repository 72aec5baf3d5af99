"""`underhood cost` as the shell sees it."""

import subprocess
import sys

import pytest

LISTING = """
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super(Network, self).__init__()
        self.layers = []
        self.layers.append(nn.Conv2d(1, 10, kernel_size=5))
        self.layers.append(nn.ReLU(inplace=True))
        self.layers.append(nn.MaxPool2d(kernel_size=2))
        self.layers.append(nn.Conv2d(10, 20, kernel_size=5))
        self.layers.append(nn.ReLU(inplace=True))
        self.layers.append(nn.MaxPool2d(kernel_size=2))
        self.layers.append(nn.Flatten())
        self.layers.append(nn.Linear(320, 50))
        self.layers.append(nn.Linear(50, 10))
        self.layers = nn.ModuleList(self.layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
"""


@pytest.fixture
def listing(tmp_path):
    """The sheet's Listing 1, pasted into a file."""
    file = tmp_path / "net.py"
    file.write_text(LISTING)
    return f"{file}:Network"


def test_a_network_of_ours(underhood):
    said = underhood("cost", "vgg19")
    assert said.status == 0
    assert said.err == ""
    assert "143,667,240" in said.out
    assert "19,632,062,464" in said.out
    assert "(3·3·64)·64 + 64 = 36,928" in said.out


def test_a_users_file(underhood, listing):
    said = underhood("cost", listing, "--input", "32,1,28,28")
    assert said.status == 0
    for text in ("(32, 10, 24, 24)", "(32, 20, 4, 4)", "(32, 320)", "⌊(28 + 2·0 − 5)/1⌋ + 1 = 24", "20·4·4 = 320"):
        assert text in said.out


def test_json(underhood, listing):
    found = underhood("cost", listing, "--input", "32,1,28,28", "--json").json
    assert found["schema"] == "underhood.cost/1"
    assert found["totals"]["parameters"] == 21_840
    assert found["layers"][0]["type"] == "Conv2d"


def test_two_networks(underhood):
    said = underhood("cost", "resnet50", "resnet50-v1", "--depth", "0")
    assert "resnet50 beside resnet50-v1" in said.out
    assert "+231,211,008" in said.out


def test_arguments_and_conventions(underhood):
    words = ("cost", "simple-nn", "--args", "classes=100", "--convention", "weights", "--json")
    assert underhood(*words).json["totals"]["parameters"] == 81_792 + 90 * 84


def test_other_forms(underhood, tmp_path):
    assert underhood("cost", "listing1", "--csv").out.startswith("layer,type,output,parameters,macs,bytes,field")
    assert "| Layer |" in underhood("cost", "listing1", "--markdown").out
    page = tmp_path / "page.html"
    said = underhood("cost", "listing1", "--html", str(page))
    assert (said.out, said.status) == ("", 0)
    assert "<svg" in page.read_text()
    brief = underhood("cost", "listing1", "--brief").out
    assert brief.startswith("listing1, input")
    assert "\n\nlisting1 in all\n" in brief, "a blank line before the next table"
    assert "21,840" in brief
    assert "the sums" not in brief


def test_verify(underhood):
    said = underhood("cost", "listing1", "--verify", "--brief")
    assert said.status == 0
    assert "All 4 layers agree." in said.out
    assert "480,500 MACs, equal" in said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("vgg9",), 'there is no network "vgg9": did you mean "vgg19"'),
        (("listing1", "--input", "1,3,28,28"), "wants 1 input channels"),
        (("listing1", "--input", "one"), "sizes are whole numbers"),
        (("listing1", "--args", "classes"), "not of the form name=value"),
        (("listing1", "mlp", "--verify"), "one network at a time"),
        (("torch.nn:ReLU",), "say the input's shape"),
    ],
)
def test_mistakes_exit_with_two(underhood, words, message):
    said = underhood("cost", *words)
    assert said.status == 2
    assert message in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_without_torch_it_says_what_to_type(tmp_path):
    program = (
        "import sys; sys.modules['torch'] = None\nfrom underhood.cli import main; sys.exit(main(['cost', 'vgg16']))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.returncode == 3
    assert "pip install 'underhood[torch]'" in said.stderr


def test_neither_the_compiler_nor_algebra_is_loaded():
    """They take longer than all the rest; the shape rules are there to do without."""
    program = (
        "import sys\nfrom underhood.cli import main\nmain(['cost', 'vgg19'])\nmain(['cost', 'resnet50'])\n"
        "sys.exit(sum(name in sys.modules for name in ('torch._dynamo', 'sympy')))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
