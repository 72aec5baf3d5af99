"""The instrument on real workers, briefly; and what it refuses before any is started."""

import pytest

from tests.instruments.scaling.made_up import found
from underhood.errors import BadInput, MissingPiece
from underhood.hosts import Hosts
from underhood.instruments.scaling import Question, measuring, scaling
from underhood.instruments.scaling.launch import StoppedError
from underhood.instruments.scaling.work import Work

torch = pytest.importorskip("torch")


@pytest.mark.slow
def test_two_workers_are_measured():
    result = scaling(
        "mlp", (1, 1, 8, 8), arguments={"inputs": 64, "hidden": [32]}, batch=4, devices=2, steps=2, rounds=2, warmup=1,
        strong=False,
    )  # fmt: skip
    cell = result.cell(2, 4)
    assert cell.gradient_bytes == 4 * (64 * 32 + 32 + 32 * 10 + 10)
    assert sum(cell.buckets) == cell.gradient_bytes
    assert cell.steps == 4
    assert {*cell.ways} == {"synchronised", "apart"}
    assert all(0 < times.low <= times.median <= times.high for times in cell.ways.values())
    assert cell.ddp.communication > 0
    group = result.group(2)
    assert 0 < group.link.latency < 1
    assert min(group.link.one_way, group.link.ring) > 0
    assert cell.gradient_bytes in [each.bytes for each in group.all_reduce]
    assert [table.name for table in result.tables()] == ["table-1", "table-2", "table-3", "link"]


def test_each_worker_takes_images_that_are_nobody_elses(tmp_path):
    import numpy as np

    pixels = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 4, 4), np.uint8)
    labels = (np.arange(20) % 4).astype(np.uint8)
    path = tmp_path / "set.npz"
    np.savez(path, x_train=pixels, y_train=np.arange(20, dtype=np.uint8), x_test=pixels, y_test=labels)
    task = {"network": "mlp", "arguments": {"inputs": 48}, "shape": [3, 4, 4], "data": str(path), "root": None}
    task |= {"optimizer": "sgd", "device": "cpu", "batch": 2}
    seen = []
    for rank in range(2):
        batches = Work(task, rank, 2).batches
        seen.append({int(label) for _ in range(5) for label in next(batches)[1]})
    assert len(seen[0]) == len(seen[1]) == 10
    assert not seen[0] & seen[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch": [0]}, "--batch 0: at least 1"),
        ({"devices": []}, r"--devices \(none\)"),
        ({"epochs": 3}, "--epochs 3: 2 is the protocol"),
        ({"steps": 0}, "at least 1"),
        ({"device": "tpu"}, 'unknown "tpu"'),
        ({"hosts": ["a", "b"], "via": "ssh"}, "--via"),
        ({"devices": [3], "hosts": ["a", "b"]}, "--devices 3: does not divide over 2 hosts"),
        ({"data": "cifr10"}, "unknown"),
    ],
)
def test_mistakes_are_named_before_anything_starts(given, message):
    with pytest.raises(BadInput, match=message):
        scaling("simple-nn", **{"devices": [2], "strong": False, **given})


def test_without_a_gpu_cuda_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(MissingPiece, match="sees no GPU"):
        scaling("simple-nn", device="cuda")


@pytest.mark.slow
def test_a_worker_s_failure_is_said():
    with pytest.raises(BadInput, match=r"workers failed: .*(mat1|shapes|size)"):
        scaling("mlp", (1, 1, 5, 5), arguments={"inputs": 64}, batch=2, devices=1, strong=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("sys.stderr.write('no more\\n'); sys.stderr.flush(); os.abort()", "one was ended by SIGABRT, after: no more"),
        ("os._exit(3)", "one ended with exit code 3, without a word"),
    ],
)
def test_how_a_worker_ended_is_said_where_it_could_not(tmp_path, end, said):
    """torchrun's report closes with a ruler, which says nothing."""
    (tmp_path / "net.py").write_text(
        "import os, sys, torch\n\ndef build():\n"
        f"    if 'LOCAL_RANK' in os.environ:\n        {end}\n"
        "    return torch.nn.Linear(4, 2)\n"
    )
    with pytest.raises(BadInput, match=f"scaling: 1 workers failed: {said}$"):
        scaling(f"{tmp_path}/net.py:build", (4,), batch=2, devices=[1], strong=False)


def test_a_host_out_of_reach_is_not_waited_for(tmp_path):
    """The first one's workers would wait for it for minutes."""
    via = tmp_path / "via.sh"
    via.write_text('#!/bin/sh\nif [ $1 = right ]; then echo "no route to $1" >&2; exit 255; fi; exec sleep 300\n')
    via.chmod(0o755)
    with pytest.raises(BadInput, match=r"scaling: 2 workers failed: no route to right$"):
        scaling("simple-nn", devices=[2], batch=4, hosts=["left=127.0.0.1", "right"], via=f"{via} {{host}}")


def test_what_reaches_a_host_has_to_be_there():
    with pytest.raises(MissingPiece, match="--via: there is no no-such-program on this machine"):
        scaling("simple-nn", devices=[2], batch=4, hosts=["left", "right"], via="no-such-program {host}")


def test_it_stops_when_asked():
    with pytest.raises(StoppedError):
        scaling("simple-nn", devices=[1], batch=4, steps=100_000, strong=False, stopping=lambda: True)


def test_what_is_known_is_not_measured_again(monkeypatch):
    """A study that was interrupted goes on with the next number of workers."""
    made_up, measured = found(devices=(1, 2, 4)), []

    def workers(asked, count):
        measured.append(count)
        return made_up.group(count)

    monkeypatch.setattr(Question, "workers", workers)
    asked = Question("simple-nn", batch=[32, 128], devices=[1, 2, 4])
    first, *_ = measuring(asked)
    assert [group.devices for group in first.workers] == [1]
    measured.clear()
    *_, whole = measuring(asked, first.workers)
    assert measured == [2, 4]
    assert whole.workers == made_up.workers


def test_how_hosts_are_reached():
    ssh = Hosts.of(["left", "right=10.0.0.2"], None)
    assert ssh.names == (("left", "left"), ("right", "10.0.0.2"))
    assert ssh.line(0, ["python", "-m", "a b"], {"X": "1 2"}) == ["ssh", "left", "env 'X=1 2' python -m 'a b'"]
    braces = Hosts.of(["left"], "on {host} {here}")
    assert braces.line(0, ["python"], {}) == ["on", "left", "{here}", "env", "python"]
    netns = Hosts.of(["uh0=10.77.0.1"], "ip netns exec {host}")
    assert netns.line(0, ["python", "-m", "a b"], {"X": "1"}) == [
        *("ip", "netns", "exec", "uh0", "env", "X=1", "python", "-m", "a b")
    ]  # fmt: skip
