import numpy as np
import pytest

from underhood.data.streams import PURPOSES, stream


def test_the_bits_never_change() -> None:
    """Results on record were drawn from these bits: changing the key's rule would orphan them all."""
    first = stream("init", seed=0).bit_generator.random_raw(3)
    assert first.tolist() == [18369509338810346449, 7393994551413947672, 7177514816302517225]
    named = stream("init", seed=0, name="conv1.weight").bit_generator.random_raw()
    assert named == 6224149115587241121


def test_the_same_key_draws_the_same() -> None:
    a, b = (stream("shuffling", seed=3, epoch=7).permutation(100) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_each_purpose_seed_epoch_and_name_has_its_own_stream() -> None:
    keys = [
        *((purpose, 0, 0, "") for purpose in PURPOSES),
        *(("init", seed, 0, "") for seed in (1, -1, 2**70)),
        *(("init", 0, epoch, "") for epoch in (1, 2)),
        *(("init", 0, 0, name) for name in ("weight", "bias")),
    ]
    first = {stream(purpose, seed, epoch, name).bit_generator.random_raw() for purpose, seed, epoch, name in keys}
    assert len(first) == len(keys)


def test_a_numpy_integer_is_as_good_as_an_int() -> None:
    assert stream("split", np.int64(5)).random() == stream("split", 5).random()


def test_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(ValueError, match='unknown purpose "shufling"; there is init, shuffling'):
        stream("shufling", seed=0)  # type: ignore[arg-type]
