"""A network of the user's own, from a file: what settings make of it, what is refused, what stays of it."""

import pytest

from underhood.errors import BadInput
from underhood.settings import Mistakes, load, non_default
from underhood.training.backends import backend
from underhood.training.learner import NetworkLearner, try_out
from underhood.training.loop import train
from underhood.training.own_network import changed, maker_of, where
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Context, Result

NETS = """
import torch
from torch import nn as tnn

from parts import WIDTH


def Page(nn, inputs, classes, width: int = WIDTH, deep=False):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes))


class Module(tnn.Module):
    def __init__(self, classes, hidden=4):
        super().__init__()
        self.lazy, self.norm, self.last = tnn.LazyLinear(hidden), tnn.BatchNorm1d(hidden), tnn.Linear(hidden, classes)
        self.scale = tnn.Parameter(torch.randn(classes))

    def forward(self, x):
        return self.last(self.norm(self.lazy(x.flatten(1)))) * self.scale


class TwoInputs(tnn.Module):
    def forward(self, a, b):
        return a


class Pair(Module):
    def forward(self, x):
        return super().forward(x), x


class Unrecorded(Module):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


class Frozen(tnn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.last = tnn.Linear(inputs, classes).requires_grad_(False)

    def forward(self, x):
        return self.last(x.flatten(1))


class Probabilities(Module):
    def forward(self, x):
        return super().forward(x).softmax(1)


class Needs(tnn.Module):
    def __init__(self, depth):
        super().__init__()


def SevenClasses(nn, inputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 7))


def NoModule(nn):
    return nn.ReLU


def TorchAlways(nn, inputs, classes):
    return tnn.Sequential(tnn.Flatten(), tnn.Linear(inputs, classes))


def Twice(nn):
    return nn.ReLU()


class Twice(tnn.Module):
    pass


ready = Module(10)
number = 3
"""


@pytest.fixture
def nets(tmp_path):
    folder = tmp_path / "my nets"
    folder.mkdir()
    (folder / "parts.py").write_text("WIDTH = 8\n")
    (folder / "nets.py").write_text(NETS)
    return folder / "nets.py"


def settings(network, *sets):
    base = {"data": {"name": "digits", "train": 100, "test": 50, "validation": 50}, "epochs": 2, "batch_size": 32}
    return load(TrainingSettings, sets=[f"network={network}", *sets], base=base)


def refused(network, *sets):
    with pytest.raises(Mistakes) as error:
        settings(network, *sets)
    return str(error.value)


def test_settings_keep_the_name_the_place_and_the_content(nets, tmp_path):
    chosen = settings(f"{nets}:Page", "network.width=5").network
    stored = chosen.model_dump()
    assert (stored["name"], stored["source_file"], stored["width"]) == ("nets.py:Page", str(nets), 5)
    assert chosen.arguments == {"width": 5}
    again = type(chosen).model_validate(stored)
    assert again.model_dump() == stored
    identity = non_default(settings(f"{nets}:Page"))["network"]
    assert identity.keys() == {"name", "source_sha256"}
    moved = tmp_path / "elsewhere" / "nets.py"
    moved.parent.mkdir()
    for name in ("nets.py", "parts.py"):
        (moved.parent / name).write_text((nets.parent / name).read_text())
    assert non_default(settings(f"{moved}:Page"))["network"] == identity
    (moved.parent / "parts.py").write_text("WIDTH = 9\n")
    assert non_default(settings(f"{moved}:Page"))["network"] != identity


def test_a_table_and_brackets_mean_the_same(nets):
    plain = settings(f"{nets}:Page", "network.width=9").network
    assert settings(f'{{name="{nets}:Page()",width=9}}').network == plain
    assert settings(f"{nets}:Page", "network.deep=false", "network.width=8").network.arguments == {}


