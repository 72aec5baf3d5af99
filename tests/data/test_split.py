import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.data.split import holdout, split
from underhood.errors import BadInput


@given(n=st.integers(1, 300), share=st.floats(0, 0.99), seed=st.integers(0, 2**40))
def test_the_two_parts_are_all_rows_once_and_ascending(n: int, share: float, seed: int) -> None:
    try:
        training, validation = split(n, share, seed)
    except BadInput:
        assert round(n * share) == n
        return
    assert len(validation) == round(n * share)
    assert sorted([*training, *validation]) == list(range(n))
    assert np.all(np.diff(training) > 0)
    assert np.all(np.diff(validation) > 0)


def test_a_whole_number_is_a_count() -> None:
    training, validation = split(50_000, 5_000, seed=0)
    assert (len(training), len(validation)) == (45_000, 5_000)
    assert training.dtype == validation.dtype == np.int64


def test_nothing_need_be_held_out() -> None:
    training, validation = split(5, 0, seed=0)
    assert training.tolist() == [0, 1, 2, 3, 4]
    assert validation.tolist() == []


def test_the_seed_alone_decides() -> None:
    assert split(20, 5, seed=1)[1].tolist() == split(20, 0.25, seed=1)[1].tolist()
    assert split(20, 5, seed=1)[1].tolist() != split(20, 5, seed=2)[1].tolist()


def test_the_split_never_changes() -> None:
    """Results on record were validated on these rows."""
    assert split(20, 5, seed=0)[1].tolist() == [3, 5, 11, 16, 19]


@pytest.mark.parametrize("validation", [10, 11, -1, 1.0, -0.1])
def test_something_must_be_left_to_train_on(validation: float) -> None:
    with pytest.raises(BadInput, match=f"validation: {validation} of 10 images cannot be held out"):
        split(10, validation, seed=0)


def test_holdout_is_always_the_same_fifth() -> None:
    training, test = holdout(1_797)
    assert (len(training), len(test)) == (1_438, 359)
    np.testing.assert_array_equal(test, holdout(1_797)[1])


def test_holdout_never_changes() -> None:
    """Results on record were tested on these rows."""
    assert holdout(20)[1].tolist() == [3, 5, 16, 19]
