"""A study on a Ray cluster for real: two nodes with roots of their own, one of them lost half-way."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import underhood
from tests.lab.test_coordinator import content
from underhood.lab import How, open_run, run_study
from underhood.studies.quickstart import ENTRY as QUICKSTART

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.filterwarnings("ignore")]

TINY = Path(__file__).parents[1] / "tiny_study.py"
PACKAGE = Path(underhood.__file__).parent


def root_of(folder, name):
    """A machine's own root: the package, data, caches and room of its own; the environment that leads there."""
    root = folder / name
    for part in ("data", "cache", "tmp"):
        (root / part).mkdir(parents=True)
    shutil.copytree(PACKAGE, root / "src" / "underhood", ignore=shutil.ignore_patterns("__pycache__"))
    return {
        "PYTHONPATH": str(root / "src"),
        "TMPDIR": str(root / "tmp"),
        "UNDERHOOD_DATA": str(root / "data"),
        "UNDERHOOD_CACHE": str(root / "cache"),
    }


@pytest.fixture
def cluster(tmp_path):
    """cluster(name, …) -> its address and its nodes by name, each of two cores under a root of its own."""
    ray_utils = pytest.importorskip("ray.cluster_utils")
    made = []

    def make(*names, **environment):
        head = {"num_cpus": 0, "include_dashboard": False}
        made.append(ray_utils.Cluster(initialize_head=True, head_node_args=head))
        nodes = {
            name: made[0].add_node(num_cpus=2, env_vars=root_of(tmp_path / "roots", name) | environment)
            for name in names
        }
        return made[0], nodes

    yield make
    for each in made:
        each.shutdown()


def start(runs, name, *words, **environment):
    return subprocess.Popen(
        [sys.executable, str(TINY), str(runs), name, *words],
        env=os.environ | {"TINY_ON": "ray", "TINY_PARALLEL": "4"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=runs,
        process_group=0,
    )


def steps(path):
    return sorted(file.read_bytes().count(b"\n") for file in path.glob("trials/*/metrics.jsonl"))


def wait_for(path, trials, lines, program):
    deadline = time.monotonic() + 300
    while sum(count >= lines for count in steps(path)) < trials:
        assert time.monotonic() < deadline, steps(path)
        assert program.poll() is None, program.communicate()[0]
        time.sleep(0.05)


def test_the_same_numbers_alone_among_four_and_on_two_nodes_of_which_one_is_lost(run_tiny, cluster, tmp_path):
    for workers in (1, 4):
        run_tiny("steps=60", name=f"local-{workers}", parallel=workers)
    go_on = tmp_path / "go-on"  # however busy the machine is, none ends before the node is lost
    made, nodes = cluster("a", "b", TINY_PAUSE="0.1", TINY_HOLD="20", TINY_UNTIL=str(go_on))
    program = start(tmp_path, "ray", "steps=60", RAY_ADDRESS=made.address)
    wait_for(tmp_path / "ray", 4, 20, program)  # two on each
    made.remove_node(nodes["b"], allow_graceful=False)
    go_on.touch()
    said, _ = program.communicate(timeout=500)
    assert program.returncode == 0, said
    note = "its node was lost; it goes on elsewhere from its last checkpoint"
    lost = [line for line in said.splitlines() if note in line]
    assert len(set(lost)) == 2, said  # a busy cluster may place one on the lost node again, and says so again
    again = [line for line in said.splitlines() if line.startswith("TrialStarted") and "step=0" not in line]
    assert len(again) == 2  # neither began anew
    assert content(tmp_path / "ray") == content(tmp_path / "local-1") == content(tmp_path / "local-4")


def test_a_node_with_other_code_is_named(cluster, tmp_path):
    made, _ = cluster("other")
    page = tmp_path / "roots" / "other" / "src" / "underhood" / "trials.py"
    page.write_text(page.read_text() + "\nOTHER = 1\n")
    program = start(tmp_path, "ray", "steps=2", RAY_ADDRESS=made.address)
    said, _ = program.communicate(timeout=500)
    assert program.returncode == 2, said
    assert f"{os.uname().nodename}: the code behind the trial is not the coordinator's" in said


NETS = """
from parts import WIDTH

def Small(nn, inputs, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes))
"""
HIDES = """
import sys
from pathlib import Path
from underhood.lab import How, run_study
from underhood.lab.executors import executor_of
from underhood.lab.run_events import RunStarted
from underhood.studies.quickstart import ENTRY

def hear(event):
    print(event)
    if isinstance(event, RunStarted):  # the nodes have another disk
        Path(sys.argv[2]).parent.rename(Path(sys.argv[2]).parent.with_name("hidden"))

if __name__ == "__main__":
    sets = [f"network={sys.argv[2]}:Small", "epochs=2", "data.train=64", "data.test=32"]
    how = How(runs=Path(sys.argv[1]), name="ray", listener=hear, parallel=4, executor=executor_of("ray"))
    sys.exit(run_study(ENTRY, "smoke", sets, how=how).exit_code)
"""


def test_a_network_in_a_file_is_trained_on_two_nodes_that_do_not_have_it(cluster, tmp_path):
    for name, text in (("nets/nets.py", NETS), ("nets/parts.py", "WIDTH = 4\n"), ("hides.py", HIDES)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    nets = tmp_path / "nets" / "nets.py"
    sets = [f"network={nets}:Small", "epochs=2", "data.train=64", "data.test=32"]
    here = run_study(QUICKSTART, "smoke", sets, how=How(runs=tmp_path, name="here", parallel=2))
    made, _ = cluster("a", "b")
    words = [sys.executable, str(tmp_path / "hides.py"), str(tmp_path), str(nets)]
    environment = os.environ | {"RAY_ADDRESS": made.address}
    program = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=500)
    assert program.returncode == 0, program.stdout + program.stderr
    assert not nets.exists()
    there = open_run(tmp_path / "ray")
    assert [trial.id for trial in there.trials] == [trial.id for trial in here.trials]
    for one, other in zip(here.trials, there.trials, strict=True):
        assert one.artefact("model.safetensors").read_bytes() == other.artefact("model.safetensors").read_bytes()


def test_a_cluster_is_started_here_when_none_is_given_and_stops_with_its_run(run_tiny, tmp_path):
    run_tiny("steps=40", name="whole")
    program = start(tmp_path, "ray", "steps=40", TINY_PAUSE="0.1", TINY_HOLD="20", TINY_PARALLEL="2")
    wait_for(tmp_path / "ray", 2, 20, program)
    program.terminate()
    said, _ = program.communicate(timeout=500)
    assert program.returncode == 143, said
    assert "0 of 4 trials finished; stopped" in said
    assert len(list((tmp_path / "ray").glob("trials/*/checkpoint-*"))) >= 2
    program = start(tmp_path, "ray", "steps=40", TINY_PARALLEL="2")
    said, _ = program.communicate(timeout=500)
    assert program.returncode == 0, said
    assert content(tmp_path / "ray") == content(tmp_path / "whole")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999", "no.such.host.invalid:1"])
def test_no_cluster_at_the_address_is_one_line(tmp_path, address):
    with start(tmp_path, "ray", "steps=2", RAY_ADDRESS=address) as program:
        try:
            said, _ = program.communicate(timeout=500)
        finally:
            program.kill()
    assert program.returncode != 0
    assert f'RAY_ADDRESS "{address}" can\'t be reached' in said
