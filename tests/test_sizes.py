"""Bytes in words, and back."""

import pytest

from underhood.errors import BadInput
from underhood.sizes import megabytes, parse_size, size_text


@pytest.mark.parametrize(
    ("text", "count"),
    [("512MB", 512_000_000), ("1GiB", 2**30), ("1.5 gb", 1_500_000_000), ("7", 7), (42, 42), ("2kib", 2048)],
)
def test_sizes_in_words(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "MB", "12 apples", "-3MB"])
def test_what_is_no_size(text):
    with pytest.raises(BadInput, match="no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("count", "text"), [(10**9, "1GB"), (512 * 10**6, "512MB"), (2**30, "1GiB"), (1_234_567, "1234567B"), (0, "0B")]
)
def test_the_shortest_words_for_a_size(count, text):
    assert size_text(count) == text
    assert parse_size(text) == count


def test_megabytes_of_what_is_small_are_not_zero():
    texts = ["0.0 MB", "0.046 MB", "0.1 MB", "46.8 MB", "1,234.6 MB"]
    assert [megabytes(count) for count in (0, 45_600, 100_000, 46_800_000, 1_234_567_890)] == texts
