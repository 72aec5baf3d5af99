"""trace: equations with numbers, held against the engine and PyTorch; what is said of units that are not there."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from underhood import cli, engine, nn
from underhood.errors import BadInput
from underhood.instruments.on_engine import on_engine
from underhood.instruments.trace import trace
from underhood.instruments.trace.equation import alike, number, short

LAYERS = ["conv1[3,4,5]", "act1[3,4,5]", "pool1[3,4,5]", "conv2[3,4,5]", "flatten[100]", "fc1[3]", "fc3[2]", "E"]


@pytest.mark.parametrize("unit", LAYERS)
def test_an_activation_of_every_layer(unit):
    found = trace("simple-nn", unit, depth=3, terms=3)
    assert found.agrees
    assert {check.who for check in found.equation.checks} == {"the engine", "PyTorch"}
    assert all(check.off < 1e-12 for check in found.equation.checks)
    assert bool(found.equation.children) == (unit != "conv1[3,4,5]")  # pixels and weights are not unfolded
    for one in found.equation.everything():
        assert one.total == pytest.approx(one.value, rel=1e-9, abs=1e-12)
        if one.terms:
            assert sum(term.value for term in one.terms) + one.rest == pytest.approx(one.value, rel=1e-9, abs=1e-12)
        for term in one.terms:
            assert np.prod(term.factors) == pytest.approx(term.value)


@pytest.mark.parametrize(
    "unit", [*LAYERS[:-1], "conv1.weight[0,0,2,2]", "conv2.bias[3]", "fc1.weight[4,7]", "input[1,4,5]"]
)
def test_a_gradient_of_every_layer_and_weight(unit):
    found = trace("simple-nn", gradient=unit, depth=3, terms=3)
    assert found.agrees
    assert {check.who for check in found.equation.checks} == {"the engine", "PyTorch"}
    for one in found.equation.everything():
        assert one.total == pytest.approx(one.value, rel=1e-9, abs=1e-12)


def test_an_activation_goes_down_to_the_pixels_and_a_gradient_up_to_the_loss():
    found = trace("simple-conv-net", "fc2[7]", depth=9, terms=1)
    names = [one.name for one in found.equation.everything()]
    assert names[0] == "fc2[0,7]"
    assert any("input[" in term.named for one in found.equation.everything() for term in one.terms)
    found = trace("simple-conv-net", gradient="conv.weight[3,0,1,1]", depth=9, terms=1)
    last = list(found.equation.everything())[-1]
    assert last.name.startswith("∂E/∂fc2[0,")
    assert " − " in last.filled


def test_the_words_are_the_pages():
    text = str(trace("simple-nn", "conv2[3,4,5]", terms=2))
    assert "conv2d:  z[n,o,y,x] = b[o] + Σ_c Σᵢ Σⱼ" in text
    assert "71 smaller ones together" in text
    assert "PyTorch: " in text
    text = str(trace("simple-nn", gradient="fc1.bias[0]"))
    assert "linear:  ∂E/∂b[j]" in text
    assert "E is the cross-entropy with class 0." in text


def small(nn):
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 4),
        nn.Softmax(1),
    )


@pytest.mark.parametrize("unit", ["0[1,0,0]", "1[1,0,0]", "2[1,3,3]", "3[1,1,1]", "5[2]", "6[2]"])
def test_a_network_of_the_engine(unit):
    found = trace(small(nn), unit, input=(1, 1, 4, 4), depth=9, terms=2)
    assert found.agrees
    found = trace(small(nn), gradient=unit, input=(1, 1, 4, 4), depth=9, terms=2)
    assert found.agrees


def test_formulas_have_their_numbers_put_in():
    softmax = trace(small(nn), "6[2]", input=(1, 1, 4, 4)).equation
    assert softmax.filled.startswith("e^")
    norm = trace(small(nn), "1[1,0,0]", input=(1, 1, 4, 4)).equation
    assert norm.filled.startswith("1.0000·(")
    assert "/ √(1.0000 + 1e−05)" in norm.filled
    sigmoid = trace(small(nn), "2[1,0,0]", input=(1, 1, 4, 4)).equation
    assert sigmoid.filled.startswith("1 / (1 + e^")


class Shortcut(torch.nn.Module):
    """A network of torch.nn with functions between its modules."""

    def __init__(self, width=4):
        super().__init__()
        self.one, self.two = torch.nn.Linear(6, width), torch.nn.Linear(width, width)

    def forward(self, x):
        z = torch.relu(self.one(torch.flatten(x, 1)))
        return z + self.two(z) * 0.5


def test_a_users_network_runs_on_the_engine():
    torch.manual_seed(0)
    net = Shortcut()
    mine = on_engine(net)
    assert isinstance(mine, nn.Module)
    x = torch.randn(5, 2, 3)
    np.testing.assert_allclose(mine(engine.tensor(x.numpy())).detach().numpy(), net(x).detach().numpy(), rtol=1e-5)
    assert type(net).forward.__globals__["torch"] is torch
    found = trace(net, "two[3]", input=(1, 2, 3), depth=3)
    assert found.agrees
    assert {check.who for check in found.equation.checks} == {"the engine", "PyTorch"}
    assert trace(net, "Shortcut[3]", input=(1, 2, 3), depth=4).agrees
    assert trace(net, "mul[3]", input=(1, 2, 3)).equation.checks[-1].who == "the engine"
    assert trace(net, gradient="one.weight[2,1]", input=(1, 2, 3), depth=9).agrees


def test_what_the_engine_lacks_is_named():
    with pytest.raises(BadInput, match="Conv3d"):
        on_engine(torch.nn.Sequential(torch.nn.Conv3d(3, 3, 3)))

    class Inside(torch.nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(BadInput, match="inside a function"):
        on_engine(Inside())


def test_weights_of_another_network_are_refused_by_their_file(tmp_path):
    np.savez(tmp_path / "w.npz", **{"0.weight": np.zeros((3, 3))})
    with pytest.raises(BadInput, match=r"w\.npz: .*0\.(weight|bias)"):
        trace(nn.Sequential(nn.Linear(4, 2)), "0[0]", input=(1, 4), weights=tmp_path / "w.npz")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.npz", None, "there is no such file"),
        ("garbage.npz", b"garbage", "no .npz file of arrays, or a damaged one"),
        ("objects.npz", {"0.weight": np.array([{}, 1], dtype=object)}, "no .npz file of arrays, or a damaged one"),
        ("garbage.safetensors", b"garbage", "garbage.safetensors: "),
    ],
)
def test_files_of_no_weights_are_refused_in_a_line(name, content, said, tmp_path):
    """Objects are pickles, which could run code."""
    if isinstance(content, dict):
        np.savez(tmp_path / name, **content)
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=re.escape(said)) as error:
        trace(nn.Sequential(nn.Linear(4, 2)), "0[0]", input=(1, 4), weights=tmp_path / name)
    assert "\n" not in str(error.value)


def test_data_weights_and_classes(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    found = trace(net, "1[3]", data="digits", index=4)
    assert found.title.startswith("Sequential, test image 4 of digits")
    assert found.agrees
    weights = {name: np.zeros(p.shape) for name, p in net.named_parameters()}
    np.savez(tmp_path / "w.npz", **weights)
    zero = trace(net, gradient="1.bias[3]", data="digits", target=3, weights=tmp_path / "w.npz")
    assert zero.equation.value == pytest.approx(0.1 - 1)
    with pytest.raises(BadInput, match="test images"):
        trace(net, "1[3]", data="digits", index=10**6)
    with pytest.raises(BadInput, match="npz"):
        trace(net, "1[3]", data="digits", weights=Path("w.bin"))


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("conv9[0]", 'did you mean "conv2" or "conv1"'),
        ("conv1[0]", "say which number of it, as conv1[0,0,0,0]"),
        ("conv1[3,99,2]", "there is no 99 along axis 2"),
        ("conv1[a]", "a name and a position"),
        ("", "a name and a position"),
    ],
)
def test_units_that_are_not_there(unit, said):
    with pytest.raises(BadInput, match=said.replace("[", r"\[").replace("?", r"\?")):
        trace("simple-nn", unit)


def test_one_unit_or_one_gradient():
    with pytest.raises(BadInput, match="--unit"):
        trace("simple-nn")
    with pytest.raises(BadInput, match="--input"):
        trace(nn.Linear(3, 2), "Linear[0]")


class Balanced(HTMLParser):
    """Every tag that opens closes."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_command_writes_text_json_and_a_page(tmp_path, capsys):
    words = ["trace", "simple-nn", "--unit", "conv2[3,4,5]", "--depth", "3", "--terms", "2"]
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert text.startswith("simple-nn, a random input of 1×3×32×32\n\nconv2[0,3,4,5] = ")
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "underhood.trace/1"
    assert found["equation"]["children"]
    assert cli.main([*words, "--html", str(tmp_path / "unit.html")]) == 0
    page = (tmp_path / "unit.html").read_text(encoding="utf-8")
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "conv2[0,3,4,5]" in parser.text
    assert "<math>" in page
    assert page.count("<details") == sum(1 for line in text.splitlines() if ":  z" in line)
    assert cli.main(["trace", "simple-nn", "--unit", "conv2[3]"]) == 2
    assert "say which number" in capsys.readouterr().err


def test_numbers_have_five_digits_and_a_true_minus():
    assert number(-0.123456) == "−0.12346"
    assert number(1e-20) == "1.0000e−20"
    assert number(3.0) == "3.0000"
    assert [number(x) for x in (0.5, 0.0, -0.0, 12345.0, float("nan"))] == ["0.50000", "0", "0", "12345", "nan"]
    assert short(1e-5) == "1e−05"
    assert short(0.5) == "0.5"


def test_numbers_that_are_added_have_the_same_decimals():
    assert [*map(alike([0.5, -1.25]), (0.5, -1.25, -1e-9))] == ["0.5000", "−1.2500", "0.0000"]
    assert [*map(alike([3e-7, 2e-8]), (3e-7, -2e-8))] == ["3.0000e−07", "−0.2000e−07"]
    assert alike([9.99999])(9.99999) == "10.000"
    assert alike([123456.0])(-7.0) == "−0.0001e+05"
    assert alike([0.0, float("inf")])(0.0) == "0"
