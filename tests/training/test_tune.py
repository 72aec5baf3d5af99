"""`--tune`: who may be chosen, who is, and what is said of the others."""

import json

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.instruments.stopwatch import Rule, Timing
from underhood.training import tune as page
from underhood.training.learner import NetworkLearner
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.training.tune import Candidate, Tuning, can_be_tuned, tune, weighs

PLAIN = {"precision": "float32", "channels_last": False, "fused": False, "compile": False}
SHORT = Rule(warmup=1, least=2, most=2, within=1.0, seconds=0.0)
NAMES = [
    "float32",
    "float32, channels last",
    "bfloat16-autocast",
    "bfloat16-autocast, channels last",
    "bfloat16",
    "bfloat16, channels last",
]


def settings(**more):
    base = {"network": {"name": "mlp", "hidden": [16]}, "data": {"name": "digits"}, "batch_size": 32, "epochs": 2}
    return TrainingSettings(**base | {"backend": "torch"} | more)


class Paper:
    """A learner that does nothing: its losses, and what each step would cost, are told by its means."""

    def __init__(self, chosen, seed, parts):
        means = {key: getattr(chosen, key) for key in PLAIN}
        self.name = Candidate(means).name
        self.factors = []
        if self.name in self.broken:
            raise RuntimeError(self.broken[self.name])

    def prepare(self, step, factor, measuring):
        self.factors.append(factor)

    def step(self, x, t):
        return self.losses.get(self.name, 2.0), 0


@pytest.fixture
def on_paper(monkeypatch):
    """Tries candidates on paper: `on_paper(costs, losses, broken)`, milliseconds by name, 10 where none are given."""

    made = []

    def tried(costs, losses=None, broken=None, chosen=None):
        monkeypatch.setattr(Paper, "losses", losses or {}, raising=False)
        monkeypatch.setattr(Paper, "broken", broken or {}, raising=False)

        def learner(*arguments):
            made.append(Paper(*arguments))
            return made[-1]

        now = 0.0

        def clock():  # read before a step and after it: the last learner's cost passes between
            nonlocal now
            now += costs.get(made[-1].name, 10.0) / 1e3
            return now

        def measured(jobs, rule):
            return [(Timing(costs.get(subject_of(job).name, 10.0) / 1e3, 0.0, 0.0, 20),) for job in jobs]

        monkeypatch.setattr(page, "NetworkLearner", learner)
        monkeypatch.setattr(page, "perf_counter", clock)
        monkeypatch.setattr(page, "measure", measured)
        chosen = chosen or settings()
        return tune(chosen, 0, read(chosen.data, None, 0, chosen.dtype))

    tried.made = made
    return tried


def subject_of(job):
    return next(cell.cell_contents for cell in job.__closure__ if isinstance(cell.cell_contents, Paper))


def verdicts(tuning):
    return {row["name"]: row["verdict"] for row in tuning.table().rows}


# ---- choosing


def test_the_fastest_is_taken_and_each_round_builds_on_the_last(on_paper):
    costs = {"bfloat16-autocast, channels last": 6.0, "bfloat16-autocast, channels last, fused": 5.0}
    found = on_paper(costs | {"bfloat16-autocast, channels last, fused, compiled": 4.0}, chosen=settings(epochs=50))
    assert [each.name for each in found.candidates] == [
        *NAMES,
        "bfloat16-autocast, channels last, fused",
        "bfloat16-autocast, channels last, fused, compiled",
    ]
    assert found.options == {"precision": "bfloat16-autocast", "channels_last": True, "fused": True, "compile": True}
    assert "2.50 times as fast as float32" in found.text
    assert verdicts(found)["float32"] == "slower"


def test_what_is_faster_but_too_far_from_float32_is_not_taken(on_paper):
    found = on_paper({"bfloat16": 1.0, "float32, channels last": 5.0}, losses={"bfloat16": 2.03})
    assert found.options == PLAIN | {"channels_last": True}
    assert verdicts(found)["bfloat16"] == "loss too far from float32's"
    assert next(row["far"] for row in found.table().rows if row["name"] == "bfloat16") == pytest.approx(0.015)


def test_what_is_hardly_faster_does_not_replace_what_is_plainer(on_paper):
    found = on_paper({"float32, channels last": 9.8})
    assert found.options == PLAIN
    assert verdicts(found)["float32, channels last"] == "as fast, not as plain"
    assert "nothing else is quicker" in found.text


def test_a_candidate_that_fails_is_a_row_with_the_reason(on_paper):
    found = on_paper({}, broken={"bfloat16": "\nno bfloat16 here\nat line 3", "float32, compiled": "no C++ compiler"})
    assert verdicts(found)["bfloat16"] == "not here: no bfloat16 here"
    assert verdicts(found)["float32, compiled"] == "not here: no C++ compiler"
    assert found.options == PLAIN


def test_a_candidate_that_is_much_too_slow_is_left_after_two_steps(on_paper):
    found = on_paper({"bfloat16": 100.0})
    assert verdicts(found)["bfloat16"] == "much too slow"
    assert found.candidates[4].loss is None


