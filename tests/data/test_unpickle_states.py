"""What a pickle's instructions may leave behind: keys, arrays' states, names that may be called."""

import pickle
import re

import numpy as np
import pytest

from underhood.data import unpickle as page
from underhood.data.unpickle import unpickle
from underhood.errors import BadInput

BYTES = page.Dtype("u1")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([2, 3], "an array whose shape is none"),
        (None, "an array whose shape is none"),
        (6, "an array whose shape is none"),
        ((2, 3.0), "an array whose shape is none"),
        ((2, True), "an array whose shape is none"),
        (("2", 3), "an array whose shape is none"),
    ],
)
def test_a_shape_is_a_tuple_of_whole_numbers(shape, said):
    with pytest.raises(ValueError, match=said):
        page._fill((1, shape, BYTES, False, b"abcdef"), into=page.Array())


@pytest.mark.parametrize("shape", [(6,), (2, 3), (), (0,)])
@pytest.mark.parametrize("columns", [False, True])
def test_a_state_fills_an_array(shape, columns):
    array = page.Array()
    data = bytes(range(250, 250 + int(np.prod(shape))))
    for values in (data, data.decode("latin1")):
        page._fill((1, shape, BYTES, columns, values), into=array)
        assert (array.shape, array.data, array.column_by_column) == (shape, data, columns)
        expected = np.ndarray(shape, np.uint8, data, order="F" if columns else "C")
        np.testing.assert_array_equal(page._value(array), expected)


@pytest.mark.parametrize("dtype", [page.Dtype("i1"), page.Dtype("u2"), page.Dtype("O8"), "u1", None])
def test_elements_are_unsigned_bytes(dtype):
    with pytest.raises(ValueError, match="an array of something else than unsigned bytes"):
        page._fill((1, (1,), dtype, False, b"a"), into=page.Array())
    page._fill((1, (1,), page.Dtype(b"u1"), False, b"a"), into=page.Array())


def test_a_byte_order_is_taken_and_nothing_else_changed():
    page._fill((3, "|"), into=BYTES)
    assert page.Dtype("u1") == BYTES
    for thing in ([], {}, "words"):
        with pytest.raises(page.RefusedError, match=f"to change a {type(thing).__name__}"):
            page._fill((1, 2), into=thing)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (1, "a key of type int"),
        (None, "a key of type NoneType"),
        ((1, 2), "a key of type tuple"),
        ("k" * (page.LONGEST_KEY + 1), "a key that is no name"),
        ("a\nb", "a key that is no name"),
        ("\x1b[31m", "a key that is no name"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_key_is_a_short_name(tmp_path, key, said, protocol):
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({key: 1}, protocol))
    with pytest.raises(BadInput, match=re.escape(f"{path}: cut short, damaged") + f".*{said}"):
        unpickle(path)


def test_the_longest_key_and_keys_of_bytes_are_names(tmp_path):
    path = tmp_path / "batch"
    longest = "k" * page.LONGEST_KEY
    path.write_bytes(pickle.dumps({longest: 1, b"data": [1, (2,), {"a": None}], "flag": True}, 4))
    assert unpickle(path) == {longest: 1, "data": [1, (2,), {"a": None}], "flag": True}


@pytest.mark.parametrize("thing", [[1], "word", 3, (1, 2), None])
def test_what_is_no_dictionary_is_refused(tmp_path, thing):
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(thing, 4))
    with pytest.raises(BadInput, match=f"a {type(thing).__name__} where a dict is expected"):
        unpickle(path)


def test_a_file_that_is_not_there_is_the_system_s_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        unpickle(tmp_path / "none")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("one\n two\t three"), "one two three"),
        (ValueError("x" * 300), "x" * 200),
        (EOFError(), "EOFError"),
        (ValueError("  "), "ValueError"),
    ],
)
def test_an_error_is_told_in_a_line(error, said):
    assert page._said(error) == said
