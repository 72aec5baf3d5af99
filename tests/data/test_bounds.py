"""Sizes are bounded by the file and its format before memory is taken; what is claimed beyond is one clear line."""

import gzip
import io
import json
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from tests.data import fuzz_readers
from underhood import weights
from underhood.data import arrays, cifar, folder, mnist
from underhood.errors import BadInput
from underhood.npz import Npz

TWO_TO_40 = 2**40


def refused(call, *given):
    """What is said of it, after less than 64 MB were taken."""
    tracemalloc.start()
    with pytest.raises(BadInput) as caught:
        call(*given)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64e6
    said = str(caught.value)
    assert len(said) < 700
    return said


def npy(shape, descr="|u1", body=b""):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + body


def zipped(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def test_a_label_beyond_all_classes(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.array([0, TWO_TO_40]))
    assert "labels has the label 1,099,511,627,776" in refused(arrays.parts, tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.array([0, 2**64 - 1], np.uint64))
    assert "is no number of a class" in refused(arrays.parts, tmp_path / "a.npz")


def test_as_many_classes_as_labels_say(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.array([0, 65_535]))
    train, _ = arrays.parts(tmp_path / "a.npz")
    assert len(train.classes) == 65_536


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy((TWO_TO_40, 28, 28)), "asks for 862,017,116,176,384 bytes, and it has 0"),
        (npy((3,), body=b"ab"), "asks for 3 bytes, and it has 2"),
        (npy((1,), body=b"abc"), "asks for 1 bytes, and it has 3"),
        (npy((TWO_TO_40,), "|O"), "Python objects"),
        (npy((1,), "|V0"), "cannot be read"),
        (npy((-1, -4), body=b"abcd"), "cannot be read"),
        (npy((1,), [("a", "<f4", (TWO_TO_40,))]), "cannot be read"),
        (npy((1,), [("a", "|u1")], b"x"), "holds records"),
        (npy((2,), "<U1", b"a\0\0\0" + 4 * b"\xff"), "no text (a letter U+FFFFFFFF)"),
        (npy((1,), ">U2", b"\0\0\0a\0\x11\0\0"), "no text (a letter U+110000)"),
        (npy((1,), "<U1", b"\0\xd8\0\0"), "no text (a letter U+D800)"),
        (b"", "cannot be read"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "cannot be read"),
    ],
)
def test_an_array_that_cannot_be_what_it_claims(tmp_path, content, said):
    with Npz(zipped(tmp_path / "a.npz", {"x": content})) as file:
        assert said in refused(file.__getitem__, "x")


def test_what_archives_can_do_wrong(tmp_path):
    for method, number in ((zipfile.ZIP_BZIP2, 12), (zipfile.ZIP_LZMA, 14)):
        with Npz(zipped(tmp_path / "a.npz", {"x": npy((1,), body=b"a")}, method)) as file:
            assert f"compressed by method {number}" in refused(file.__getitem__, "x")
    whole = zipped(tmp_path / "a.npz", {"x": npy((5000,), body=bytes(5000))}).read_bytes()
    directory = whole.index(b"PK\x01\x02")
    claimed = bytearray(whole)
    claimed[directory + 24 : directory + 28] = struct.pack("<I", 2**31)  # the size when unpacked
    (tmp_path / "b.npz").write_bytes(claimed)
    with Npz(tmp_path / "b.npz") as file:
        assert "cannot hold the 2,147,483,648 that it claims" in refused(file.__getitem__, "x")
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[directory + 8] |= 1
    (tmp_path / "b.npz").write_bytes(encrypted)
    with Npz(tmp_path / "b.npz") as file:
        assert "encrypted" in refused(file.__getitem__, "x")
    (tmp_path / "b.npz").write_bytes(whole[:-10])
    assert "not a .npz file, or cut short" in refused(Npz, tmp_path / "b.npz")
    (tmp_path / "b.npz").write_bytes(npy((1,), body=b"a"))
    assert "one bare array" in refused(Npz, tmp_path / "b.npz")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, bool, "<U3"])
def test_arrays_are_read_as_numpy_reads_them(tmp_path, order, kind):
    given = {"x": np.asarray(np.arange(24).reshape(2, 3, 4), dtype=kind, order=order), "y": np.array(3).astype(kind)}
    given["empty"] = np.zeros((0, 5), kind)
    np.savez_compressed(tmp_path / "a.npz", **given)
    with Npz(tmp_path / "a.npz") as file:
        assert file.names == list(given)
        for name, array in given.items():
            np.testing.assert_array_equal(file[name], array)
            assert file[name].dtype == array.dtype


