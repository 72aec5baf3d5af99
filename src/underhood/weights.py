"""What is kept on disk: a state_dict as `.npz` or `.safetensors`, or a whole checkpoint in a file of any other name.

    underhood.save(model.state_dict(), "model.safetensors")
    underhood.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, "checkpoint.pt")
    model.load_state_dict(underhood.load("checkpoint.pt")["model"])

A checkpoint is a safetensors file, too: its tensors are numbered, and its header holds the dictionaries, lists, tuples,
strings and numbers around them as JSON (`structure.py`). No kind holds anything that could run, and pickles are not
read. A file is written beside its place and gets its name by one rename.

PyTorch's side reads the first two as well: `safetensors.torch.load_file`; `save` takes a torch state_dict, too.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from underhood.engine.device import check_device
from underhood.engine.tensor import Tensor
from underhood.errors import BadInput, UnderhoodError
from underhood.npz import Npz
from underhood.structure import STRUCTURE, pack, unpack

FLAT = (".safetensors", ".npz")  # a dictionary of tensors, and nothing else


def save(obj: Any, f: str | Path | BinaryIO) -> None:
    """Write tensors (of either library) or arrays by name, or, under another ending, whatever is made of them.

    What `load` could not give back is refused, with its path inside `obj`. An earlier file is replaced in one go.
    """
    path = Path(f) if isinstance(f, str | os.PathLike) else None
    if path is not None and path.suffix in FLAT:
        if not isinstance(obj, Mapping):
            raise BadInput(f"{path}: {path.suffix} holds tensors by name, not a {type(obj).__name__}; name it .pt")
        _replace(path, _npz if path.suffix == ".npz" else _safetensors, {k: _array(v, k) for k, v in obj.items()})
        return
    arrays, header = pack(obj)
    if path is not None:
        _replace(path, _safetensors, arrays, header)
    else:
        from safetensors.numpy import save as to_bytes

        f.write(to_bytes(arrays, header))  # type: ignore[union-attr]


def load(
    f: str | Path | BinaryIO,
    map_location: Any = None,
    *,
    weights_only: bool = True,
    mmap: bool | None = None,
) -> Any:
    """What was saved: tensors by name, or the checkpoint. `map_location` may be the CPU; nothing but data is read."""
    if not callable(map_location) and not isinstance(map_location, Mapping):
        check_device(map_location)
    if not weights_only:
        raise BadInput("load(weights_only=False): it would run code that the file holds; files of underhood hold none")
    if not isinstance(f, str | os.PathLike):
        return _from_bytes(f.read(), "the file")
    path = Path(f)
    if not path.exists():
        raise BadInput(f"{path}: there is no such file")
    return _read_npz(path) if path.suffix == ".npz" else _from_bytes(path.read_bytes(), str(path))


def _replace(path: Path, write: Any, *contents: Any) -> None:
    """Write a file under another name, then give it its own."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(unfinished, *contents)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _safetensors(path: Path, arrays: dict[str, np.ndarray], header: dict[str, str] | None = None) -> None:
    from safetensors.numpy import save_file

    save_file(arrays, path, header)


def _read_npz(path: Path) -> dict[str, Tensor]:
    try:
        with Npz(path) as file:
            return {name: Tensor(file[name]) for name in file.names}
    except (ValueError, TypeError) as error:  # BadInput is a ValueError
        said = str(error).removeprefix(f"{path}: ").removesuffix(".")
        raise BadInput(f"{path}: no .npz file of arrays, or a damaged one ({said})") from error


def _from_bytes(data: bytes, name: str) -> Any:
    from safetensors.numpy import load as from_bytes

    if data[:4] == b"PK\x03\x04" or data[:2] == b"\x80\x02":
        raise BadInput(
            f"{name}: a file of torch.save is a pickle, which could run code and is not read; in PyTorch: "
            "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
        )
    try:
        header = _header(data)
        _check_types(header, name)
        arrays = from_bytes(data)
        metadata = header.get("__metadata__") or {}
        if STRUCTURE in metadata:
            return unpack(arrays, metadata, name)
        return {key: Tensor(array) for key, array in arrays.items()}
    except UnderhoodError:
        raise
    except Exception as error:  # a damaged file may fail in any way
        text = " ".join(str(error).split())[:200]
        raise BadInput(f"{name}: no .safetensors file, or a damaged one ({text or type(error).__name__})") from error


def _header(data: bytes) -> dict[str, Any]:
    """A safetensors file's header, JSON whose length its first eight bytes give."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 + length:
        raise ValueError(f"its header should take {length:,} bytes of {max(0, len(data) - 8):,}")
    found: dict[str, Any] = json.loads(data[8 : 8 + length])
    return found


def _check_types(header: dict[str, Any], name: str) -> None:
    """Refuse the numbers that NumPy lacks, of 8 bits and bfloat16, with what makes others of them."""
    for key, tensor in header.items():
        kind = tensor.get("dtype") if key != "__metadata__" else "F32"
        if str(kind).startswith(("BF16", "F8_", "F6_")) or kind == "F4":
            raise BadInput(
                f"{name}: {key[:60]} is {kind}, which NumPy lacks; in PyTorch: "
                "safetensors.torch.save_file({k: v.float() for k, v in safetensors.torch.load_file(IN).items()}, OUT)"
            )


def _array(value: Any, name: str) -> np.ndarray:
    if not (hasattr(value, "detach") or isinstance(value, np.ndarray | np.generic | int | float)):
        raise BadInput(f"{name} is a {type(value).__name__}: .safetensors and .npz hold tensors by name; name it .pt")
    array = np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)  # safetensors takes memory as it lies
