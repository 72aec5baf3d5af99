"""The metrics' file: every line, once, in order, seen while the trial is silent; an error is the trial's."""

import json
import time

import pytest

from underhood.lab.metrics_file import MetricsFile


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_was_appended_is_seen_while_nothing_more_comes(tmp_path):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    for step in range(3):
        file.append({"step": step})
    deadline = time.monotonic() + 10
    while len(lines(tmp_path / "metrics.jsonl")) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    file.close()


def test_no_line_is_lost_or_written_twice_however_they_come(tmp_path):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    for step in range(30_000):
        file.append({"step": step, "loss": 1 / (step + 1)})
        if step % 7_000 == 0:
            file.flush(sync=True)
            assert lines(tmp_path / "metrics.jsonl")[-1]["step"] == step
    file.close()
    assert lines(tmp_path / "metrics.jsonl") == [{"step": step, "loss": 1 / (step + 1)} for step in range(30_000)]


def test_it_goes_on_where_a_file_ends(tmp_path):
    for step in range(2):
        file = MetricsFile(tmp_path / "metrics.jsonl")
        file.append({"step": step})
        file.close()
    assert lines(tmp_path / "metrics.jsonl") == [{"step": 0}, {"step": 1}]


def test_an_error_of_the_thread_is_raised_by_the_next_call(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    file = MetricsFile(tmp_path / "full")
    file.append({"step": 0})
    file.thread.join(10)
    with pytest.raises(OSError, match="No space left"):
        file.append({"step": 1})
    with pytest.raises(OSError, match="No space left"):
        file.flush()
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert file.file.closed
