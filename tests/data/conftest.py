"""Writers of the official formats, made for these tests alone, and small sets written with them."""

import gzip
import pickle
import struct
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

spec = spec_from_file_location("server", Path(__file__).with_name("server.py"))
module = module_from_spec(spec)
sys.modules["server"] = module
spec.loader.exec_module(module)
server = module.server


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a cache of its own and no data folder but the one it names."""
    monkeypatch.setenv("UNDERHOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("UNDERHOOD_DATA", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sets"
    folder.mkdir()
    return folder


def pictures(n: int, shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random images (n, C, H, W) with labels 0 to 9."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), np.uint8), rng.integers(0, 10, n)


def idx(array: np.ndarray) -> bytes:
    array = np.asarray(array, np.uint8)
    return struct.pack(f">I{array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.tobytes()


def write_mnist(root: Path, train: int = 20, test: int = 10, packed: bool = False) -> dict[str, np.ndarray]:
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    written = {}
    for prefix, n, seed in (("train", train, 1), ("t10k", test, 2)):
        images, labels = pictures(n, (1, 28, 28), seed)
        written |= {f"{prefix}-images": images, f"{prefix}-labels": labels}
        for name, data in ((f"{prefix}-images-idx3", idx(images[:, 0])), (f"{prefix}-labels-idx1", idx(labels))):
            path = folder / (name + "-ubyte" + ".gz" * packed)
            path.write_bytes(gzip.compress(data) if packed else data)
    return written


def csv(images: np.ndarray, labels: np.ndarray) -> str:
    lines = [",".join(map(str, [label, *image.ravel()])) for image, label in zip(images, labels, strict=True)]
    return "\n".join(lines) + "\n"


def write_mnist_csv(root: Path, train: int = 20, test: int = 10) -> None:
    for name, n, seed in (("train", train, 1), ("test", test, 2)):
        (root / f"mnist_{name}.csv").write_text(csv(*pictures(n, (1, 28, 28), seed)))


def python2_pickle(content: dict[str, Any]) -> bytes:
    """What Python 2's cPickle wrote with protocol 2, the form of the official CIFAR files."""
    return b"\x80\x02}(" + b"".join(_python2(key) + _python2(value) for key, value in content.items()) + b"u."


def _python2(value: Any) -> bytes:
    if isinstance(value, str):
        return b"U" + bytes([len(value)]) + value.encode()
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(_python2, value)) + b"e"
    reconstruct = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    shape = b"(" + b"".join(map(_python2, value.shape)) + b"t"
    data = b"T" + struct.pack("<I", value.nbytes) + value.tobytes()
    return reconstruct + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def cifar10_batch(n: int, seed: int, label: str = "training batch 1 of 5") -> dict[str, Any]:
    images, labels = pictures(n, (3, 32, 32), seed)
    names = [f"picture_{i}.png" for i in range(n)]
    return {"batch_label": label, "labels": labels.tolist(), "data": images.reshape(n, -1), "filenames": names}


def write_cifar10(root: Path, n: int = 4) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for i in range(1, 6):
        batch = cifar10_batch(n, i, f"training batch {i} of 5")
        (folder / f"data_batch_{i}").write_bytes(python2_pickle(batch))
    (folder / "test_batch").write_bytes(python2_pickle(cifar10_batch(n, 6, "testing batch 1 of 1")))
    return folder


def write_cifar10_binary(root: Path, n: int = 4) -> Path:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    for i in range(1, 7):
        images, labels = pictures(n, (3, 32, 32), i)
        records = np.column_stack([labels.astype(np.uint8), images.reshape(n, -1)])
        (folder / (f"data_batch_{i}.bin" if i < 6 else "test_batch.bin")).write_bytes(records.tobytes())
    return folder


def write_cifar100(root: Path, n: int = 8) -> Path:
    folder = root / "cifar-100-python"
    folder.mkdir()
    for name, seed, label in (("train", 1, "training batch 1 of 1"), ("test", 2, "testing batch 1 of 1")):
        batch = cifar10_batch(n, seed, label)
        fine = [10 * digit + 9 for digit in batch.pop("labels")]
        batch |= {"fine_labels": fine, "coarse_labels": [0] * n}
        (folder / name).write_bytes(python2_pickle(batch))
    return folder


class Formats:
    """The writers, for tests to take as one fixture."""

    pictures = staticmethod(pictures)
    idx = staticmethod(idx)
    csv = staticmethod(csv)
    mnist = staticmethod(write_mnist)
    mnist_csv = staticmethod(write_mnist_csv)
    python2_pickle = staticmethod(python2_pickle)
    cifar10_batch = staticmethod(cifar10_batch)
    cifar10 = staticmethod(write_cifar10)
    cifar10_binary = staticmethod(write_cifar10_binary)
    cifar100 = staticmethod(write_cifar100)


@pytest.fixture
def formats() -> type[Formats]:
    return Formats


@pytest.fixture
def forbidden_pickle(tmp_path: Path) -> Callable[[int], bytes]:
    """A pickle that, read by pickle.load, would make the file tmp_path/"was-run"."""

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "was-run",)

    return lambda protocol: pickle.dumps({"data": Payload()}, protocol)
