"""Weights on disk: both kinds of file, both libraries, and damaged ones."""

import collections
import io

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


def test_missing_files(tmp_path):
    for name in ("model.npz", "model.pt"):
        with pytest.raises(BadInput, match="no such file"):
            underhood.load(tmp_path / name)


def test_an_earlier_file_survives_a_failure(tmp_path):
    path = tmp_path / "model.safetensors"
    underhood.save({"x": np.ones(3)}, path)
    with pytest.raises(Exception, match="complex"):
        underhood.save({"x": np.ones(3, complex)}, path)
    np.testing.assert_array_equal(underhood.load(path)["x"], np.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def training(lib):
    """A network, an optimiser and a schedule after a step."""
    torch.manual_seed(0)
    net = network(lib)
    optimizer = lib.optim.Adam([{"params": net[0].parameters(), "lr": 0.1}, {"params": net[1].parameters()}], lr=0.01)
    schedule = lib.optim.lr_scheduler.MultiStepLR(optimizer, [2, 2, 5])
    (net(lib.ones(4, 3)) ** 3).sum().backward()
    optimizer.step()
    schedule.step()
    return net, optimizer, schedule


@pytest.mark.parametrize("as_file", [False, True])
def test_a_whole_checkpoint_there_and_back(tmp_path, as_file):
    net, optimizer, schedule = training(underhood)
    checkpoint = {
        "epoch": 3,
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "history": [{"loss": 0.5, "best": None}, {"loss": float("inf"), "best": True}],
        "name": "größer",
        7: (1, 2.5, [underhood.arange(3)]),
    }
    place = io.BytesIO() if as_file else tmp_path / "checkpoint.pt"
    underhood.save(checkpoint, place)
    if as_file:
        place.seek(0)
    found = underhood.load(place, map_location="cpu", weights_only=True)
    assert list(found) == list(checkpoint)
    assert (found["epoch"], found["name"], found["history"]) == (3, "größer", checkpoint["history"])
    assert type(found["model"]) is collections.OrderedDict
    assert type(found[7]) is tuple
    again, optimizer_again, schedule_again = training(underhood)
    with underhood.no_grad():
        again[0].weight.zero_()
    again.load_state_dict(found["model"])
    optimizer_again.load_state_dict(found["optimizer"])
    schedule_again.load_state_dict(found["schedule"])
    for model, o, s in ((net, optimizer, schedule), (again, optimizer_again, schedule_again)):
        o.zero_grad()
        (model(underhood.ones(2, 3)) ** 2).sum().backward()
        o.step()
        s.step()
    assert schedule_again.get_last_lr() == schedule.get_last_lr()
    for p, q in zip(net.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_everything_that_is_saved_comes_back_as_it_was(tmp_path):
    x = underhood.ones(2, requires_grad=True)
    parameter = underhood.nn.Parameter(underhood.zeros(2), requires_grad=False)
    obj = {
        "twice": [x, x],
        "parameter": parameter,
        "array": np.arange(3, dtype=np.int16),
        "scalar": np.float32(0.1),
        "nan": [float("nan"), float("-inf")],
        "bytes": b"\x00\xff",
        "size": x.shape,
        "set": {1, 2},
        "dtype": underhood.float64,
        "device": underhood.device("cuda:1"),
        "counter": collections.Counter("aab"),
        "empty": [{}, [], ()],
        "big": 2**70,
        (1, "a"): None,
    }
    underhood.save(obj, tmp_path / "x.ckpt")
    found = underhood.load(tmp_path / "x.ckpt")
    assert found["twice"][0] is found["twice"][1]
    assert found["twice"][0].requires_grad
    assert isinstance(found["parameter"], underhood.nn.Parameter)
    assert not found["parameter"].requires_grad
    assert np.isnan(found["nan"][0])
    assert type(found["scalar"]) is np.float32
    for key in ("array",):
        np.testing.assert_array_equal(found[key], obj[key])
    for key in ("scalar", "bytes", "size", "set", "dtype", "device", "counter", "empty", "big", (1, "a")):
        assert found[key] == obj[key]
        assert type(found[key]) is type(obj[key])
    underhood.save(x, tmp_path / "tensor.pt")
    assert underhood.equal(underhood.load(tmp_path / "tensor.pt"), x)
    underhood.save({"theirs": torch.ones(2)}, tmp_path / "theirs.pt")
    assert underhood.load(tmp_path / "theirs.pt")["theirs"].tolist() == [1.0, 1.0]


class Own(dict):
    pass


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (lambda x: x, r"\['a'\]\[1\] is a function"),
        (underhood.nn.Linear(1, 1), r"is a Linear.*state_dict"),
        (Own(), "is a Own"),
        (1j, "is a complex"),
        (np.ones(2, complex), "complex128"),
        (object, "is a type"),
        ({frozenset({1}): 2}, "key of type frozenset"),
    ],
)
def test_what_could_not_be_given_back_is_refused_at_once(tmp_path, thing, said):
    path = tmp_path / "x.pt"
    underhood.save([1], path)
    with pytest.raises(BadInput, match=said):
        underhood.save({"a": [0, thing]}, path)
    assert underhood.load(path) == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_a_nest_that_contains_itself_is_refused(tmp_path):
    nest = []
    nest.append(nest)
    with pytest.raises(BadInput, match="contains itself"):
        underhood.save(nest, tmp_path / "x.pt")


def test_flat_files_hold_tensors_alone(tmp_path):
    with pytest.raises(BadInput, match=r"epoch is a str.*\.pt"):
        underhood.save({"epoch": "3"}, tmp_path / "x.safetensors")
    with pytest.raises(BadInput, match="not a list"):
        underhood.save([1], tmp_path / "x.npz")


def test_files_of_torch_save_are_named_as_what_they_are(tmp_path):
    torch.save({"x": torch.ones(2)}, tmp_path / "x.pt")
    with pytest.raises(BadInput, match=r"pickle.*save_file"):
        underhood.load(tmp_path / "x.pt")
    with pytest.raises(BadInput, match="run code"):
        underhood.load(tmp_path / "x.pt", weights_only=False)
    with pytest.raises(RuntimeError, match="CPU"):
        underhood.load(tmp_path / "x.pt", map_location="cuda")


def test_a_damaged_structure_is_named(tmp_path):
    from safetensors.numpy import save_file

    for text in ('{"dict": [["a"]]}', '{"tensor": "9"}', "{", '{"module": 1}', "{}"):
        save_file({"0": np.ones(2)}, tmp_path / "x.pt", {"underhood.structure": text})
        with pytest.raises(BadInput, match=r"x\.pt.*damaged"):
            underhood.load(tmp_path / "x.pt")
