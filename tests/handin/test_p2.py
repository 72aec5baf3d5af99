"""p2.py as it is handed in: alone with PyTorch, without NumPy, it tells what underhood told, and trains."""

import ast
import json
import re
import runpy
import shutil
import sys

import numpy as np
import pytest
import torch

import underhood
from tests.data.conftest import python2_pickle
from tests.in_process import trials_in_process
from underhood import nn as engine_nn
from underhood.cli import main
from underhood.data.augmentation import Crop, Flip, View, pixels_of
from underhood.handin import cifar, hand_in
from underhood.networks.speed_net import speed_net
from underhood.training.answers import FILE, Answers
from underhood.training.averaging import EMA
from underhood.training.schedules import OneCycle
from underhood.training.schedules.schedule import Moment

RUN = "import runpy; runpy.run_path('p2.py', run_name='__main__'); "
ALONE = "print([name for name in ('underhood', 'numpy', 'torchvision', 'safetensors') if name in sys.modules])"
TEST = 300


def batch(rng, count, label):
    """Noise over a pattern of the class, as a file of CIFAR-10 holds it."""
    labels = rng.integers(0, 10, count)
    patterns = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 4)).repeat(8, 2).repeat(8, 3)
    images = (patterns[labels] * 0.6 + rng.integers(0, 100, (count, 3, 32, 32))).astype(np.uint8)
    return {
        "data": images.reshape(count, -1),
        "labels": labels.tolist(),
        "batch_label": label,
        "filenames": [f"{i}.png" for i in range(count)],
    }


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A small set in CIFAR-10's python pickles."""
    root, rng = tmp_path_factory.mktemp("cifar"), np.random.default_rng(1)
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for i in range(1, 6):
        (folder / f"data_batch_{i}").write_bytes(python2_pickle(batch(rng, 80, f"training batch {i} of 5")))
    (folder / "test_batch").write_bytes(python2_pickle(batch(rng, TEST, "testing batch 1 of 1")))
    return root


@pytest.fixture(scope="module")
def trained(photographs, tmp_path_factory):
    """A run of the study, small and quick, on one thread."""
    settings = {"data.train": None, "data.test": None, "epochs": 3, "threads": 1, "batch_size": 32}
    folder = tmp_path_factory.mktemp("runs")
    with trials_in_process():
        return underhood.run("cifar10-cnn", "smoke", set=settings, runs=folder, data=photographs)


@pytest.fixture(scope="module")
def handed_in(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("me-HW1") / "p2"
    files = [path.name for path in hand_in(trained, folder)]
    assert files == sorted(path.name for path in folder.iterdir()) == ["p2.py", "p2_model.pkl", "p2_report.pdf"]
    assert (folder / "p2_report.pdf").read_bytes().startswith(b"%PDF")
    return folder


@pytest.fixture(scope="module")
def p2(handed_in):
    return runpy.run_path(str(handed_in / "p2.py"))


def alone(bare, code, folder, photographs):
    """p2.py in a Python that has PyTorch and what that needs; it warns that NumPy is missing."""
    return bare(code, "torch", folder=folder, strict=False, CIFAR10=str(photographs))


def test_it_imports_torch_and_python_s_own(handed_in):
    tree = ast.parse((handed_in / "p2.py").read_text())
    names = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"torch"}


def test_alone_every_prediction_is_underhood_s(handed_in, trained, photographs, bare):
    code = (
        "import json, runpy; p2 = runpy.run_path('p2.py', run_name='p2'); "
        "print(json.dumps(p2['predict'](p2['load'](), p2['read']('test_batch')[0]).tolist())); p2['evaluate'](); "
    )
    predicted, told, modules = alone(bare, code + ALONE, handed_in, photographs).splitlines()
    answers = Answers.read(trained.trials[0].artefact(FILE))
    assert json.loads(predicted) == answers.prediction.tolist()
    right = round((1 - trained.trials[0].result["test_error"]) * TEST)
    assert told == f"test accuracy: {right / TEST:.2%}, {right} of {TEST} images read right"
    assert modules == "[]"


@pytest.mark.slow
def test_alone_it_trains_keeps_loads_and_evaluates(handed_in, photographs, bare, tmp_path, monkeypatch, capsys):
    shutil.copy(handed_in / "p2.py", tmp_path)
    *epochs, told = alone(bare, RUN, tmp_path, photographs).splitlines()
    losses = [float(re.fullmatch(r"epoch \d: training loss (\d\.\d+), \d+ s", line)[1]) for line in epochs]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert float(re.match(r"test accuracy: ([\d.]+)%", told)[1]) > 25  # 10 is chance
    monkeypatch.setenv("CIFAR10", str(photographs))
    runpy.run_path(str(tmp_path / "p2.py"), run_name="__main__")
    assert capsys.readouterr().out.strip() == told  # loaded in another process, not trained again
    kept = torch.load(tmp_path / "p2_model.pkl", weights_only=True)
    given = torch.load(handed_in / "p2_model.pkl", weights_only=True)
    assert {name: (w.shape, w.dtype) for name, w in kept.items()} == {n: (w.shape, w.dtype) for n, w in given.items()}


