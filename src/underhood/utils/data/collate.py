"""Collating: from a list of items to a batch.

    tensors, arrays        stacked            floats, whole numbers   a tensor of float64, of int64
    tuples, dictionaries   part by part       strings, bytes          left as a list

PyTorch: torch.utils.data.default_collate, default_convert.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from underhood.engine.creation import as_tensor, tensor
from underhood.engine.dtypes import DTYPES, float64
from underhood.engine.ops.concatenate import stack
from underhood.engine.tensor import Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """A batch of what the items are made of."""
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch))
    if isinstance(first, np.ndarray | np.generic) and first.dtype in DTYPES:
        return as_tensor(np.stack([np.asarray(item) for item in batch]))
    if isinstance(first, float):
        return tensor(batch, dtype=float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _like(first, {key: default_collate([item[key] for item in batch]) for key in first})
    if isinstance(first, tuple | list):
        if any(len(item) != len(first) for item in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first).__name__}; give the DataLoader a collate_fn of your own"
    )


def default_convert(data: Any) -> Any:
    """Arrays as tensors, however deep they stand; the rest as it is."""
    if isinstance(data, np.ndarray | np.generic) and data.dtype in DTYPES:
        return as_tensor(np.asarray(data))
    return _part_by_part(default_convert, data)


def _part_by_part(function: Callable[[Any], Any], data: Any) -> Any:
    if isinstance(data, Mapping):
        return _like(data, {key: function(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(function(part) for part in data))
    if isinstance(data, tuple | list):
        return [function(part) for part in data]
    return data


def _like(old: Mapping[Any, Any], new: dict[Any, Any]) -> Any:
    """A mapping of the old one's type, where that can be made of a dictionary."""
    try:
        return type(old)(new)  # type: ignore[call-arg]
    except TypeError:
        return new