def test_a_relative_path_and_the_home_are_followed(nets, monkeypatch):
    monkeypatch.chdir(nets.parent)
    monkeypatch.setenv("HOME", str(nets.parent))
    assert settings("nets.py:Page").network == settings("~/nets.py:Page").network == settings(f"{nets}:Page").network


@pytest.mark.parametrize(
    ("name", "sets", "words"),
    [
        ("Pagee", [], 'has no "Pagee": did you mean "Page"'),
        ("", [], "say which network"),
        ("number", [], "is a int, not a network"),
        ("ready", [], "nets.py:ready is built already: name its class"),
        ("Twice", [], "Twice is a class"),
        ("Module", [], "--set backend=torch"),
        ("Needs", ["backend=torch"], "network.depth: nets.py:Needs needs it and has no default"),
        ("Page", ["network.widht=3"], 'nets.py:Page has no "widht"; did you mean "width"'),
        ("Page", ["network.width=wide"], 'network.width: "wide"'),
    ],
)
def test_mistakes_in_the_words_are_one_line(nets, name, sets, words):
    said = refused(f"{nets}:{name}", *sets)
    assert words in said
    assert said.endswith("1 mistake; nothing was started.")


def test_no_file_and_no_module():
    assert "none.py: there is no such file" in refused("none.py:Net")
    assert "no_such_package: there is no such file" in refused("no_such_package:Net")
    assert "write a file with" in refused("torch.nn:Linear")


@pytest.mark.parametrize(
    ("name", "sets", "words"),
    [
        ("TwoInputs", [], r"hands it images \(2, 1, 8, 8\) and nothing else; TypeError"),
        ("Pair", [], r"gives a tuple of 2; a training needs the logits alone, \(2, 10\)"),
        ("SevenClasses", [], r"gives \(2, 7\); .* an argument called `classes` is given their number"),
        ("Unrecorded", [], r"nets.py:Unrecorded: no weight of it can be trained: no gradient leads back"),
        ("Frozen", [], r"nets.py:Frozen: no weight of it can be trained"),
        ("NoModule", [], r"gave a type, not a module of torch's torch.nn"),
        ("TorchAlways", ["backend=underhood"], r"gave a Sequential, not a module of underhood's nn"),
        ("Module", ["data.train=97"], r"one image alone, .* \(97 images in batches of 32\)"),
        ("Module", ["batch_size=1"], r"one image alone, .* \(100 images in batches of 1\)"),
        ("Module", ["accumulate=32"], r"one image alone, .* 32 passes each"),
    ],
)
def test_what_no_training_can_use_is_said_before_one_starts(nets, name, sets, words):
    with pytest.raises(BadInput, match=words):
        try_out(settings(f"{nets}:{name}", "backend=torch", *sets), None)


def test_what_can_be_used_is_tried_in_silence(nets):
    assert try_out(settings(f"{nets}:Page"), None) == ""
    assert try_out(settings(f"{nets}:Page", "precision=float64"), None) == ""
    assert try_out(settings(f"{nets}:Module", "backend=torch", "precision=bfloat16", "batch_size=50"), None) == ""


def test_a_softmax_of_the_network_s_own_is_remarked_on(nets):
    said = try_out(settings(f"{nets}:Probabilities", "backend=torch"), None)
    assert said.startswith("nets.py:Probabilities: what it gives looks like probabilities")
    assert "leave the network's own out" in said


def test_a_module_starts_from_the_seed_alone(nets):
    """A parameter that its constructor draws, and a Lazy layer's weights, too."""
    import torch

    chosen = settings(f"{nets}:Module", "backend=torch")
    parts = read(chosen.data, None, 0, chosen.dtype)
    first = NetworkLearner(chosen, 3, parts).weights()
    torch.manual_seed(12345)
    second, other = NetworkLearner(chosen, 3, parts).weights(), NetworkLearner(chosen, 4, parts).weights()
    assert first["lazy.weight"].shape == (4, 64)
    for name in ("scale", "lazy.weight", "last.bias"):
        assert (first[name] == second[name]).all()
        assert (first[name] != other[name]).any()


