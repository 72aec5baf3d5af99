"""metrics.jsonl as columns, against the same lines read one by one."""

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.errors import BadInput
from underhood.lab import measurements as module
from underhood.lab.files import line_of
from underhood.lab.measurements import measurements

NOT_FINITE = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
NAMES = ["loss", "loss1", "loss2", "a, b", 'a"b', "a}\n{", "é", "NaN", "e", "1"]


def one_by_one(content):
    """The columns of whole lines; ValueError where one is no measurement."""
    lines = []
    for text in content.split(b"\n")[:-1]:
        line = json.loads(text)
        if not isinstance(line, dict):
            raise ValueError(text)
        lines.append(
            {name: NOT_FINITE.get(value, value) if isinstance(value, str) else value for name, value in line.items()}
        )
    names = list(dict.fromkeys(name for line in lines for name in line if name != "step"))
    try:
        columns = {"step": np.array([line["step"] for line in lines], np.int64)}
        return columns | {name: np.array([line.get(name, np.nan) for line in lines], np.float64) for name in names}
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def same(content, path):
    try:
        expected = one_by_one(content)
    except (ValueError, RecursionError):
        with pytest.raises(BadInput, match="metrics"):
            measurements(content, path)
        return
    found = measurements(content, path)
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


@given(st.lists(st.tuples(st.integers(), st.dictionaries(st.sampled_from(NAMES), st.floats()))), st.integers(1, 200))
def test_what_was_written_is_read(tmp_path_factory, written, part):
    lines = [line_of({"step": step} | values) + "\n" for step, values in written]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART", part)
        same("".join(lines).encode(), tmp_path_factory.getbasetemp() / "metrics.jsonl")


def usual(count):
    """What a training writes: the loss of some steps, more of each epoch, with a NaN."""
    lines = []
    for step in range(1, count + 1):
        values = {"train_loss": np.sin(step) * 10.0 ** (step % 40 - 20)}
        if step % 10 == 0:
            values = {"epoch": step // 10, "loss1": 1 / step, "loss2": float("nan") if step % 30 else -float("inf")}
        lines.append(line_of({"step": step} | values) + "\n")
    return "".join(lines).encode()


def test_a_usual_file_is_not_read_line_by_line(monkeypatch, tmp_path):
    content = usual(3000)
    monkeypatch.setattr(module, "PART", 10_000)
    with monkeypatch.context() as patch:
        patch.setattr(module, "lines_in", None)
        measurements(content, tmp_path / "metrics.jsonl")
    same(content, tmp_path / "metrics.jsonl")
    same(b"", tmp_path / "metrics.jsonl")


def test_two_metrics_that_change_places_are_told_apart(tmp_path):
    content = b'{"step": 1, "loss1": 5.0, "loss2": 6.0}\n{"step": 2, "loss2": 7.0, "loss1": 8.0}\n'
    found = measurements(content, tmp_path / "metrics.jsonl")
    assert {name: values.tolist() for name, values in found.items()} == {
        "step": [1, 2],
        "loss1": [5.0, 8.0],
        "loss2": [6.0, 7.0],
    }


@pytest.mark.parametrize(
    "line",
    [
        b'{"step": 1, "loss": 0.5, "loss": 0.6}',
        b'5{"step": 1, "loss": 0.5}',
        b'{"step": 1, "loss": }',
        b'{"step": 1, "loss": 1.2.3}',
        b'{"step": 1, "loss": 1,2}',
        b'{"step": 1, "loss": 0.5}3',
        b'{"step": 1, "loss": 0.5} ',
        b'{"step": 1, "loss": true}',
        b'{"step": 1, "loss": null}',
        b'{"step": 1, "loss": "0.5"}',
        b'{"step": 1.5, "loss": 0.5}',
        b'{"step": 1e999, "loss": 0.5}',
        b'{"step": 1, "loss": 1e999}',
        b'{"step": 1, "loss": NaN}',
        b'{"step":1,"loss":0.5}',
        b'{"loss": 0.5, "step": 1}',
        b'{"loss": 0.5}',
        b'{"step": 1}',
        b'{"step": 1, "loss\\u0031": 0.5}',
        b'{"step": 1, "loss": "\x02"}',
        b'{"step": 99999999999999999999, "loss": 0.5}',
        b'{"step": 1, "loss": 01}',
        b"{}",
        b"[1, 0.5]",
        b"",
    ],
)
def test_a_line_that_is_not_as_a_trial_writes_it(line, tmp_path):
    usual_line = b'{"step": 1, "loss": 0.5}\n'
    for content in (line + b"\n", usual_line + line + b"\n" + usual_line, line + b"\n" + usual_line * 2):
        same(content, tmp_path / "metrics.jsonl")


def test_damage_of_any_kind_reads_as_line_by_line(tmp_path):
    """A thousand files with a few bytes changed, taken away, or put in from elsewhere in the file."""
    rng = random.Random(0)
    content = usual(30)
    for _ in range(1000):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            at, other = rng.randrange(len(damaged)), rng.randrange(len(damaged))
            length = rng.choice([1, 1, 1, 2, 5, 20])
            new = rng.choice(
                [bytes(damaged[other : other + length]), rng.choice([b"1", b"e", b",", b"\n", b'"', b"\x01"])]
            )
            damaged[at : at + rng.choice([0, 1, length])] = new
        same(bytes(damaged[: damaged.rfind(b"\n") + 1]), tmp_path / "metrics.jsonl")
