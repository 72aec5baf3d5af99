"""`--tune`: a candidate's name, its time and loss to their bounds, and the choice as it is told and stored."""

import json
import math
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.instruments.stopwatch import NOTCH, Timing
from underhood.training import tune as page
from underhood.training.settings import TrainingSettings
from underhood.training.tune import CHOICES, Candidate, Tuning, weighs

PLAIN = {"precision": "float32", "channels_last": False, "fused": False, "compile": False}


def settings(**more):
    base = {"network": {"name": "mlp", "hidden": [16]}, "data": {"name": "digits"}, "batch_size": 32, "epochs": 2}
    return TrainingSettings(**base | {"backend": "torch"} | more)


@pytest.mark.parametrize(
    ("precision", "last", "fused", "compiled"), [*product(CHOICES["precision"], *[(False, True)] * 3)]
)
def test_a_name_says_all_that_is_not_plain(precision, last, fused, compiled):
    options = {"precision": precision, "channels_last": last, "fused": fused, "compile": compiled}
    words = [precision] + ["channels last"] * last + ["fused"] * fused + ["compiled"] * compiled
    assert Candidate(options).name == ", ".join(words)


def test_a_trial_is_its_steps_and_the_compiling():
    assert Candidate(PLAIN, step=0.5, first=9.0).trial(10) == 5
    assert Candidate(PLAIN | {"compile": True}, step=0.5, first=9.0).trial(10) == 14
    assert Candidate(PLAIN).trial(10) == math.inf


@pytest.mark.parametrize(
    ("ours", "theirs", "notches", "longer"),
    [
        (1.0, 1.0, (0, 0), False),
        (1.02, 1.0, (0, 0), False),
        (1.04, 1.0, (0, 0), True),
        (0.9, 1.0, (0, 0), False),
        (1.04, 1.0, (0.05, 0), False),
        (1.04, 1.0, (0, 0.05), False),
        (1.08, 1.0, (0.05, 0.05), False),
        (1.12, 1.0, (0.05, 0.05), True),
        (1.04, 1.0, (0.01, 0.01), True),
    ],
)
def test_longer_is_more_than_luck(ours, theirs, notches, longer):
    one, other = (Candidate(PLAIN, step=s, notch=n) for s, n in zip((ours, theirs), notches, strict=True))
    assert one.surely_longer(other, 100) is longer


def test_the_choice_is_the_plainest_that_is_not_surely_longer():
    def of(*steps):
        return [Candidate(PLAIN, step=s) if s else Candidate(PLAIN, step=0.1, out="too far") for s in steps]

    assert page._best(of(1.0), 10) == 0
    assert page._best(of(1.0, 0.99), 10) == 0
    assert page._best(of(1.0, 0.9), 10) == 1
    assert page._best(of(1.0, 0.5, 0.49, 0.51), 10) == 1
    assert page._best(of(1.0, None, 0.8), 10) == 2


@pytest.fixture
def tuning():
    candidates = (
        Candidate(PLAIN, 0.010, 0.01, 0.02, 2.0, 0.0),
        Candidate(PLAIN | {"fused": True}, 0.004, 0.02, 0.03, 2.01, 0.005),
        Candidate(PLAIN | {"compile": True}, 0.005, 0.0, 3.0, 2.0, 0.0),
        Candidate(PLAIN | {"channels_last": True}, 0.0041, 0.0, 0.0, 2.0, 0.0),
        Candidate(PLAIN | {"precision": "bfloat16"}, out="not here: no such thing"),
        Candidate(PLAIN | {"precision": "bfloat16-autocast"}, 0.02, 0.0, 0.1, 2.0, 0.0),
    )
    return Tuning(candidates, 1, 1000, "mlp at batch 32")


def test_the_table_has_each_candidate_beside_the_first(tuning):
    rows = tuning.table().rows
    assert rows[1] == {
        "name": "float32, fused",
        "step": pytest.approx(4.0),
        "rate": pytest.approx(2.5),
        "first": 0.03,
        "loss": 2.01,
        "far": 0.005,
        "verdict": "chosen",
    }
    assert [row["verdict"] for row in rows] == [
        "slower",
        "chosen",
        "slower, compiling counted",
        "as fast, not as plain",
        "not here: no such thing",
        "slower",
    ]
    assert [row["rate"] and round(row["rate"], 3) for row in rows] == [1.0, 2.5, 2.0, 2.439, None, 0.5]
    assert [row["first"] for row in rows] == [0.02, 0.03, 3.0, None, None, 0.1]
    assert rows[4]["step"] is None
    table = tuning.table()
    assert table.title == "Tuned: mlp at batch 32"
    assert table.foot[0].startswith("Loss after 12 steps on the same 4 batches; within 1% of the first's")
    assert "1.5 times behind" in table.foot[1]
    assert "of 1,000 steps" in table.foot[2]


def test_the_choice_in_a_line(tuning):
    assert tuning.text == (
        "mlp at batch 32: float32, fused; 4 ms a step, 2.50 times as fast as float32, the loss within 0.50% of its"
    )
    assert tuning.options == PLAIN | {"fused": True}
    plain = Tuning(tuning.candidates, 0, 1000, "mlp")
    assert plain.text == "mlp: float32, for nothing else is quicker"
    assert plain.options == PLAIN


