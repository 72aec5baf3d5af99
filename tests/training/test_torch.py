"""The torch back end's options: what each does to the numbers, what is refused, and trials resumed with them."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.training.runs import measured, run
from underhood.errors import BadInput, MissingPiece
from underhood.settings import Mistakes, load, non_default
from underhood.training.backends import backend, backend_of
from underhood.training.backends.settings import BackendSettings
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Checkpoint, Context

BASE = {
    "backend": "torch",
    "network": {"name": "small"},
    "data": {"name": "digits", "train": 80, "test": 20},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "batch_size": 32,
    "epochs": 2,
    "log_every": 1,
}


def small(nn, classes=10):
    """A convolution with BatchNorm, a pool, a Linear: what memory formats and precisions tell apart."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32, classes),
    )


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    from underhood.networks import NETWORKS
    from underhood.networks.registry import Network

    row = Network("small", small, (1, 8, 8), "for tests", "none")
    monkeypatch.setitem(NETWORKS, "small", row)


def settings(**more):
    return TrainingSettings(**BASE | more)


def made(chosen, seed=0):
    """A learner, and its first batch."""
    parts = read(chosen.data, None, seed, chosen.dtype)
    return NetworkLearner(chosen, seed, parts), parts.train.batch(np.arange(chosen.batch_size))


def losses(chosen):
    return np.array([values["train_loss"] for _, values in measured(run(chosen)) if "train_loss" in values])


# ---- settings


def test_the_means_are_part_of_what_a_trial_is_and_their_defaults_are_not():
    assert non_default(TrainingSettings()) == {}
    chosen = load(TrainingSettings, sets=["backend=torch", "channels_last=true", "precision=bfloat16"])
    assert non_default(chosen) == {"backend": "torch", "channels_last": True, "precision": "bfloat16"}


@pytest.mark.parametrize(
    "word",
    [
        "device=cuda",
        "precision=bfloat16",
        "precision=bfloat16-autocast",
        "channels_last=true",
        "compile=true",
        "fused=true",
        "in_place_activations=true",
        "activation_checkpointing=true",
    ],
)
def test_the_engine_names_what_it_lacks(word):
    key, _, value = word.partition("=")
    with pytest.raises(Mistakes) as error:
        load(TrainingSettings, sets=[word])
    assert f"--set {key}" in str(error.value)
    assert value in str(error.value)
    assert "needs backend = torch" in str(error.value)
    assert load(TrainingSettings, sets=[word, "backend=torch"])


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingPiece, match=r"device: cuda: PyTorch .* finds no GPU"):
        backend_of(BackendSettings(backend="torch", device="cuda"))


@pytest.mark.parametrize("name", ["nesterov", "adadelta"])
def test_an_optimiser_without_a_fused_form_is_named(name):
    with pytest.raises(BadInput, match=f"no fused form of {name}; there is .*sgd"):
        made(settings(optimizer={"name": name}, fused=True))


# ---- what each of the means does


def test_channels_last_is_a_matter_of_strides_alone():
    learner, (x, _) = made(settings(channels_last=True))
    inner = learner.back.tensor(x)
    assert inner.shape == (32, 1, 8, 8)
    assert learner.net[4].weight.is_contiguous(memory_format=torch.channels_last)
    assert not learner.net[4].weight.is_contiguous()
    seen = []
    learner.net[4].register_forward_hook(lambda module, inputs, output: seen.append(output))
    learner.evaluate(x, np.zeros(32, np.int64))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert not seen[0].is_contiguous()


def test_autocast_multiplies_in_bfloat16_and_keeps_the_weights():
    learner, (x, t) = made(settings(precision="bfloat16-autocast"))
    seen = []
    learner.net[4].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    learner.step(x, t)
    assert seen == [torch.bfloat16]
    assert {p.dtype for p in learner.net.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in learner.net.parameters()} == {torch.float32}


def test_pure_bfloat16_keeps_batch_norm_in_float32():
    learner, (x, t) = made(settings(precision="bfloat16"))
    learner.step(x, t)
    kinds = {name: value.dtype for name, value in learner.net.state_dict().items()}
    assert kinds["0.weight"] == kinds["4.weight"] == kinds["7.bias"] == torch.bfloat16
    assert kinds["1.weight"] == kinds["1.running_mean"] == torch.float32
    logits = learner.back.forward(learner.net, learner.back.tensor(x))
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("precision", ["bfloat16-autocast", "bfloat16"])
def test_bfloat16_stays_near_float32_and_is_not_it(precision):
    exact, rounded = losses(settings()), losses(settings(precision=precision))
    assert (exact != rounded).any()
    np.testing.assert_allclose(rounded, exact, rtol=0.03)


@pytest.mark.parametrize("means", [{"channels_last": True}, {"fused": True}], ids=str)
@pytest.mark.parametrize("optimizer", [BASE["optimizer"], {"name": "adam", "lr": 0.01}], ids=lambda o: o["name"])
def test_other_means_change_the_last_digits_at_most(means, optimizer):
    chosen = {"optimizer": optimizer, "precision": "float64"}
    np.testing.assert_allclose(losses(settings(**chosen, **means)), losses(settings(**chosen)), rtol=1e-10)


