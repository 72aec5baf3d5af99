"""Penalties and clipping against PyTorch's autograd and utilities, on both back ends; what a step records of them."""

import numpy as np
import pytest
import torch

from underhood.settings import Mistakes, load
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Metric

BASE = {
    "network": {"name": "mlp", "hidden": [6]},
    "data": {"name": "digits", "train": 40, "test": 10},
    "optimizer": {"name": "sgd", "lr": 0.5},
    "precision": "float64",
    "batch_size": 40,
    "epochs": 1,
    "log_every": 1,
}
CASES = [
    {"penalty": {"l2": 0.3}},
    {"penalty": {"l1": 0.2}},
    {"penalty": {"l1": 0.02, "l2": 0.1, "of": "all"}},
    {"clip": {"norm": 0.5}},
    {"clip": {"norm": 1e6}},
    {"clip": {"value": 0.01}},
    {"penalty": {"l1": 0.1}, "clip": {"norm": 0.5}},
    {"label_smoothing": 0.2},
]


def by_hand(chosen, learner, x, t):
    """One step as PyTorch's autograd takes it: the penalty is written as a sum and differentiated."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 6), torch.nn.ReLU(), torch.nn.Linear(6, 10))
    net = net.double()
    net.load_state_dict({name: torch.tensor(values) for name, values in learner.weights().items()})
    loss = torch.nn.functional.cross_entropy(
        net(torch.tensor(x)), torch.tensor(t), label_smoothing=chosen.label_smoothing
    )
    penalised = [p for name, p in net.named_parameters() if chosen.penalty.of == "all" or name.endswith("weight")]
    penalty = sum(chosen.penalty.l1 * p.abs().sum() + chosen.penalty.l2 / 2 * p.square().sum() for p in penalised)
    (loss + penalty).backward()
    norm = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in net.parameters()]))
    if chosen.clip.norm:
        torch.nn.utils.clip_grad_norm_(net.parameters(), chosen.clip.norm)
    if chosen.clip.value:
        torch.nn.utils.clip_grad_value_(net.parameters(), chosen.clip.value)
    torch.optim.SGD(net.parameters(), lr=0.5).step()
    return (
        loss.item(),
        torch.as_tensor(penalty).item(),
        norm.item(),
        {name: p.detach().numpy() for name, p in net.state_dict().items()},
    )


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_step_is_autograd_s(case, backend):
    chosen = TrainingSettings(**BASE | case, backend=backend)
    parts = read(chosen.data, None, 0, "float64")
    learner = NetworkLearner(chosen, 0, parts)
    x, t = parts.train.batch(np.arange(40))
    loss, penalty, norm, expected = by_hand(chosen, learner, x, t)
    said = learner.penalty()
    learner.prepare(0, 1.0, measuring=True)
    assert learner.step(x, t)[0] == pytest.approx(loss, rel=1e-12)
    assert said == (pytest.approx(penalty, rel=1e-12) if chosen.penalty.l1 or chosen.penalty.l2 else None)
    assert learner.measured() == {"learning_rate": 0.5, "gradient_norm": pytest.approx(norm, rel=1e-9)}
    for name, values in learner.weights().items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def metrics(**more):
    return [e.values for e in train(TrainingSettings(**BASE | more), 0, Context()) if isinstance(e, Metric)]


def test_the_loss_is_recorded_apart_from_what_is_minimised():
    first, step, _ = metrics(penalty={"l2": 0.3})
    assert first == {"initial_loss": step["train_loss"]}
    assert step["objective"] == step["train_loss"] + step["penalty"]
    assert step["penalty"] > 0.1
    assert "objective" not in metrics()[1]


def test_an_epoch_without_measuring_trains_the_same():
    last = [metrics(log_every=n, epochs=3, batch_size=10, penalty={"l1": 0.01})[-1] for n in (1, 1000)]
    clockless = [
        {name: v for name, v in values.items() if name not in ("seconds", "images_per_second")} for values in last
    ]
    assert clockless[0] == clockless[1]


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("passes", [2, 3, 64])
def test_a_batch_in_several_passes_is_the_batch(backend, passes):
    """40 images and 3 passes: 14, 13 and 13 of them, each with its fraction of the mean."""
    whole, parted = (
        list(
            train(
                TrainingSettings(**BASE | {"epochs": 5, "batch_size": 64, "accumulate": n}, backend=backend),
                0,
                Context(),
            )
        )
        for n in (1, passes)
    )
    curves = [
        [e.values["train_loss"] for e in es if isinstance(e, Metric) and "train_loss" in e.values]
        for es in (whole, parted)
    ]
    np.testing.assert_allclose(*curves, rtol=1e-9)
    assert curves[0][-1] < curves[0][0] - 0.5
    assert whole[-1].values["train_error"] == parted[-1].values["train_error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clip.norm=1", "clip.value=1"], "--set clip.value: norm is given too; clip by the one or the other"),
        (["penalty.l2=0.1", "optimizer.weight_decay=0.1"], "penalty.l2: the optimiser's weight_decay is an L2 penalty"),
        (["accumulate=9", "batch_size=8"], "--set accumulate: a batch of 8 cannot be taken in 9 passes"),
        (["penalty.of=biases"], 'penalty.of: unknown "biases"'),
        (["penalty.L2=0.1"], "penalty.L2: unknown setting; there is l1, l2, of"),
        (["label_smoothing=1"], "label_smoothing"),
        (["clip=-1"], "clip"),
    ],
)
def test_what_makes_no_sense_is_refused(words, said):
    with pytest.raises(Mistakes) as error:
        load(TrainingSettings, sets=words)
    assert said in str(error.value)


def test_adamw_s_decay_is_no_penalty():
    load(TrainingSettings, sets=["optimizer=adamw", "optimizer.weight_decay=0.1", "penalty.l2=0.1"])
