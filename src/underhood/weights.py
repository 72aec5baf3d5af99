"""Weights on disk: a state_dict as `.npz` (NumPy's) or `.safetensors`, by the file's ending.

    underhood.save(model.state_dict(), "model.safetensors")
    model.load_state_dict(underhood.load("model.safetensors"))

Both kinds hold arrays and nothing that could run, and both are read by PyTorch's side too: a torch module loads the
same file with `safetensors.torch.load_file`, and `save` takes a torch state_dict as well.
"""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from underhood.errors import BadInput

ENDINGS = (".safetensors", ".npz")


def save(state_dict: Mapping[str, Any], path: str | Path) -> None:
    """Write tensors (of either library) or arrays by name; an earlier file is replaced in one go."""
    path = _checked(path)
    arrays = {name: _array(value) for name, value in state_dict.items()}
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.suffix == ".npz":
            with unfinished.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
        else:
            from safetensors.numpy import save_file

            save_file(arrays, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays by name, for `load_state_dict`."""
    path = _checked(path)
    if not path.exists():
        raise BadInput(f"{path}: there is no such file")
    return _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path}: no .npz file of arrays, or a damaged one ({error})") from error


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise BadInput(f"{path}: no .safetensors file, or a damaged one ({error})") from error


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise BadInput(f"{path}: weights are kept as {' or '.join(ENDINGS)}; the file's name should end so")
    return path


def _array(value: Any) -> np.ndarray:
    array = np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)  # safetensors takes memory as it lies
