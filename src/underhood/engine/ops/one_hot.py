"""Classes as rows of zeros with a single one.

    z[…, k] = [k = t[…]]        t: any shape, int64   z: (…, C) int64

PyTorch: torch.nn.functional.one_hot. There is no gradient.
"""

import numpy as np

from underhood.engine import tape
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """`tensor` of classes as rows of length `num_classes`, by default one more than the largest class."""
    t = tensor.array
    if t.dtype != np.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type int64, not {t.dtype}")
    if not t.size and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if t.size and t.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        tape.read(tensor)
    count = int(t.max()) + 1 if num_classes == -1 else num_classes
    if t.size and t.max() >= count:
        raise RuntimeError(f"Class values must be smaller than num_classes: {t.max()} and {count}.")
    return apply(ENTRY, tensor, num_classes=count)


def vector(t: Array, *, num_classes: int) -> Array:
    return (t[..., None] == np.arange(num_classes)).astype(np.int64)


def samples(rng: np.random.Generator) -> list[Sample]:
    t = rng.integers(0, 4, (3, 5))
    return [
        Sample((t,), {"num_classes": 4}),
        Sample((t.T[::2],), {"num_classes": 6}, "more classes, non-contiguous"),
        Sample((t[:0],), {"num_classes": 4}, "empty"),
    ]


ENTRY = Operation(
    "one_hot", one_hot, vector=Form(vector), reference="torch.nn.functional.one_hot", saves=(), samples=samples
)
