"""Exports, read back by programs that are not ours where they are there, and by hand where they are not."""

import csv
import io
import json
import math
import struct

import pytest

from underhood.errors import BadInput, MissingPiece
from underhood.lab.exports import export
from underhood.lab.exports.tensorboard import crc32c, masked

LOSSES = [{"step": 1, "loss": 5.0}, {"step": 2, "loss": 0.1, "error": 1e300}, {"step": 300, "loss": float("inf")}]


@pytest.fixture
def run(made_run):
    return made_run(
        [
            ({"name": "a,b/c"}, 0, {"error": 0.1, "why": 'a "word"\nand more', "diverged": False}, LOSSES),
            ({"name": "d"}, 0, {"error": float("nan")}, []),
            ({"name": "d"}, 1, None, [{"step": 1, "loss": -2.5}]),
        ]
    )


def text(run, kind, of):
    out = io.StringIO()
    export(run, kind, of, out)
    return out.getvalue()


def test_csv_of_trials(run):
    rows = list(csv.DictReader(io.StringIO(text(run, "csv", "trials"))))
    assert [row["label"] for row in rows] == ["a,b/c", "d", "d"]
    assert [row["error"] for row in rows] == ["0.1", "", ""]
    assert [row["state"] for row in rows] == ["finished", "finished", "failed"]
    assert rows[0]["why"] == 'a "word"\nand more'
    assert rows[2]["reason"] == "it broke"


def test_csv_of_metrics_gives_every_digit_back(run):
    rows = list(csv.DictReader(io.StringIO(text(run, "csv", "metrics"))))
    assert [(int(row["step"]), float(row["loss"]), row["error"]) for row in rows] == [
        (1, 5.0, ""), (2, 0.1, "1e+300"), (300, math.inf, ""), (1, -2.5, ""),
    ]  # fmt: skip


def test_json_lines(run):
    rows = [json.loads(line) for line in text(run, "jsonl", "metrics").splitlines()]
    assert rows[1] == {
        "trial": run.trials[0].id, "label": "a,b/c", "seed": 0, "name": "a,b/c", "step": 2, "loss": 0.1, "error": 1e300
    }  # fmt: skip
    assert rows[2]["loss"] == "Infinity"
    assert "error" not in rows[0]
    trials = [json.loads(line) for line in text(run, "jsonl", "trials").splitlines()]
    assert [trial.get("diverged") for trial in trials] == ["false", None, None]


def test_many_rows_are_written_in_parts(made_run):
    run = made_run([({"lr": 1}, 0, {}, [{"step": i, "loss": i / 7} for i in range(25_000)])])
    rows = list(csv.DictReader(io.StringIO(text(run, "csv", "metrics"))))
    assert [float(row["loss"]) for row in rows] == [i / 7 for i in range(25_000)]


@pytest.mark.parametrize("of", ["trials", "metrics"])
def test_parquet(run, tmp_path, of):
    parquet = pytest.importorskip("pyarrow.parquet")
    export(run, "parquet", of, tmp_path / "deep" / "run.parquet")
    table = parquet.read_table(tmp_path / "deep" / "run.parquet")
    columns = run.results.frame(of, "arrays")
    assert table.column_names == list(columns)
    theirs = table["error"].to_pylist()
    assert [x if x is not None else math.nan for x in theirs] == pytest.approx(columns["error"].tolist(), nan_ok=True)
    assert table["label"].to_pylist() == columns["label"].tolist()


def test_without_pyarrow_the_line_to_type_is_said(run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingPiece, match="pip install pyarrow"):
        export(run, "parquet", "trials", tmp_path / "x")


def test_what_there_is_not_is_named(run, tmp_path):
    with pytest.raises(BadInput, match=r'unknown "parket"; did you mean "parquet"\?'):
        export(run, "parket", "trials", tmp_path / "x")
    with pytest.raises(BadInput, match="parquet is no text"):
        export(run, "parquet", "trials", io.StringIO())


# ---- TensorBoard


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ],
)
def test_the_checksum_is_that_of_the_standard(data, crc):
    assert crc32c(data) == crc


def records(path):
    """The events of a file, every checksum tried."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked(data[:8])
        found.append(data[12 : 12 + length])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked(found[-1])
        data = data[16 + length :]
    return found


def test_events_have_a_folder_a_trial(run, tmp_path):
    export(run, "tensorboard", "metrics", tmp_path / "events")
    files = sorted(path.relative_to(tmp_path / "events").as_posix() for path in (tmp_path / "events").rglob("*.*s.*"))
    assert files == [
        "a,b_c/seed-0/events.out.tfevents.1795255200.underhood",
        "d/seed-0/events.out.tfevents.1795255200.underhood",
        "d/seed-1/events.out.tfevents.1795255200.underhood",
    ]
    first = records(tmp_path / "events" / files[0])
    assert first[0][9:] == b"\x1a\x0dbrain.Event:2"
    # step 2; a summary of 27 bytes: two values of 11 and 12, their tags, then float32's 0.1 and infinity
    assert first[2][9:].hex(" ") == (
        "10 02 2a 1b 0a 0b 0a 04 6c 6f 73 73 15 cd cc cc 3d 0a 0c 0a 05 65 72 72 6f 72 15 00 00 80 7f"
    )


def test_events_are_read_by_tensorboard(run, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    export(run, "tensorboard", "metrics", tmp_path / "events")
    found = accumulator.EventAccumulator(str(tmp_path / "events" / "a,b_c" / "seed-0")).Reload()
    assert sorted(found.Tags()["scalars"]) == ["error", "loss", "result/error"]
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [
        (1, 5.0), (2, pytest.approx(0.1)), (300, math.inf),
    ]  # fmt: skip
    assert found.Scalars("loss")[0].wall_time == 1795255200.0
    assert [(event.step, event.value) for event in found.Scalars("result/error")] == [(300, pytest.approx(0.1))]


def test_names_that_folders_cannot_have_stay_apart(made_run, tmp_path):
    run = made_run([({"name": name}, 0, {"error": 1.0}, []) for name in ("../x", "..", "..?x", "A", "a", "b", "B")])
    export(run, "tensorboard", "metrics", tmp_path / "events")
    assert len(list(tmp_path.rglob("events.out.*"))) == 7
    assert len(list((tmp_path / "events").rglob("events.out.*"))) == 7
    folders = [folder.name for folder in (tmp_path / "events").iterdir()]
    assert len({name.casefold() for name in folders}) == 7  # also where a disk does not tell A from a


@pytest.mark.parametrize("kind", ["csv", "jsonl", "tensorboard"])
def test_folders_that_are_not_there_are_made(made_run, tmp_path, kind):
    run = made_run([({"lr": 1}, 0, {"error": 1.0}, [])])
    for _ in range(2):  # and are taken as they are
        export(run, kind, "trials", tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").exists()