def test_an_image_file_that_claims_more_than_it_can_hold(tmp_path):
    head = struct.pack(">4I", mnist.IMAGES, 2**31, 2**9, 28)
    for content in (head + bytes(100), gzip.compress(head + bytes(100))):
        (tmp_path / "x").write_bytes(content)
        assert "header promises 2,147,483,648 images of 512×28" in refused(mnist.read_idx, tmp_path / "x", mnist.IMAGES)


def test_a_bomb_in_gzip(tmp_path):
    for count in (1, 2**20):
        head = struct.pack(">4I", mnist.IMAGES, count, 28, 28)
        (tmp_path / "x").write_bytes(gzip.compress(head + bytes(40_000_000)))
        said = refused(mnist.read_idx, tmp_path / "x", mnist.IMAGES)
        assert ("holds more" if count == 1 else "cut short") in said
    (tmp_path / "x").write_bytes(gzip.compress(bytes(40_000_000)))
    assert "begins with 0x00000000" in refused(mnist.read_idx, tmp_path / "x", mnist.IMAGES)


def nested(deep, of):
    nest = "x"
    for _ in range(deep):
        nest = of((nest, nest))
    return nest


@pytest.mark.parametrize("of", [list, tuple])
def test_lists_of_lists_that_are_one_another(tmp_path, of):
    nest = nested(60, of)
    for batch in ({"data": "", "labels": nest}, {"data": "", "labels": [nest]}, {"data": nest, "labels": [1]},
                  {"data": "", "labels": [1], "batch_label": nest}, nest):  # fmt: skip
        (tmp_path / "x").write_bytes(pickle.dumps(batch, 2))
        refused(cifar.python_chunk, tmp_path / "x", "train", cifar.CLASSES_10)


def test_a_nest_as_a_key(tmp_path):
    nest = b"K\x01K\x01\x86q\x00" + b"0h\x00h\x00\x86q\x00" * 60
    (tmp_path / "x").write_bytes(b"\x80\x02}(" + nest.replace(b"0h", b"h") + b"K\x01u.")
    assert "a key of type tuple" in refused(cifar.python_chunk, tmp_path / "x", "train", cifar.CLASSES_10)


def test_a_text_that_claims_to_be_longer_than_the_file(tmp_path):
    (tmp_path / "x").write_bytes(b"\x80\x02}T" + struct.pack("<i", 2**31 - 1) + b"abc")
    refused(cifar.python_chunk, tmp_path / "x", "train", cifar.CLASSES_10)


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3", "F8_E5M2"])
def test_numbers_that_numpy_lacks(tmp_path, kind):
    size = 4 if kind == "BF16" else 2
    header = json.dumps({"w": {"dtype": kind, "shape": [2], "data_offsets": [0, size]}}).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    said = refused(weights.load, tmp_path / "x.safetensors")
    assert f"w is {kind}, which NumPy lacks; in PyTorch: safetensors.torch.save_file" in said


@pytest.mark.parametrize(
    "head", [struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 100) + b"[" * 100, b"", b"\0" * 8]
)
def test_a_header_of_tensors_that_is_none(tmp_path, head):
    (tmp_path / "x.safetensors").write_bytes(head)
    refused(weights.load, tmp_path / "x.safetensors")


def test_a_picture_that_claims_to_be_larger_than_any(tmp_path):
    pytest.importorskip("PIL")
    (tmp_path / "p" / "a").mkdir(parents=True)
    whole = fuzz_readers.png()
    for name in ("1.png", "2.png"):
        huge = bytearray(whole)
        huge[16:24] = struct.pack(">2I", 60_000, 60_000)
        huge[29:33] = struct.pack(">I", fuzz_readers.zlib.crc32(bytes(huge[12:29])))
        (tmp_path / "p" / "a" / name).write_bytes(huge)
    train, _ = folder.parts(tmp_path / "p")
    said = refused(lambda: list(train.read()))
    assert "1.png: " in said or "2.png: " in said


def test_some_hundred_mutated_files(tmp_path, monkeypatch):
    """A look at what tests/data/fuzz_readers.py does for hours."""
    monkeypatch.setattr("sys.argv", ["fuzz_readers.py", "--files", "170", "--seed", "7", "--keep", str(tmp_path)])
    monkeypatch.setattr(fuzz_readers, "tried", _without_clocks)
    assert fuzz_readers.main() == 0


def _without_clocks(reader, file):
    try:
        reader(file)
    except BadInput:
        return "refused"
    return "read"
