"""Training on two workers is training on one with the same batches; it survives a worker's death and another number."""

import os
import signal

import pytest

from tests.training.parallel.trials import furthest, pictures, run, spec_of
from underhood.lab.resuming import before
from underhood.trained.network import Trained
from underhood.training.loop import CLOCKED
from underhood.training.network_file import NetworkFile

pytest.importorskip("torch")

SAME = 1e-10  # of weights near 0.1, in float64 after twenty steps: gradients are summed in another order
MOMENTUM = {"name": "sgd", "lr": 0.05, "momentum": 0.9}


@pytest.mark.slow
def test_two_workers_train_simple_nn_as_one_does(tmp_path):
    """145 images in batches of 16 leave one for the last, so that the second worker has none there."""
    data = pictures(tmp_path / "pictures.npz", 145)
    more = {"network": "simple-nn", "optimizer": MOMENTUM}
    one, two = (run(spec_of(data, devices, **more), tmp_path) for devices in (1, 2))
    assert furthest(one, two) < SAME
    of_one, of_two = one.result()["values"], two.result()["values"]
    assert of_two["steps"] == 20
    assert of_two["train_loss"] == pytest.approx(of_one["train_loss"], rel=1e-10)
    assert of_two["test_loss"] == pytest.approx(of_one["test_loss"], rel=1e-10)
    assert of_two["test_error"] == of_one["test_error"]
    of_file = Trained(NetworkFile.read(two.artefacts / "model.safetensors"))  # by one process alone
    assert of_file.settings["devices"] == 2
    assert [line["step"] for line in two.metrics()] == [line["step"] for line in one.metrics()]


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_two_workers_train_a_narrow_resnet_as_one_does(tmp_path, accumulate):
    """BatchNorm is over the batch of both; the last batch of 13 is cut unevenly."""
    data = pictures(tmp_path / "pictures.npz", 157)
    network = {"name": "resnet18-cifar", "width": 4}
    more = {"network": network, "optimizer": MOMENTUM, "accumulate": accumulate, "clip": {"norm": 1.0}}
    one, two = (run(spec_of(data, devices, **more), tmp_path) for devices in (1, 2))
    assert furthest(one, two) < 1e-8  # twenty BatchNorms deep, each divides by a deviation
    assert two.result()["values"]["test_loss"] == pytest.approx(one.result()["values"]["test_loss"], rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16-autocast", "bfloat16"])
def test_two_workers_train_in_bfloat16_too(tmp_path, precision):
    """Eight binary digits: no more than near what one worker does."""
    data = pictures(tmp_path / "pictures.npz", 145)
    network = {"name": "simple-nn", "batch_norm": True}
    one, two = (run(spec_of(data, k, network=network, precision=precision), tmp_path) for k in (1, 2))
    losses = [folder.result()["values"]["train_loss"] for folder in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.slow
def test_local_batch_norm_is_another_training(tmp_path):
    """The tolerance above tells the two apart."""
    data = pictures(tmp_path / "pictures.npz", 157)
    more = {"network": {"name": "resnet18-cifar", "width": 4}, "optimizer": MOMENTUM}
    one = run(spec_of(data, 1, **more), tmp_path)
    two = run(spec_of(data, 2, parallel={"batch_norm": "local"}, **more), tmp_path)
    assert furthest(one, two) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_worker_costs_no_more_than_the_steps_since_the_checkpoint(tmp_path, rank):
    data = pictures(tmp_path / "pictures.npz", 145)
    spec = spec_of(data, 2, network="simple-nn", optimizer=MOMENTUM, log_every=1, epochs=10)
    undisturbed = run(spec, tmp_path / "undisturbed")
    killed = []

    def hear(event):
        if getattr(event, "step", 0) >= 5 and not killed:
            killed.append(kill(rank))

    disturbed = run(spec, tmp_path / "disturbed", hear=hear, checkpoint_every=0.0)
    assert killed
    assert "a worker was lost" in disturbed.log_file.read_text()
    assert furthest(disturbed, undisturbed) == 0
    assert measured(disturbed) == measured(undisturbed)


def measured(folder):
    """All metrics but those of the clock."""
    return [{name: line[name] for name in line if name not in CLOCKED} for line in folder.metrics()]


def kill(rank: int) -> int:
    """End a worker as the system would for want of memory."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        if "underhood.lab.process_group_child" in process.cmdline() and process.environ().get("RANK") == str(rank):
            os.kill(process.pid, signal.SIGKILL)
            return process.pid
    raise AssertionError(f"there is no worker {rank}")


@pytest.mark.slow
def test_two_then_one_then_two_workers_train_as_one_does(tmp_path):
    data = pictures(tmp_path / "pictures.npz", 145)
    more = {"network": "simple-nn", "optimizer": MOMENTUM, "log_every": 1, "epochs": 10}
    whole = run(spec_of(data, 1, **more), tmp_path)
    stages = [(2, []), (1, [2]), (2, [2, 1])]
    for number, (devices, resumed) in enumerate(stages, 1):
        spec = spec_of(data, devices, parallel={"resumed": resumed}, **more)
        reached = [0]

        def hear(event, reached=reached):
            reached[0] = max(reached[0], getattr(event, "step", 0))

        until = 20 * number if number < len(stages) else 10**9
        last = run(spec, tmp_path, stopping=lambda reached=reached, until=until: reached[0] >= until, hear=hear)
    assert furthest(last, whole) < SAME
    assert [line["step"] for line in last.metrics()] == [line["step"] for line in whole.metrics()]
    assert "on 1 device" in last.log_file.read_text()


def test_what_a_trial_goes_on_from(tmp_path):
    data = pictures(tmp_path / "pictures.npz", 40)
    third = spec_of(data, 2, network="simple-nn", parallel={"resumed": [2, 1]})
    second = before(third)
    assert second.settings.devices == 1
    first = before(second)
    assert first.id == spec_of(data, 2, network="simple-nn").id
    assert before(first) is None
    lonely = spec_of(data, 1, network="simple-nn", parallel={"resumed": [2]})
    with pytest.raises(AssertionError, match=f"no checkpoint of the same trial on 2 devices .trial {first.id}"):
        run(lonely, tmp_path)
