"""A trial on several hosts is the trial on one; what is otherwise there, or out of reach, is named.

Hosts are network namespaces, where the tests may make some. Else both are this machine, by the address that others
know it by, and `env` reaches the second.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import underhood
from tests.instruments.scaling.namespaces import NAMES, VIA, hosts, missing
from tests.training.parallel.test_training import MOMENTUM, kill, measured
from tests.training.parallel.trials import furthest, pictures, run, spec_of
from underhood.data import fingerprint
from underhood.errors import BadInput, MissingPiece
from underhood.hosts import Hosts
from underhood.lab import How, open_run
from underhood.lab.code import code_fingerprint

pytest.importorskip("torch")

HERE = "env HOST={host}"
SAME = 1e-10  # of weights near 0.1 in float64: gradients are summed in another order


@pytest.fixture
def both():
    """Two hosts, both this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: it finds the route
        except OSError:
            pytest.skip("no network leads out of this machine, so that it has no address for others")
        address = probe.getsockname()[0]
    return [f"left={address}", f"right={address}"]


def planned(spec, **more):
    return {"code": code_fingerprint(spec), **more}


@pytest.mark.slow
def test_over_two_hosts_the_weights_are_those_of_one(tmp_path):
    """The command, within one host's namespace; the other one is reached through a link of 1 Gbit/s."""
    if lacks := missing():
        pytest.skip(lacks)
    data = pictures(tmp_path / "pictures.npz", 145)
    words = [sys.executable, "-m", "underhood", "run", "simple-nn", "--scale", "smoke", "--backend", "torch"]
    words += ["--set", f"data.name={data}", "--set", "data.validation=0", "--set", "precision=float64"]
    words += ["--set", "batch_size=16", "--seeds", "1", "--runs", str(tmp_path)]
    folders = {}
    with hosts("1gbit") as names:
        for name, more in {"one": [], "two": ["--devices", "2", "--hosts", ",".join(names), "--via", VIA]}.items():
            within = ["ip", "netns", "exec", NAMES[0], *words, "--name", name, *more]
            done = subprocess.run(within, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            (trial,) = open_run(tmp_path / name).trials
            folders[name] = trial
    assert furthest(*(trial.folder for trial in folders.values())) < SAME
    assert "the first of 2 hosts" in (tmp_path / "two" / "report.html").read_text()
    assert "of 2 hosts" not in (tmp_path / "one" / "report.html").read_text()
    assert f"--hosts {','.join(names)}" in open_run(tmp_path / "two").command


@pytest.mark.slow
def test_it_stops_goes_on_and_bears_the_loss_of_a_worker_over_there(tmp_path, both):
    data = pictures(tmp_path / "pictures.npz", 145)
    spec = spec_of(data, 2, network="simple-nn", optimizer=MOMENTUM, log_every=1, epochs=10)
    undisturbed = run(spec, tmp_path / "undisturbed")
    reached, killed = [0], []

    def hear(event):
        reached[0] = max(reached[0], getattr(event, "step", 0))
        if reached[0] >= 20 and not killed:
            killed.append(kill(1))

    there = planned(spec, hosts=both, via=HERE, checkpoint_every=0.0)
    first = run(spec, tmp_path / "there", hear=hear, stopping=lambda: reached[0] >= 5, **there)
    assert first.status()["state"] == "interrupted"
    assert not killed
    second = run(spec, tmp_path / "there", hear=hear, **there)
    assert killed
    assert "a worker was lost" in second.log_file.read_text()
    assert furthest(second, undisturbed) == 0
    assert measured(second) == measured(undisturbed)


@pytest.mark.slow
def test_other_data_over_there_is_refused(tmp_path, both):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        pictures(tmp_path / name / "pictures.npz", 20 if name == "here" else 21)
    data = str(tmp_path / "pictures.npz")
    (tmp_path / "pictures.npz").symlink_to(tmp_path / "here" / "pictures.npz")
    spec = spec_of(data, 2, network="simple-nn")
    assert spec.data_fingerprint == fingerprint(data)
    swap = _script(tmp_path, f'shift 1; ln -sf "{tmp_path}/there/pictures.npz" "{data}"; exec "$@"')
    with pytest.raises(AssertionError, match=r"pictures\.npz holds other data than the coordinator's"):
        run(spec, tmp_path / "runs", **planned(spec, hosts=both, via=f"{swap} {{host}}", data_set=data))


@pytest.mark.slow
def test_other_code_over_there_is_refused(tmp_path, both):
    package = Path(underhood.__file__).parent
    shutil.copytree(package, tmp_path / "underhood", ignore=shutil.ignore_patterns("__pycache__"))
    loop = tmp_path / "underhood" / "training" / "loop.py"
    loop.write_text(loop.read_text().replace("progress.step += 1", "progress.step += 1 + 0"))
    spec = spec_of(pictures(tmp_path / "pictures.npz", 20), 2, network="simple-nn")
    other = _script(tmp_path, f'shift 3; exec env PYTHONPATH="{tmp_path}" "$@"')  # host, env and our own path
    with pytest.raises(AssertionError, match="the code behind the trial is not the coordinator's"):
        run(spec, tmp_path / "runs", **planned(spec, hosts=both, via=f"{other} {{host}}"))


@pytest.mark.slow
def test_a_host_that_is_lost_ends_the_trial(tmp_path, both):
    """Its connection, that is: the process that reaches it."""
    import psutil

    spec = spec_of(pictures(tmp_path / "pictures.npz", 145), 2, network="simple-nn", log_every=1, epochs=200)
    killed = []

    def hear(event):
        if getattr(event, "step", 0) >= 5 and not killed:
            own = [each for each in psutil.Process().children() if "underhood.lab.process_group_host" in each.cmdline()]
            killed.extend(each.pid for each in own)
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(AssertionError, match="host right: it ended"):
        run(spec, tmp_path, hear=hear, **planned(spec, hosts=both, via=HERE, checkpoint_every=0.0))


def test_a_host_out_of_reach_is_named(tmp_path, both):
    spec = spec_of(pictures(tmp_path / "pictures.npz", 20), 2, network="simple-nn")
    away = _script(tmp_path, 'echo "no route to $1" >&2; exit 255')
    with pytest.raises(AssertionError, match=r"host right: it can't be reached \(no route to right; exit code 255\)"):
        run(spec, tmp_path / "runs", **planned(spec, hosts=both, via=f"{away} {{host}}"))


def test_mistakes_are_named_before_anything_starts(tmp_path, both):
    data = pictures(tmp_path / "pictures.npz", 20)
    alone, three, two = (spec_of(data, devices) for devices in (1, 3, 2))
    for given, specs, message in (
        ({"hosts": both}, [alone], "--hosts: no trial has several workers"),
        ({"hosts": both}, [alone, three], "--devices 3: does not divide over 2 hosts"),
        ({"hosts": (both[0], both[0])}, [two], "left stands there twice"),
        ({"hosts": both, "via": "on '{host}"}, [two], "No closing quotation"),
        ({"hosts": both, "via": "ssh"}, [two], "does not say where the host's name stands"),
        ({"hosts": ("left=203.0.113.7", "right")}, [two], "the first one, left, has to be this machine"),
        ({"hosts": ("localhost", "right")}, [two], "is 127.0.0.1 here"),
        ({"via": HERE}, [two], "--via: says how hosts are reached"),
    ):
        with pytest.raises(BadInput, match=message):
            How(**{"via": HERE, **given} if "hosts" in given else given).check_hosts(specs)
    with pytest.raises(MissingPiece, match="no such-program on this machine"):
        How(hosts=both, via="such-program {host}").check_hosts([two])
    How(hosts=both, via=HERE).check_hosts([alone, two])


def test_each_host_has_as_many_workers():
    nodes = Hosts.of(["a=10.0.0.1", "b", "c"], None).nodes(6)
    assert [(node.number, node.of, node.address) for node in nodes] == [(n, 3, "10.0.0.1") for n in range(3)]
    assert len(Hosts.of(["a", "b"], None).nodes(1)) == 1


def _script(folder, body):
    path = folder / "via.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path