def test_the_model_is_a_state_dict_of_pytorch(handed_in, trained):
    state = torch.load(handed_in / "p2_model.pkl", weights_only=True)
    net = speed_net(torch.nn, widths=(8, 12, 16))
    net.load_state_dict(state)
    ours = underhood.load(trained.trials[0].artefact("model.safetensors"))
    assert set(ours) == set(state)
    assert all(np.array_equal(np.asarray(ours[name]), w.numpy()) for name, w in state.items())


def test_its_network_is_the_page_s(p2):
    torch.manual_seed(0)
    theirs, ours = p2["new_network"]().eval(), speed_net(torch.nn, widths=(8, 12, 16)).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(theirs(x), ours(x.contiguous(memory_format=torch.channels_last)))
    assert {type(each).__name__ for each in theirs.modules()} == {type(each).__name__ for each in ours.modules()}
    engine = speed_net(engine_nn, widths=(8, 12, 16))
    assert {n: tuple(w.shape) for n, w in engine.state_dict().items()} == {
        n: tuple(w.shape) for n, w in theirs.state_dict().items()
    }


def test_its_rate_is_the_schedule_s(p2):
    page = OneCycle(curve="line", start=0.2, peak=0.2, end=0.05)
    for over in np.linspace(0, 1, 41):
        assert p2["rate"](over) == pytest.approx(page.rate(Moment(over * 3, 3)), abs=1e-12)


def test_its_average_is_the_page_s(p2):
    rng = np.random.default_rng(0)
    net = torch.nn.BatchNorm1d(4)
    average = {name: w.clone() for name, w in net.state_dict().items()}
    copies = {name: w.clone() for name, w in average.items() if w.is_floating_point()}
    for step in range(1, 1200, 97):
        values = {name: torch.tensor(rng.normal(size=4)) for name in copies}
        net.load_state_dict(values | {"num_batches_tracked": torch.tensor(step)})
        p2["follow"](average, net, step)
        EMA(decay=0.99).update(copies, net.state_dict(), step)
    for name, expected in copies.items():
        torch.testing.assert_close(average[name], expected)
    assert average["num_batches_tracked"] == step


def test_its_pictures_are_the_pages(p2, monkeypatch):
    """Moved and flipped as crop and flip do, when the same numbers are drawn."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (9, 3, 32, 32), dtype=np.uint8)
    moves, flipped = rng.integers(-2, 3, (9, 2)), rng.integers(0, 2, (9, 1))
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor(moves.T[..., None]))
    view = Flip(alternating=True).apply(Crop(padding=2, mode="reflect").apply(View(9, 32, 32), moves), flipped)
    scale, shift = (np.array(each, np.float32)[:, None, None] for each in cifar.scaling("normalised"))
    theirs = p2["normalised"](p2["augmented"](torch.tensor(pixels), torch.tensor(flipped[:, 0] == 1)))
    np.testing.assert_array_equal(theirs.numpy(), pixels_of(pixels, view, scale, shift))


def test_a_pickle_that_would_run_something_is_not_run(p2, tmp_path):
    import pickle

    class Bad:
        def __reduce__(self):
            return print, ("it was run",)

    (tmp_path / "bad").write_bytes(pickle.dumps({"data": Bad()}, 2))
    with (tmp_path / "bad").open("rb") as file, pytest.raises(p2["RefusedError"], match=r"builtin\w*\.print"):
        p2["program"](file)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["network=simple-nn"], "p2.py has network = speed-net, not simple-nn. Type\n"
                               "  underhood run cifar10-cnn --scale smoke --export "),
        (["optimizer.name=adam"], "p2.py has optimizer = sgd, not adam"),
        (["schedule.curve=cosine"], "p2.py has a triangle of the learning rate alone"),
        (["schedule.every=epoch"], "p2.py has a triangle of the learning rate alone"),
        (["averaging.warmup=false"], "p2.py has averaging.warmup = true alone"),
        (["data.augmentation=[cutout]"], "p2.py has crop with mode = reflect, then flip"),
        (["test_flips=probabilities"], "p2.py has test_flips = none or logits, not probabilities"),
        (["data.validation=0.1"], "p2.py has no data.validation"),
        (["accumulate=2"], "p2.py has no accumulate"),
    ],
)  # fmt: skip
def test_what_it_has_no_words_for_is_refused_before_it_runs(words, said, tmp_path, runs, capsys):
    sets = [f"--set={word}" for word in words]
    assert main(["run", "cifar10-cnn", *sets, "--scale=smoke", f"--export={tmp_path / 'p2'}"]) == 2
    assert said in capsys.readouterr().err
    assert not runs.exists()


def test_constants_follow_the_settings():
    from underhood.settings import load
    from underhood.studies import find

    study = find("cifar10-cnn")
    changed = ["data.augmentation=[]", "averaging=none", "test_flips=none", "data.scaling=unit", "schedule.end=0"]
    values = load(study.settings, base=study.base, sets=changed).model_dump(mode="json")
    assert cifar.refuse(values) is None
    made = cifar.constants(values, 4)
    assert {key: made[key] for key in ("PADDING", "FLIPPED", "AVERAGE", "ASKED_TWICE", "END", "SEED")} == {
        "PADDING": 0, "FLIPPED": False, "AVERAGE": 0, "ASKED_TWICE": False, "END": 0, "SEED": 4
    }  # fmt: skip
    assert made["SCALE"] == [1 / 255] * 3
    assert made["SHIFT"] == [0, 0, 0]