def test_a_page_starts_from_the_same_weights_on_both_back_ends(nets):
    found = {}
    for name in ("underhood", "torch"):
        chosen = settings(f"{nets}:Page", f"backend={name}")
        parts = read(chosen.data, None, 0, chosen.dtype)
        found[name] = NetworkLearner(chosen, 0, parts).weights()
    assert found["underhood"].keys() == found["torch"].keys()
    assert all((found["underhood"][key] == found["torch"][key]).all() for key in found["torch"])


def left(chosen, folder):
    """What a trial leaves in a folder; its result's values."""
    *events, last = train(chosen, 0, Context())
    assert isinstance(last, Result)
    for event in events:
        if isinstance(event, Artefact):
            (folder / event.name).parent.mkdir(parents=True, exist_ok=True)
            event.write(folder / event.name)
    return last.values


@pytest.mark.parametrize("network", ["Page", "Module"])
def test_a_trained_network_is_loaded_from_its_file_or_from_its_copy(nets, tmp_path, network):
    from underhood.trained import load as load_network

    values = left(settings(f"{nets}:{network}", "backend=torch", "weights=best"), tmp_path / "left")
    model = tmp_path / "left" / "model.safetensors"
    net = load_network(model)
    assert (net.evaluate().accuracy, net.notes) == (pytest.approx(values["test_accuracy"]), [])
    (nets.parent / "parts.py").write_text("WIDTH = 30\n")
    old = load_network(model)
    assert old.evaluate().accuracy == pytest.approx(values["test_accuracy"])
    assert "has changed since; the copy kept with the trial is used" in old.notes[0]
    nets.unlink()
    assert "is not there any more; the copy" in load_network(model).notes[0]
    (tmp_path / "left" / "network" / "nets.py").write_text("Page = Module = None\n")
    with pytest.raises(BadInput, match=r"is not there any more; nets.py:.* no copy of it as it was lies in"):
        load_network(model)


def test_a_page_trained_on_one_back_end_answers_on_the_other(nets, tmp_path):
    from underhood.trained import load as load_network

    left(settings(f"{nets}:Page"), tmp_path)
    ours, theirs = (load_network(tmp_path / "model.safetensors", name).evaluate() for name in ("underhood", "torch"))
    assert (ours.answers.prediction == theirs.answers.prediction).all()
    left(settings(f"{nets}:Module", "backend=torch"), tmp_path)
    with pytest.raises(BadInput, match=r"PyTorch alone computes it; ask with backend torch"):
        load_network(tmp_path / "model.safetensors", "underhood")


def test_a_file_that_changed_is_not_taken_for_what_it_was(nets):
    stored = settings(f"{nets}:Page").network.model_dump()
    assert where(stored) == nets
    nets.write_text(NETS + "\n")
    with pytest.raises(BadInput, match=r"nets.py: has changed since; nets.py:Page cannot be built as it was trained"):
        maker_of(stored)
    assert "has changed since" in changed(stored)
    assert TrainingSettings(network=stored).network.model_dump() == stored  # a stored trial can still be read


def test_a_function_of_nn_needs_no_torch(tmp_path):
    """Settings, trial and all; nothing of PyTorch is loaded."""
    import subprocess
    import sys

    (tmp_path / "page.py").write_text(
        "def Page(nn, inputs, classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, classes))\n"
    )
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from underhood.training.settings import TrainingSettings\n"
        "from underhood.training.learner import try_out\n"
        "try_out(TrainingSettings(network='page.py', data={'name': 'digits'}), None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_back_end_s_own_module_is_what_it_builds(nets):
    made = maker_of(settings(f"{nets}:Page").network.model_dump())
    assert made.pages
    assert [p.name for p in made.parameters] == ["inputs", "classes", "width", "deep"]
    for name in ("underhood", "torch"):
        nn = backend(name).nn
        assert isinstance(made(nn, inputs=4, classes=2), nn.Sequential)
