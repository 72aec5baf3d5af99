import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.data.unpickle import unpickle
from underhood.errors import BadInput


def written(folder: Path, data: bytes) -> Path:
    path = folder / "batch"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_data_written_by_python_3(tmp_path: Path, protocol: int) -> None:
    content = {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, -2, 300], "note": "é"}
    content |= {"pair": ((), (1,), (1.5, None), (True, False, b"x"), tuple("four"))}
    content |= {"long": "x" * 300, "again": content["labels"], "one": {"key": [70_000]}}
    if protocol == 2:  # there Python 3 writes bytes as a call of __builtin__.bytes or _codecs.encode
        del content["data"], content["pair"]
    found = unpickle(written(tmp_path, pickle.dumps(content, protocol)))
    np.testing.assert_array_equal(found.pop("data", None), content.pop("data", None))
    assert found == content


def test_data_written_by_python_2(tmp_path: Path, formats: Any) -> None:
    batch = formats.cifar10_batch(3, seed=0)
    path = written(tmp_path, formats.python2_pickle(batch))
    with open(path, "rb") as file:  # the writer of these tests is right: pickle reads the same
        theirs = pickle.load(file, encoding="bytes")
    ours = unpickle(path)
    np.testing.assert_array_equal(ours["data"], theirs[b"data"])
    np.testing.assert_array_equal(ours["data"], batch["data"])
    assert ours["labels"] == theirs[b"labels"] == batch["labels"]
    assert ours["batch_label"] == "training batch 1 of 5"


def test_an_array_in_column_order(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    path = written(tmp_path, pickle.dumps({"data": array}, 3))
    np.testing.assert_array_equal(unpickle(path)["data"], array)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_program_in_a_pickle_is_not_run(
    tmp_path: Path, forbidden_pickle: Callable[[int], bytes], protocol: int
) -> None:
    path = written(tmp_path, forbidden_pickle(protocol))
    wanted = r"(the instruction [A-Z]+|\w+(\.\w+)+)"
    with pytest.raises(
        BadInput, match=rf"batch: wants {wanted}, which a file of images has no use for\.\nNothing of it"
    ):
        unpickle(path)
    assert not (tmp_path / "was-run").exists()
    with open(path, "rb") as file:
        pickle.load(file)  # the pickle is live
    assert (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    "name",
    [
        "os\nsystem",
        "builtins\neval",
        "builtins\ngetattr",
        "numpy\nload",
        "numpy\nfromfile",
        "copyreg\n_reconstructor",
        "_codecs\nencode",
        "underhood.data.unpickle\nArray",
        "numpy\nndarray.tofile",
    ],
)
def test_only_arrays_are_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"wants " + name.replace("\n", r"\.")):
        unpickle(written(tmp_path, b"c" + name.encode() + b"\n."))


def array_pickle(code: bytes = b"u1", state: bytes = b"(K\x01K\x02\x85D\x89C\x02abt") -> bytes:
    """A dict of one array; in `state`, D stands for its dtype."""
    head = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = b"cnumpy\ndtype\nU" + bytes([len(code)]) + code + b"K\x00K\x01\x87R"
    return b"\x80\x03}U\x04data" + head + state.replace(b"D", dtype) + b"bs."


def test_the_array_of_these_tests_is_right(tmp_path: Path) -> None:
    assert unpickle(written(tmp_path, array_pickle()))["data"].tolist() == [97, 98]


def build(*state: bytes) -> bytes:
    return b"\x80\x03}U\x01k" + b"".join(state) + b"bs."


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (array_pickle(code=b"O8"), "an array of something else than unsigned bytes"),
        (array_pickle(code=b"f4"), "an array of something else than unsigned bytes"),
        (array_pickle(state=b"(K\x01K\x02\x85N\x89C\x02abt"), "an array of something else than unsigned bytes"),
        (array_pickle(state=b"(K\x01K\x02\x85D\x89]t"), "bytes-like object is required"),
        (array_pickle(state=b"(K\x01K\x03\x85D\x89C\x02abt"), "cannot reshape array of size 2"),
        (array_pickle(state=b"(K\x01t"), "not enough values to unpack"),
        (b"]q\x01K\x07a.", "a list where a dict is expected"),
        (b"}K\x01K\x02.", "too many values to unpack"),
        (b"}K\x01K\x02s.", "a key of type int"),
        (b"<!DOCTYPE html>", "no pickle of arrays and lists"),
        (b"", "pickle exhausted before seeing STOP"),
    ],
)
def test_a_damaged_file_says_how(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(BadInput) as error:
        unpickle(written(tmp_path, data))
    assert str(error.value).startswith(f"{tmp_path / 'batch'}: cut short, damaged, or no pickle of arrays and lists")
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (build(b"cnumpy\ndtype\n", b"}"), "to change a Name"),
        (build(b"]", b"}"), "to change a list"),
        (build(b"cnumpy\nndarray\nK\x00\x85R", b"}"), "to call something"),
        (build(b"U\x02osK\x00\x85R", b"}"), "to call something"),
        (b"cnumpy\ndtype\n)\x81.", "the instruction NEWOBJ"),
        (b"(inumpy\ndtype\n.", "the instruction INST"),
        (b"\x82\x01.", "the instruction EXT1"),
        (b"P0\n.", "the instruction PERSID"),
    ],
)
def test_nothing_is_called_made_or_changed(tmp_path: Path, data: bytes, what: str) -> None:
    with pytest.raises(BadInput, match=f"batch: wants {what}, which a file of images has no use for"):
        unpickle(written(tmp_path, data))


def test_a_memo_of_absurd_size_takes_no_memory(tmp_path: Path) -> None:
    """LONG_BINPUT 4294967295: Python's own machine makes room for as many."""
    assert unpickle(written(tmp_path, b"\x80\x02}r\xff\xff\xff\xff.")) == {}


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, formats: Any) -> None:
    data = formats.python2_pickle({"labels": [1, 2], "data": np.zeros((2, 3), np.uint8)})
    for length in range(len(data)):
        with pytest.raises(BadInput, match="cut short, damaged"):
            unpickle(written(tmp_path, data[:length]))


GENUINE = array_pickle()


@given(place=st.integers(2, len(GENUINE) - 1), value=st.integers(0, 255))
def test_a_damaged_file_never_fails_in_another_way(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    data = bytearray(GENUINE)
    data[place] = value
    try:
        content = unpickle(written(tmp_path_factory.mktemp("damaged"), bytes(data)))
    except BadInput:
        return
    assert isinstance(content, dict)