MASKED = {"name": "mlp", "hidden": [32, 32, 32], "dropout": 0.3}
FEWER = [
    {"in_place_activations": True},
    {"activation_checkpointing": True},
    {"activation_checkpointing": True, "accumulate": 2},
]


@pytest.mark.parametrize("network", ["small", MASKED], ids=["BatchNorm", "dropout"])
@pytest.mark.parametrize("means", FEWER, ids=str)
def test_fewer_activations_leave_the_trained_weights_bit_for_bit(network, means):
    given = {"network": network, "precision": "float64", "accumulate": means.get("accumulate", 1)}
    both = []
    for chosen in (settings(**given), settings(**given | means)):
        learner, _ = made(chosen)
        list(train(chosen, 0, Context(), lambda *_, learner=learner: learner))
        both.append(learner.weights())
    assert both[0].keys() == both[1].keys()
    for name, values in both[0].items():
        np.testing.assert_array_equal(values, both[1][name], err_msg=name)


def test_compile_chooses_itself_what_is_computed_again():
    with pytest.raises(Mistakes, match="activation_checkpointing: compile chooses itself"):
        load(TrainingSettings, sets=["backend=torch", "compile=true", "activation_checkpointing=true"])


def test_fused_is_asked_of_the_optimiser():
    learner, _ = made(settings(fused=True))
    assert learner.optimizer.defaults["fused"] is True
    assert not made(settings())[0].optimizer.defaults["fused"]


def test_weights_are_saved_in_float32_whatever_they_were_trained_in(tmp_path):
    from safetensors.numpy import load_file

    learner, _ = made(settings(precision="bfloat16", channels_last=True))
    learner.save(tmp_path / "model.safetensors")
    saved = load_file(tmp_path / "model.safetensors")
    assert {value.dtype for name, value in saved.items() if "num_batches" not in name} == {np.dtype("float32")}
    plain = backend("torch")
    small(torch.nn).load_state_dict({name: plain.tensor(value) for name, value in saved.items()})


# ---- interrupted and resumed

COMBINATIONS = [
    {"precision": precision, "channels_last": channels_last, "fused": fused}
    for precision in ("float32", "float64", "bfloat16-autocast", "bfloat16")
    for channels_last in (False, True)
    for fused in (False, True)
] + [{"in_place_activations": True, "activation_checkpointing": True}]


def from_disk(saved):
    """What a file gives back: the same numbers, but not their strides."""
    return Checkpoint({name: np.array(value, order="C") for name, value in saved.tensors.items()}, saved.state)


def same_after_resuming(chosen, at, tmp_path):
    whole = run(chosen)
    first = run(chosen, stop_after=at)
    assert isinstance(first[-1], Checkpoint)
    second = run(chosen, resume=from_disk(first[-1]))
    assert measured(first) + measured(second) == measured(whole)
    files = []
    for events in (second, whole):
        artefact = next(e for e in events if isinstance(e, Artefact))
        artefact.write(tmp_path / "weights")
        files.append((tmp_path / "weights").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("optimizer", [BASE["optimizer"], {"name": "adam", "lr": 0.01}], ids=lambda o: o["name"])
@pytest.mark.parametrize("means", COMBINATIONS, ids=lambda m: "-".join(map(str, m.values())))
def test_a_resumed_trial_is_the_uninterrupted_one_with_all_means(means, optimizer, tmp_path):
    same_after_resuming(settings(optimizer=optimizer, **means), 4, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # torch's compiler uses what torch deprecates
def test_a_resumed_trial_is_the_uninterrupted_one_when_compiled(tmp_path):
    """Stopped before the smaller batch that ends an epoch, which is then the first that is compiled."""
    torch.compiler.reset()
    same_after_resuming(settings(compile=True, channels_last=True), 5, tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_what_cannot_be_compiled_here_is_a_missing_piece(monkeypatch):
    learner, (x, t) = made(settings(compile=True))

    def without_compiler(x):
        raise type("InvalidCxxCompiler", (RuntimeError,), {"__module__": "torch._inductor.exc"})("no C++ compiler")

    monkeypatch.setattr(learner.back, "compiled", without_compiler)
    with pytest.raises(MissingPiece, match=r"compile: torch\.compile cannot .*: no C\+\+ compiler"):
        learner.step(x, t)


@pytest.mark.parametrize("name", ["resnet20", "simple-nn"])
def test_a_network_has_as_many_classes_as_the_data_whichever_way_its_page_is_written(name):
    """resnet20 is a partial of its page's function."""
    from underhood.training.inference import build

    chosen = settings(network=name)
    parts = read(chosen.data, None, 0, chosen.dtype)
    seven = dataclasses.replace(parts, classes=parts.classes[:7])
    net = build(chosen, backend_of(chosen), seven)
    assert list(net.parameters())[-1].shape == (7,)
