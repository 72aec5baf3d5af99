"""The learner alone: what a step and an evaluation give, and that a step stays recorded."""

import numpy as np
import pytest
import torch

from underhood.training.learner import NetworkLearner
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings


def learner(backend="underhood", **settings):
    given = {
        "backend": backend,
        "precision": "float64",
        "network": {"name": "mlp", "hidden": [8]},
        "data": {"name": "digits", "train": 96, "test": 40},
    }
    settings = TrainingSettings.model_validate(given | settings)
    parts = read(settings.data, None, 0, settings.dtype)
    return NetworkLearner(settings, 0, parts), parts


def batches(parts, size=32):
    for start in range(0, 96, size):
        yield parts.train.batch(np.arange(start, start + size))


@pytest.mark.parametrize("measuring", [False, True])
def test_a_step_on_the_engine_is_recorded_once(measuring):
    made, parts = learner()
    for number, (x, t) in enumerate(batches(parts)):
        made.prepare(number, 1.0, measuring)
        made.step(x, t)
        made.evaluate(x, t)
    used = made.passed if measuring else made.whole
    for plan in (used, made.answered):
        assert plan.reason == ""
        assert list(plan.recordings._recorded.values()) == [1]


@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_a_step_is_sgd_on_the_mean_loss(backend):
    made, parts = learner(backend, optimizer={"name": "sgd", "lr": 0.5}, label_smoothing=0.1)
    net = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10)
    ).double()
    net.load_state_dict(
        {name: torch.from_numpy(np.array(made.back.array(v))) for name, v in made.net.state_dict().items()}
    )
    x, t = next(batches(parts))
    made.prepare(0, 0.25, False)  # the schedule's factor
    loss, errors = made.step(x, t)
    logits = net(torch.from_numpy(x))
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(t), label_smoothing=0.1)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert errors == int((logits.argmax(1).numpy() != t).sum())
    for p, q in zip(made.net.parameters(), net.parameters(), strict=True):
        np.testing.assert_allclose(
            made.back.array(p), q.detach().numpy() - 0.125 * q.grad.numpy(), rtol=1e-10, atol=1e-14
        )


@pytest.mark.parametrize("flips", ["logits", "probabilities"])
def test_flipped_answers_are_means_over_image_and_mirror(flips):
    made, parts = learner(test_flips=flips)
    x, t = next(batches(parts))
    loss, _ = made.evaluate(x, t)
    logits = [torch.from_numpy(made.net(made.back.tensor(each)).detach().numpy()) for each in (x, x[..., ::-1].copy())]
    if flips == "logits":
        expected = torch.nn.functional.cross_entropy((logits[0] + logits[1]) / 2, torch.from_numpy(t))
    else:
        expected = torch.nn.functional.nll_loss(
            torch.log((logits[0].softmax(1) + logits[1].softmax(1)) / 2), torch.from_numpy(t)
        )
    assert loss == pytest.approx(expected.item(), rel=1e-10)
