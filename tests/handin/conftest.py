"""A run to hand in, the sheet's files of its data, and Python with nothing but the libraries that a sheet allows."""

import gzip
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from sklearn.datasets import load_digits

import underhood
from tests.in_process import trials_in_process
from underhood.lab.results import Run

START = "import sys; sys.path.insert(0, sys.argv[1]); "


def idx(array):
    return struct.pack(f">I{array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="session")
def mnist(tmp_path_factory) -> Path:
    """scikit-learn's scans, enlarged to 28×28, as MNIST's own files and as the sheet's."""
    folder = tmp_path_factory.mktemp("data")
    digits = load_digits()
    images = np.pad(np.kron(digits.images, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))) * (255 / 16)
    images, labels = images.astype(np.uint8), digits.target.astype(np.uint8)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, name, rows in (("train", "train", slice(0, 600)), ("t10k", "test", slice(1400, None))):
        (raw / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images[rows]), 1))
        (raw / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels[rows]), 1))
        table = np.column_stack([labels[rows], images[rows].reshape(-1, 784)])
        np.savetxt(folder / f"mnist_{name}.csv", table, fmt="%d", delimiter=",")
    return folder


@pytest.fixture(scope="session")
def run(mnist, tmp_path_factory) -> Run:
    """A run of the template's MLP, small and quick."""
    settings = {"network": {"name": "template", "hidden": [24, 16], "activation": "Tanh"}, "optimizer.lr": 0.1}
    settings |= {"optimizer.momentum": 0.8, "data.train": 500, "data.test": None, "epochs": 4}
    folder = tmp_path_factory.mktemp("runs")
    with trials_in_process():
        return underhood.run("mnist-mlp", "smoke", set=settings, seeds=2, runs=folder, data=mnist)


def brought_by(*distributions: str) -> Iterator[Path]:
    """The files and folders of installed distributions, and of those that they need."""
    waiting, seen = list(distributions), set()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        found = metadata.distribution(name)
        tops = {file.parts[0] for file in found.files or () if file.suffix != ".pth"}
        for top in tops - {"..", "__pycache__"}:
            yield Path(str(found.locate_file(top)))
        needs = map(Requirement, found.requires or ())
        waiting += [each.name for each in needs if each.marker is None or each.marker.evaluate({"extra": ""})]


@pytest.fixture(scope="session")
def bare(tmp_path_factory) -> Callable[..., str]:
    """Run Python code that sees these distributions alone, in a folder: what it prints."""

    def call(code: str, *distributions: str, folder: Path, strict: bool = True, **variables: str) -> str:
        libraries = tmp_path_factory.mktemp("-".join(distributions))
        for path in brought_by(*distributions):
            (libraries / path.name).symlink_to(path)
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-W", "error" if strict else "default", "-c", START + code, str(libraries)],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call