def test_the_time_of_compiling_counts():
    compiled = Candidate(PLAIN | {"compile": True}, step=0.009, first=40.0)
    plain = Candidate(PLAIN, step=0.010, first=5.0)
    assert not plain.surely_longer(compiled, steps=1000)
    assert plain.surely_longer(compiled, steps=1_000_000)
    assert compiled.surely_longer(plain, steps=1000)
    assert "compiling counted" in verdicts(Tuning((plain, compiled), 0, 1000, "x"))["float32, compiled"]


def test_times_that_are_not_known_well_prove_nothing():
    sure, unsure = Candidate(PLAIN, step=0.010), Candidate(PLAIN | {"fused": True}, step=0.008, notch=0.3)
    assert sure.surely_longer(Candidate(PLAIN | {"fused": True}, step=0.008), 100)
    assert not sure.surely_longer(unsure, 100)


def test_what_the_settings_name_is_kept(on_paper):
    found = on_paper({}, chosen=settings(precision="float64", fused=True))
    assert [each.name for each in found.candidates] == [
        "float64, fused",
        "float64, channels last, fused",
        "float64, fused, compiled",
    ]


def test_the_few_steps_go_through_the_whole_schedule(on_paper):
    on_paper({}, chosen=settings(schedule={"name": "one-cycle", "peak": 0.5, "start": 0.0}, epochs=100))
    factors = on_paper.made[0].factors
    assert len(factors) == 12
    assert factors[0] == pytest.approx(0, abs=1e-6)
    assert max(factors) == factors[6] == pytest.approx(1, abs=1e-3)
    assert factors[11] < 0.1


# ---- for real, at small scale


def test_real_candidates_start_alike_and_the_loss_falls(monkeypatch):
    def no_compiler(*arguments, **more):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr("torch.compile", no_compiler)
    heard = []
    chosen = settings(optimizer={"name": "sgd", "lr": 0.1, "momentum": 0.9})
    parts = read(chosen.data, None, 0, chosen.dtype)
    found = tune(chosen, 0, parts, rule=SHORT, report=heard.append)
    assert heard == [f"tuning: {each.name}" for each in found.candidates]
    plain = found.candidates[0]
    learner = NetworkLearner(chosen, 0, parts)
    batches = [parts.train.batch(np.arange(i, i + 32)) for i in (0, 32, 64, 96)]
    by_hand = [learner.step(*batch)[0] for batch in batches * 3]
    assert plain.loss == pytest.approx(np.mean(by_hand[-4:]), rel=1e-12)
    assert plain.loss < by_hand[0] / 1.5
    assert all(each.far < 1e-5 for each in found.candidates if each.far is not None and "float32" in each.name)
    assert found.candidates[-1].out == "not here: no C++ compiler"
    assert found.steps == 2 * -(-len(parts.train) // 32)


def test_pure_bfloat16_that_loses_small_updates_is_seen(monkeypatch):
    """lr·gradient under half a unit in the last place of a weight is lost: after the steps the loss tells."""
    monkeypatch.setattr(page, "ROUNDS", (("precision",),))
    chosen = settings(initialisation="he", optimizer={"name": "adam", "lr": 3e-4})
    monkeypatch.setattr(page, "PASSES", 20)
    monkeypatch.setattr(page, "TOO_SLOW", np.inf)
    found = tune(chosen, 0, read(chosen.data, None, 0, chosen.dtype), rule=SHORT)
    far = {each.name: each.far for each in found.candidates if each.far is not None}
    assert far["bfloat16"] > 5 * far["bfloat16-autocast"]
    assert found.candidates[2].out == "loss too far from float32's"


def test_a_trial_that_diverges_has_nothing_to_hold_to():
    chosen = settings(optimizer={"name": "sgd", "lr": 1e30})
    with pytest.raises(BadInput, match="diverges within"), np.errstate(all="ignore"):
        tune(chosen, 0, read(chosen.data, None, 0, chosen.dtype), rule=SHORT)


# ---- what is tuned, and how it is kept


def test_only_trainings_on_torch_can_be_tuned():
    assert can_be_tuned(settings())
    assert not can_be_tuned(settings(backend="underhood"))
    assert not can_be_tuned(object())
    with pytest.raises(BadInput, match="add --backend torch"):
        tune(settings(backend="underhood"), 0, None)


def test_trials_that_are_to_be_compared_share_a_choice():
    assert weighs(settings()) == weighs(settings(optimizer={"name": "sgd", "lr": 0.5}, epochs=7, data="digits"))
    for other in ({"batch_size": 64}, {"threads": 2}, {"network": "simple-nn"}, {"optimizer": "adam"}, {"fused": True}):
        assert weighs(settings(**other)) != weighs(settings())


def test_a_choice_survives_the_store(on_paper):
    found = on_paper({"float32, channels last": 5.0}, broken={"bfloat16": "no"})
    stored = json.loads(json.dumps(found.to_json()))
    assert Tuning.from_json(stored) == found
    assert stored["candidates"][0]["means"] == found.candidates[0].options  # files keep their spelling
