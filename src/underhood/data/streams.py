"""Random numbers by purpose: each use has a stream of its own, so that drawing more here moves nothing there.

    key = SHA-256("purpose:name:seed:epoch"), its first 128 bits        stream = Philox(key)

Philox is counter-based: streams of different keys are independent, and a stream is found again from its key
alone, without replaying what came before. So a run that resumes at epoch 7 draws what it would have drawn,
and a trial draws the same numbers in whichever process it runs. A purpose that draws for images draws for all
of them at the start of the epoch, row i for image i: image i is then treated alike whatever its batch.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from hashlib import sha256
from typing import Literal, get_args

import numpy as np

Purpose = Literal["init", "shuffling", "augmentation", "dropout", "split"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


def stream(purpose: Purpose, seed: int, epoch: int = 0, name: str = "") -> np.random.Generator:
    """The generator for `purpose` in one epoch of one seed; `name` tells users of one purpose apart.

        >>> stream("shuffling", seed=0, epoch=3).permutation(5)
        array([2, 0, 1, 3, 4])
        >>> weights = stream("init", seed=0, name="conv1.weight").standard_normal((8, 3, 3, 3))

    The bits are the same on every platform and NumPy version; what a distribution makes of them NumPy may
    change between versions, which is why a run records NumPy's. Raises ValueError for an unknown purpose.
    """
    if purpose not in PURPOSES:
        raise ValueError(f'unknown purpose "{purpose}"; there is {", ".join(PURPOSES)}')
    digest = sha256(f"{purpose}:{name}:{int(seed)}:{int(epoch)}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
