"""A trial on a machine that did not plan it: other code and other data are told apart."""

import os

import numpy as np
import pytest

from underhood import data
from underhood.errors import BadInput
from underhood.lab import arrival
from underhood.lab.code import code_fingerprint
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import Task
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings


@pytest.fixture
def two(tmp_path):
    """A spec of a data set that two machines have, and the folders of their data."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (20, 1, 8, 8)).astype(np.uint8), np.arange(20) % 2
    for name in ("there", "here"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "mine.npz", images=images, labels=labels)
    settings = TrainingSettings(data={"name": "mine.npz"}, network={"name": "mlp", "hidden": [8]})
    spec = TrialSpec.of(train, settings, 0, data.fingerprint("mine.npz", tmp_path / "there"))
    return spec, tmp_path / "here"


def test_the_same_code_and_data_under_another_root_are_the_same(two):
    spec, here = two
    arrival.check(spec, code_fingerprint(spec), "mine.npz", here)
    arrival.check(spec, code_fingerprint(spec), None, here)


def test_other_code_is_said(two):
    spec, here = two
    with pytest.raises(BadInput, match=f"{os.uname().nodename}: the code behind the trial .* install the same version"):
        arrival.check(spec, "c0de", "mine.npz", here)


def test_other_data_are_said(two):
    spec, here = two
    with np.load(here / "mine.npz") as kept:
        images, labels = kept["images"], kept["labels"]
    images[0, 0, 0, 0] ^= 1
    np.savez(here / "mine.npz", images=images, labels=labels)
    with pytest.raises(BadInput, match=r"mine.npz holds other data than the coordinator's \(fingerprint"):
        arrival.check(spec, code_fingerprint(spec), "mine.npz", here)
    (here / "mine.npz").unlink()
    with pytest.raises(BadInput, match=f"{os.uname().nodename}: data: there is no mine.npz"):
        arrival.check(spec, code_fingerprint(spec), "mine.npz", here)


def test_the_package_does_not_come_along(two):
    assert arrival.files_with(two[0]) == {}


def test_files_stand_below_their_root_at_their_own_path(tmp_path):
    arrival.put_files({"/home/ada/nets.py": b"x"}, tmp_path)
    assert (tmp_path / "home" / "ada" / "nets.py").read_bytes() == b"x"


@pytest.mark.parametrize("there", [True, False])
def test_data_are_looked_for_where_the_coordinator_has_them_or_in_this_machine_s_own(two, tmp_path, monkeypatch, there):
    spec, here = two
    monkeypatch.chdir(tmp_path)
    folder = here if there else tmp_path / "of-another-machine"
    task = Task(spec.to_json(), tmp_path / "trial", code_fingerprint(spec), data=folder)
    assert arrival.settled(task, {}, {}, str(tmp_path), tmp_path / "home").data == (here if there else None)
