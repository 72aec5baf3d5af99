"""`underhood data ls`, `underhood data verify` and `underhood data get`."""

import gzip
import struct
import sys
from dataclasses import replace
from hashlib import md5
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from underhood.data import DATA_SETS, mnist
from underhood.data.registry import Remote

spec = spec_from_file_location("server", Path(__file__).parents[1] / "data" / "server.py")
module = sys.modules.setdefault("server", module_from_spec(spec))
spec.loader.exec_module(module)
server = module.server


def test_ls_tells_what_is_here(underhood, no_data):
    said = underhood("data", "ls")
    assert said.status == 0
    assert "digits" in said.out
    assert str(no_data) in said.out


def test_ls_for_programs(underhood, no_data):
    said = underhood("data", "ls", "--json").json
    assert said["schema"] == "underhood.table/1"
    places = {row["name"]: row["place"] for row in said["rows"]}
    assert places.pop("digits") is not None
    assert set(places.values()) == {None}


def test_verify_checks_what_is_here(underhood, no_data):
    said = underhood("data", "verify")
    assert said.status == 0
    assert "Checking what is here: digits." in said.err
    assert "All files are sound." in said.err


def test_verify_of_a_set_that_is_not_here_says_where_it_should_be(underhood, no_data):
    said = underhood("data", "verify", "mnist")
    assert said.status == 2
    assert said.err.startswith(f"mnist: not found below {no_data}.")


def test_verify_names_the_nearest_set(underhood, no_data):
    assert 'data: unknown "mnits"; did you mean "mnist"' in underhood("data", "verify", "mnits").err


def test_a_damaged_file_is_exit_code_2(underhood, tmp_path):
    images = np.zeros((4, 1, 2, 2), np.uint8)
    arrays = {
        f"{part}_{what}": a for part in ("train", "test") for what, a in (("images", images), ("labels", [0, 1, 0, 1]))
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    whole = underhood("data", "verify", str(tmp_path / "mine.npz"), "--json")
    assert (whole.status, whole.json["sound"]) == (0, True)
    (tmp_path / "mine.npz").write_bytes((tmp_path / "mine.npz").read_bytes()[:-100])
    cut = underhood("data", "verify", str(tmp_path / "mine.npz"))
    assert cut.status == 2
    assert "mine.npz" in cut.out + cut.err


# Fetching


@pytest.fixture
def small_mnist(server, monkeypatch):
    """MNIST of 8 + 8 images as if its authors published that on this machine."""
    images = struct.pack(">4I", 0x803, 8, 28, 28) + bytes(8 * 784)
    labels = struct.pack(">2I", 0x801, 8) + bytes(range(8))
    files = {f"{name}.gz": gzip.compress(images if "images" in name else labels) for name in mnist.FILES}
    sums = {name: md5(body).hexdigest() for name, body in files.items()}
    server.files = {f"/{name}": body for name, body in files.items()}
    known = replace(mnist.data_set, checksums=sums, remote=Remote(f"{server.url}/", sums, "MNIST/raw"))
    monkeypatch.setitem(DATA_SETS, "mnist", known)


def test_get_fetches_and_says_how_far_it_is(underhood, no_data, server, small_mnist):
    said = underhood("data", "get", "mnist")
    assert said.status == 0
    assert said.out.count("official") == 4
    assert "train-images-idx3-ubyte.gz: 0.0 of 0.0 MB" in said.err
    assert "mnist: all files are here and sound." in said.err
    again = underhood("data", "get", "mnist", "digits", "--json")
    assert again.json["schema"] == "underhood.data-get/1"
    assert again.json["tables"].keys() == {"mnist", "digits"}
    assert len(server.asked) == 4
    assert underhood("data", "get", "mnist", "--force").status == 0
    assert len(server.asked) == 4  # the packed files are right: there is nothing to gain


def test_get_of_what_is_not_the_published_file(underhood, no_data, server, small_mnist):
    server.files["/train-labels-idx1-ubyte.gz"] = b"something else"
    said = underhood("data", "get", "mnist")
    assert (said.status, said.out) == (2, "")
    assert "train-labels-idx1-ubyte.gz: what http://127.0.0.1" in said.err


def test_get_without_the_server(underhood, no_data, server, small_mnist):
    server.files.clear()
    said = underhood("data", "get", "mnist")
    assert (said.status, said.out) == (3, "")
    assert "train-images-idx3-ubyte.gz: cannot be fetched: the server answers 404" in said.err


def test_get_from_another_address(underhood, no_data, server, small_mnist):
    server.files = {f"/mirror{path}": body for path, body in server.files.items()}
    assert underhood("data", "get", "mnist", "--from", f"{server.url}/mirror/").status == 0
    assert {path for path, _ in server.asked} == set(server.files)


def test_get_needs_a_name_that_is_known(underhood, no_data):
    assert "Which data set? There is digits, mnist" in underhood("data", "get").err
    said = underhood("data", "get", "cifar-10")
    assert (said.status, said.err) == (2, 'data: unknown "cifar-10"; did you mean "cifar10" or "cifar100"?\n')


def test_get_stopped_says_how_to_go_on(underhood, no_data, small_mnist, monkeypatch):
    def stopped(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("underhood.data.get", stopped)
    said = underhood("data", "get", "mnist")
    assert said.status == 130
    assert "Stopped. The same command goes on from here." in said.err
