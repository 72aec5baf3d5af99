"""Weights on disk: both kinds of file, both libraries, and damaged ones."""

import numpy as np
import pytest
import safetensors.torch
import torch

import underhood
from underhood.errors import BadInput

ENDINGS = [".npz", ".safetensors"]


def network(lib):
    return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4))


@pytest.mark.parametrize("ending", ENDINGS)
def test_there_and_back(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    net, again = network(underhood), network(underhood)
    underhood.save(net.state_dict(), path)
    again.load_state_dict(underhood.load(path))
    for key, value in net.state_dict().items():
        assert underhood.equal(value, again.state_dict()[key])
        assert underhood.load(path)[key].dtype == value.dtype
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_from_torch(tmp_path, ending):
    theirs, ours = network(torch), network(underhood)
    underhood.save(theirs.state_dict(), str(tmp_path / f"model{ending}"))
    ours.load_state_dict(underhood.load(tmp_path / f"model{ending}"))
    np.testing.assert_array_equal(ours[0].weight.detach().numpy(), theirs[0].weight.detach().numpy())


def test_to_torch(tmp_path):
    theirs, ours = network(torch), network(underhood)
    underhood.save(ours.state_dict(), tmp_path / "model.safetensors")
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(ours[0].weight.detach().numpy(), theirs[0].weight.detach().numpy())


@pytest.mark.parametrize("ending", ENDINGS)
def test_numbers_that_do_not_lie_in_order(tmp_path, ending):
    x = np.arange(12.0).reshape(3, 4).T
    underhood.save({"x": x, "y": underhood.from_numpy(x)[::2], "z": np.float64(3)}, tmp_path / f"x{ending}")
    found = underhood.load(tmp_path / f"x{ending}")
    np.testing.assert_array_equal(found["x"], x)
    np.testing.assert_array_equal(found["y"], x[::2])
    assert found["z"].shape == ()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_damaged_file_is_named(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"not weights")
    with pytest.raises(BadInput, match=f"model{ending}.*damaged"):
        underhood.load(path)
    underhood.save({"x": np.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(BadInput, match=f"model{ending}.*damaged"):
        underhood.load(path)


def test_pickles_are_not_read(tmp_path):
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object))
    with pytest.raises(BadInput, match=r"no \.npz file of arrays"):
        underhood.load(tmp_path / "objects.npz")


def test_other_endings_and_missing_files(tmp_path):
    with pytest.raises(BadInput, match=r"\.safetensors or \.npz"):
        underhood.save({}, tmp_path / "model.pt")
    with pytest.raises(BadInput, match="no such file"):
        underhood.load(tmp_path / "model.npz")


def test_an_earlier_file_survives_a_failure(tmp_path):
    path = tmp_path / "model.safetensors"
    underhood.save({"x": np.ones(3)}, path)
    with pytest.raises(Exception, match="complex"):
        underhood.save({"x": np.ones(3, complex)}, path)
    np.testing.assert_array_equal(underhood.load(path)["x"], np.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
