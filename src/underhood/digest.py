"""A hash of arrays by name and of what is said of them: safetensors checks a file's shape, not its content."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def digest(header: Mapping[str, Any], arrays: Mapping[str, "np.ndarray[Any, Any]"]) -> str:
    """32 hexadecimal digits that change when a bit of the arrays, a name or a word of the JSON-able header does."""
    found = hashlib.blake2b(json.dumps(header, sort_keys=True).encode(), digest_size=16)
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.data if array.size else b"")
    return found.hexdigest()
