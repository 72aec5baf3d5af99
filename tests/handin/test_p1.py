"""p1.py as it is handed in: alone with NumPy, it tells what underhood told, and trains as the template does."""

import ast
import inspect
import runpy
import shutil
import sys

import numpy as np
import pytest

from underhood.handin import hand_in
from underhood.networks import template
from underhood.training.pipeline import read
from underhood.training.settings import DataSettings

RUN = "import runpy; runpy.run_path('p1.py', run_name='__main__'); "
ALONE = "print([name for name in ('underhood', 'matplotlib', 'numba', 'scipy') if name in sys.modules])"


@pytest.fixture(scope="module")
def handed_in(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("me-HW1") / "p1"
    assert [path.name for path in hand_in(run, folder)] == ["p1.py", "p1_model.npz", "p1_report.pdf"]
    assert sorted(path.name for path in folder.iterdir()) == ["p1.py", "p1_model.npz", "p1_report.pdf"]
    return folder


def test_it_imports_what_the_sheet_allows(handed_in):
    tree = ast.parse((handed_in / "p1.py").read_text())
    names = [each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} == {"os", "numpy", "matplotlib"}


def test_alone_it_tells_of_the_model_what_underhood_told(handed_in, run, mnist, bare):
    out = bare(RUN + ALONE, "numpy", folder=handed_in, MNIST=str(mnist))
    (wrong,) = (round(trial.result["test_error"] * 397) for trial in run.trials if trial.seed == 0)
    assert out.splitlines() == [f"test error: {wrong / 397:.2%}, {wrong} of 397 images misread", "[]"]


def test_every_prediction_is_underhood_s(handed_in, run, mnist, bare):
    code = "import runpy; p1 = runpy.run_path('p1.py'); images, _ = p1['read']('mnist_test.csv'); "
    out = bare(code + "print(*p1['predict'](p1['load'](), images))", "numpy", folder=handed_in, MNIST=str(mnist))
    test = read(DataSettings(name="mnist", scaling="unit"), mnist, 0, "float32").test
    mlp = template.MLP(784, 10, [24, 16], [template.Tanh(), template.Tanh()])
    mlp.load_model(run.trials[0].artefact("model.npz"))
    mlp.W, mlp.b = [w.astype(np.float32) for w in mlp.W], [b.astype(np.float32) for b in mlp.b]
    own = [mlp.forward(x.reshape(len(x), -1)).argmax(1) for x, _ in test.in_order()]
    assert list(map(int, out.split())) == np.concatenate(own).tolist()


def test_alone_it_trains_keeps_loads_and_evaluates(handed_in, mnist, bare, tmp_path):
    shutil.copy(handed_in / "p1.py", tmp_path)
    first = bare(RUN + ALONE, "numpy", folder=tmp_path, MNIST=str(mnist))
    assert "matplotlib is not installed: the curves are not drawn" in first
    *_, epochs, _, last, modules = first.splitlines()
    assert epochs.split()[0] == "4"
    assert epochs.split()[-1] == last.split()[2].rstrip(",")  # the test error of the last epoch is the kept network's
    assert float(last.split()[2].rstrip("%,")) < 60
    assert modules == "[]"
    assert bare(RUN, "numpy", folder=tmp_path, MNIST=str(mnist)).strip() == last
    with np.load(tmp_path / "p1_model.npz", allow_pickle=False) as arrays:
        assert {name: array.shape for name, array in arrays.items()} == {
            "W0": (784, 24), "W1": (24, 16), "W2": (16, 10), "b0": (24,), "b1": (16,), "b2": (10,)
        }  # fmt: skip
        assert all(array.dtype == np.float32 for array in arrays.values())


def test_with_matplotlib_it_draws_the_curves(handed_in, mnist, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    shutil.copy(handed_in / "p1.py", tmp_path)
    monkeypatch.setenv("MNIST", str(mnist))
    runpy.run_path(str(tmp_path / "p1.py"), run_name="__main__")
    assert (tmp_path / "p1_curves.png").read_bytes().startswith(b"\x89PNG")
    assert "p1_curves.png" in capsys.readouterr().out


def test_without_the_data_it_says_where_it_looked(handed_in, tmp_path, monkeypatch):
    shutil.copy(handed_in / "p1.py", tmp_path)
    monkeypatch.delenv("MNIST", raising=False)
    with pytest.raises(SystemExit, match=r"mnist_train\.csv is not there; set MNIST to the folder that has it"):
        runpy.run_path(str(tmp_path / "p1.py"), run_name="__main__")
    (tmp_path / "mnist_train.csv").write_text("1,2,3\n")
    with pytest.raises(SystemExit, match=r"3 numbers a line, not a label and 784 pixels"):
        runpy.run_path(str(tmp_path / "p1.py"), run_name="__main__")


NAMES = ("Sigmoid", "Tanh", "ReLU", "SoftmaxCrossEntropy", "MLP")
METHODS = ("forward", "backward", "step", "zero_grads", "get_loss", "get_error")


def test_it_holds_the_names_of_the_sheet(handed_in):
    p1 = runpy.run_path(str(handed_in / "p1.py"))
    assert all(inspect.isclass(p1[name]) for name in NAMES)
    for method in METHODS:
        ours = inspect.signature(getattr(template.MLP, method)).parameters
        assert list(inspect.signature(getattr(p1["MLP"], method)).parameters) == list(ours)
    for name in ("random_normal_weight_init", "zeros_bias_init", "get_training_stats"):
        ours = inspect.signature(getattr(template, name)).parameters
        assert {k: p.default for k, p in inspect.signature(p1[name]).parameters.items()} == {
            k: p.default for k, p in ours.items()
        }
    assert list(inspect.signature(p1["get_training_stats"]).parameters)[:4] == ["mlp", "dset", "nepochs", "batch_size"]


@pytest.mark.parametrize("activation", ["Sigmoid", "Tanh", "ReLU"])
def test_its_classes_are_the_template_s_to_the_last_bit(handed_in, activation):
    def trained(names):
        rng = np.random.default_rng(1)
        x, labels = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
        mlp = names["MLP"](
            6, 3, [5], [names[activation]()], lambda a, b: names["random_normal_weight_init"](a, b, rng), momentum=0.9
        )
        stats = names["get_training_stats"](mlp, ((x[:30], labels[:30]), (x[30:], labels[30:])), 3, 8, rng)
        return [*stats, *mlp.W, *mlp.b]

    ours, theirs = trained(vars(template)), trained(runpy.run_path(str(handed_in / "p1.py")))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert "underhood" in sys.modules  # here, where the template is; not in p1.py: see above


def test_the_settings_are_the_run_s(handed_in):
    p1 = runpy.run_path(str(handed_in / "p1.py"))
    assert [p1[name] for name in ("HIDDEN", "ACTIVATION", "LEARNING_RATE", "MOMENTUM")] == [[24, 16], "Tanh", 0.1, 0.8]
    assert [p1[name] for name in ("BATCH_SIZE", "EPOCHS", "TRAINING_IMAGES", "SEED")] == [64, 4, 500, 0]
    assert "Written by underhood" in p1["__doc__"]
    assert "p1_model.npz is the network of seed 0" in p1["__doc__"]