def test_it_is_stored_and_read(tuning):
    stored = json.loads(json.dumps(tuning.to_json()))
    assert stored["candidates"][1] == {
        "means": PLAIN | {"fused": True},
        "step": 0.004,
        "notch": 0.02,
        "first": 0.03,
        "loss": 2.01,
        "far": 0.005,
        "out": "",
    }
    assert (stored["chosen"], stored["steps"], stored["subject"]) == (1, 1000, "mlp at batch 32")
    assert Tuning.from_json(stored) == tuning
    assert Tuning.from_json(stored) == tuning  # what was stored is left as it was


@pytest.mark.parametrize(
    ("key", "value", "tried"),
    [
        ("precision", "float32", ("float32", "bfloat16-autocast", "bfloat16")),
        ("precision", "bfloat16", ("bfloat16",)),
        ("precision", "float64", ("float64",)),
        ("channels_last", False, (False, True)),
        ("channels_last", True, (True,)),
        ("fused", True, (True,)),
        ("compile", False, (False, True)),
    ],
)
def test_what_the_settings_name_alone_is_tried(key, value, tried):
    assert page._open(settings(**{key: value}), key) == tried


@pytest.mark.parametrize(("threads", "said"), [(1, "1 thread"), (2, "2 threads")])
def test_where_it_was_tuned(threads, said):
    assert page._threads(settings(threads=threads)) == said
    assert page._threads(settings(threads=threads, device="cuda")) == "cuda"


def test_what_a_step_takes_follows_from():
    assert weighs(settings()) == {
        "network": {"name": "mlp", "hidden": [16]},
        "batch_size": 32,
        "threads": 1,
        "device": "cpu",
        **PLAIN,
        "data": "digits",
        "optimizer": settings().optimizer.name,
    }


@pytest.fixture
def work():
    made = object.__new__(page._Work)
    made.plain, made.batches, made.rule = None, [()] * 4, None
    return made


@pytest.mark.parametrize(("loss", "far"), [(2.0, 0.0), (2.019, 0.0095), (1.981, 0.0095), (2.03, 0.015), (1.97, 0.015)])
def test_a_loss_is_near_within_a_hundredth(work, loss, far):
    assert work._judged(Candidate(PLAIN, loss=2.0)).far == 0
    found = work._judged(Candidate(PLAIN | {"fused": True}, loss=loss))
    assert found.far == pytest.approx(far)
    assert found.out == ("" if far <= 0.01 else "loss too far from float32's")


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_first_loss_that_is_no_number(work, loss):
    with pytest.raises(BadInput, match="--tune: float32 diverges within 12 steps; there is no loss to stay near"):
        work._judged(Candidate(PLAIN, loss=loss))


def test_a_later_loss_that_is_no_number_is_too_far(work):
    work._judged(Candidate(PLAIN, loss=2.0))
    assert work._judged(Candidate(PLAIN | {"fused": True}, loss=math.nan)).out == "loss too far from float32's"


def test_only_what_is_near_the_best_is_measured(work, monkeypatch):
    """The spread is that of one timing; the median's is smaller by the root of how many there were."""
    measured = []

    def measure(jobs, rule):
        measured.extend(jobs)
        return [(Timing(m, m, 1.25 * m, 16),) for m in (0.5, 1.5, 2.5)]

    again = [Candidate(PLAIN, 1.0), Candidate(PLAIN, 0.1, out="too far"), Candidate(PLAIN)]
    tries = {"a": 1.5, "b": 1.51, "c": 1.2}
    monkeypatch.setattr(page, "measure", measure)
    monkeypatch.setattr(work, "_subject", lambda options: "again", raising=False)
    monkeypatch.setattr(work, "_try", lambda name: (name, Candidate(PLAIN, tries[name])))
    monkeypatch.setattr(work, "_job", lambda subject: subject)
    found = work.race(again, "abc")
    assert measured == ["again", "a", "c"]
    assert [each.step for each in found] == [0.5, 0.1, None, 1.5, 1.51, 2.5]
    assert [each.notch for each in found] == [
        pytest.approx(NOTCH * 0.25 / 4) if i in (0, 3, 5) else 0 for i in range(6)
    ]


def test_one_alone_is_not_measured(work, monkeypatch):
    monkeypatch.setattr(work, "_try", lambda name: (name, Candidate(PLAIN, 0.3)))
    monkeypatch.setattr(page, "measure", None)
    assert [each.step for each in work.race([], "a")] == [0.3]


@pytest.mark.parametrize(
    ("error", "gist"),
    [
        (RuntimeError("one\ntwo"), "one"),
        (RuntimeError("\n   \n  two  \nthree"), "two"),
        (RuntimeError(), "RuntimeError"),
        (MemoryError(" \n"), "MemoryError"),
    ],
)
def test_the_gist_of_an_error_is_its_first_words(error, gist):
    assert page._gist(error) == gist


def test_batches_are_whole_where_there_is_one(monkeypatch):
    class Part(SimpleNamespace):
        def __len__(self):
            return self.n

        def in_epoch(self, seed, epoch):
            assert (seed, epoch) == (3, 0)
            return self

        def batch(self, rows):
            return rows.tolist()

    for n, expected in (
        (5, [[0, 1, 2, 3, 4]]),
        (16, [[*range(8)], [*range(8, 16)]]),
        (23, [[*range(8)], [*range(8, 16)]]),
    ):
        made = page._Work(settings(batch_size=8), 3, SimpleNamespace(train=Part(n=n)), None, print)
        assert made.batches == expected
        assert made.steps == 2 * math.ceil(n / 8)
    made = page._Work(settings(batch_size=8), 3, SimpleNamespace(train=Part(n=100)), None, print)
    assert len(made.batches) == 4
    assert np.ravel(made.batches).tolist() == list(range(32))
