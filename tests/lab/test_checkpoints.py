"""Checkpoints: what was saved comes back, and what is damaged is never gone on from."""

import errno
import json
import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file

from underhood.errors import BadInput
from underhood.lab import checkpoints
from underhood.lab.checkpoints import DamagedError, NoRoomError, latest, read, save
from underhood.trials import Checkpoint

POINT = Checkpoint(
    {"w": np.arange(4.0).reshape(2, 2), "b": np.arange(2.0)},
    {"step": 3, "rng": {"state": [2**63, 1]}, "nan": float("nan")},
)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(lambda name: name != "__metadata__"),
        hnp.arrays(
            st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
        ),
        max_size=4,
    )
)
def test_arrays_come_back_bit_for_bit(tmp_path_factory, tensors):
    path = save(tmp_path_factory.mktemp("trial"), Checkpoint(tensors, {}), 0)
    back = read(path).checkpoint.tensors
    assert back.keys() == tensors.keys()
    for name, array in tensors.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()


def test_arrays_that_do_not_lie_in_rows_come_back_too(tmp_path):
    array = np.arange(24.0).reshape(2, 3, 4)
    views = {"transposed": array.T, "strided": array[:, ::2, ::-1], "fortran": np.asfortranarray(array)}
    back = read(save(tmp_path, Checkpoint(views, {}), 0)).checkpoint.tensors
    for name, view in views.items():
        np.testing.assert_array_equal(back[name], view)


def test_the_state_comes_back(tmp_path):
    saved = read(save(tmp_path, POINT, 77))
    assert saved.metrics_bytes == 77
    assert saved.number == 1
    assert saved.checkpoint.state["step"] == 3
    assert saved.checkpoint.state["rng"] == {"state": [2**63, 1]}
    assert np.isnan(saved.checkpoint.state["nan"])


def test_the_last_two_are_kept(tmp_path):
    for number in range(1, 5):
        save(tmp_path, POINT, number)
    assert [path.name for path in checkpoints.checkpoint_files(tmp_path)] == [
        "checkpoint-00000003.safetensors",
        "checkpoint-00000004.safetensors",
    ]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def change_the_state(path):
    content = path.read_bytes()
    path.write_bytes(re.sub(rb'(step.": )\d', rb"\g<1>9", content, count=1))
    assert path.read_bytes() != content


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-5])


def empty(path):
    path.write_bytes(b"")


def other_header(path):
    save_file({"w": np.zeros(1)}, path)


def odd_header(path):
    save_file({"w": np.zeros(1)}, path, metadata={"underhood": "{}"})


DAMAGES = [flip_a_bit, change_the_state, cut_short, empty, other_header, odd_header]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_seen(tmp_path, damage):
    path = save(tmp_path, POINT, 0)
    damage(path)
    with pytest.raises(DamagedError):
        read(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(tmp_path, damage):
    save(tmp_path, Checkpoint({"w": np.ones(2)}, {"step": 1}), 10)
    damage(save(tmp_path, Checkpoint({"w": np.ones(2)}, {"step": 2}), 20))
    saved, notes = latest(tmp_path, 25)
    assert saved.checkpoint.state == {"step": 1}
    assert len(notes) == 1
    assert notes[0].startswith("checkpoint-00000002.safetensors is damaged: ")
    assert save(tmp_path, POINT, 30).name == "checkpoint-00000002.safetensors"


@given(st.data())
def test_no_flipped_bit_is_gone_on_from_unnoticed(tmp_path_factory, data):
    path = save(tmp_path_factory.mktemp("trial"), POINT, 5)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        saved = read(path)
    except (DamagedError, BadInput):
        return
    assert saved.metrics_bytes == 5  # the bit was one that says nothing, in the header's padding
    assert saved.checkpoint.state["step"] == 3
    np.testing.assert_array_equal(saved.checkpoint.tensors["w"], POINT.tensors["w"])


def test_without_a_whole_one_it_begins_anew(tmp_path):
    assert latest(tmp_path, 0) == (None, [])
    flip_a_bit(save(tmp_path, POINT, 0))
    saved, notes = latest(tmp_path, 0)
    assert saved is None
    assert len(notes) == 1
    assert checkpoints.checkpoint_files(tmp_path) == []


def test_one_that_is_ahead_of_the_metrics_is_not_gone_on_from(tmp_path):
    save(tmp_path, POINT, 10)
    save(tmp_path, POINT, 20)
    saved, notes = latest(tmp_path, 19)
    assert saved.number == 1
    assert "metrics.jsonl lost lines since (19 of 20 bytes)" in notes[0]


def test_a_newer_schema_is_refused(tmp_path):
    header = {"schema": "underhood.store/2", "state": {}, "metrics_bytes": 0, "digest": ""}
    save_file({"w": np.zeros(1)}, tmp_path / "checkpoint-00000001.safetensors", {"underhood": json.dumps(header)})
    with pytest.raises(BadInput, match="newer underhood"):
        latest(tmp_path, 0)


# ---- no room


def full(monkeypatch, free):
    usage = type(checkpoints.shutil.disk_usage("."))
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda path: usage(10**12, 10**12 - free, free))


def test_without_room_nothing_is_written_and_what_was_saved_stays(tmp_path, monkeypatch):
    save(tmp_path, POINT, 1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    full(monkeypatch, 48 + checkpoints.SPARE - 1)  # POINT has six numbers of eight bytes
    with pytest.raises(NoRoomError, match=r"17 MB free; a checkpoint takes 0\.0 MB, and 17 MB stay free"):
        save(tmp_path, POINT, 2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    full(monkeypatch, 48 + checkpoints.SPARE)
    assert save(tmp_path, POINT, 2).name == "checkpoint-00000002.safetensors"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_while_it_is_written_is_no_room_either(tmp_path, monkeypatch, number):
    save(tmp_path, POINT, 1)

    def write(handle):
        raise OSError(number, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", write)
        with pytest.raises(NoRoomError, match="No space left"):
            save(tmp_path, POINT, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001.safetensors"]
    assert latest(tmp_path, 9)[0].metrics_bytes == 1
