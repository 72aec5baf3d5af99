"""The training/validation split: choices are made on validation images, which training never sees.

A split is drawn from the seed alone (the stream "split"), so that every setting of a study meets the same
split under the same seed. The test set takes no part in it.
"""

import numpy as np
from numpy.typing import NDArray

from underhood.data.streams import stream
from underhood.errors import BadInput

HELD_OUT = 0.2  # of a set that comes without a test part


def split(n: int, validation: int | float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows for training and for validation, each ascending, together 0 … n − 1.

    `validation` is a number of images (5000) or a fraction of them (0.1, rounded to whole images). 0 gives an
    empty validation part. Raises BadInput when no image would be left to train on, or `validation` is
    negative.

        >>> training, validation = split(10, validation=0.3, seed=0)
        >>> len(training), len(validation)
        (7, 3)
    """
    count = round(n * validation) if isinstance(validation, float) else validation
    if validation < 0 or count >= n:
        raise BadInput(
            f"validation: {validation} of {n:,} images cannot be held out; "
            f"give a number from 0 to {n - 1}, or a fraction below 1 (0.1)."
        )
    rows = stream("split", seed).permutation(n)
    return np.sort(rows[count:]), np.sort(rows[:count])


def holdout(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and test rows for a set without a test part of its own: always the same fifth is held out."""
    return split(n, HELD_OUT, seed=0)
