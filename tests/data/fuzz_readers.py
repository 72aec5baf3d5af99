"""Mutated small files through every reader: none may crash, take two seconds, or 200 MB more than its file holds.

    python tests/data/fuzz_readers.py --files 100000 --seed 1 [--first 0]

File i is made of the seed and i alone, so that `--first i --files 1` makes it again, and `--seconds` cuts a run that
goes on with `--first` another time; what goes wrong is kept below `--keep`. With TMPDIR in memory it is quicker.
Outside the tests that run on every change, for it takes as long as it is asked to.
"""

import argparse
import contextlib
import gzip
import io
import pickle
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from underhood import weights
from underhood.data import arrays, cifar, folder, mnist, mnist_csv
from underhood.errors import BadInput
from underhood.lab import checkpoints
from underhood.lab.files import read_json, read_lines
from underhood.trials import Checkpoint

SECONDS, MEGABYTES, LARGEST = 2.0, 200, 100_000
NUMBERS = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)
Reader = Callable[[Path], object]


# ---- what is mutated: a small valid file of each format, and its reader


def npz(compressed: bool, classes: bool = True) -> bytes:
    rng = np.random.default_rng(0)
    out = io.BytesIO()
    content = {"images": rng.integers(0, 256, (12, 8, 8, 3), np.uint8), "labels": np.arange(12) % 3}
    content |= {"classes": np.array(["a", "b", "c"])} if classes else {}
    (np.savez_compressed if compressed else np.savez)(out, **content)
    return out.getvalue()


def idx(images: bool) -> bytes:
    rng = np.random.default_rng(0)
    shape = (5, 28, 28) if images else (300,)
    high = 256 if images else 10
    head = struct.pack(f">I{len(shape)}I", 0x0800 | len(shape), *shape)
    return head + rng.integers(0, high, shape, np.uint8).tobytes()


def cifar_pickle() -> bytes:
    """Python 3's protocol 2 to 4 of bytes needs a call; the files of the authors are Python 2's. By hand, then."""
    pixels = np.random.default_rng(0).integers(0, 256, 4 * 3072, np.uint8).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01K\x04M\x00\x0c\x86cnumpy\ndtype\nq\x04U\x02u1K\x00K\x01\x87Rq\x05"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", len(pixels))
        + pixels
        + b"tb"
    )
    labels = b"]q\x06(K\x01K\x02K\x03K\x04e"
    return b"\x80\x02}q\x00(U\x04data" + array + b"U\x06labels" + labels + b"U\x0bbatch_labelU\x0etraining batchu."


def nested_pickle() -> bytes:
    nest: object = "x"
    for _ in range(40):
        nest = (nest, nest)
    return pickle.dumps({"data": "", "labels": [nest, [1, 2], 3.5, None, True], "batch_label": nest}, 2)


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(range(i, i + 24)) for i in range(8))
    head = chunk(b"IHDR", struct.pack(">2I5B", 8, 8, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(out, "JPEG")
    return out.getvalue()


def tensors() -> bytes:
    from safetensors.numpy import save

    return save({"weight": np.arange(12, dtype=np.float32).reshape(3, 4), "bias": np.ones(3)}, {"format": "np"})


def nest() -> bytes:
    out = io.BytesIO()
    weights.save({"model": {"weight": np.ones((2, 3))}, "epochs": [1, 2.5, None, (3, "x")], 4: b"bytes"}, out)
    return out.getvalue()


def checkpoint() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        file = checkpoints.save(Path(place), Checkpoint({"at": np.ones(5)}, {"step": 3, "rng": {"a": [1, 2]}}), 0)
        return file.read_bytes()


def csv() -> bytes:
    rng = np.random.default_rng(0)
    lines = (",".join(map(str, [i, *rng.integers(0, 256, 784)])) for i in range(3))
    return ("\n".join(lines) + "\n").encode()


def all_chunks(parts: object) -> None:
    for part in parts:
        for images, labels in part.read():
            assert len(images) == len(labels)


def picture_folder(file: Path) -> None:
    home = file.parent / "pictures"
    shutil.rmtree(home, ignore_errors=True)
    (home / "a").mkdir(parents=True)
    for i in range(2):
        shutil.copy(file, home / "a" / f"{i}.png")
    all_chunks(folder.parts(home))


def metrics(file: Path) -> None:
    read_lines(file)


def damaged_is_fine(file: Path) -> None:
    file = file.rename(file.with_name("checkpoint-00000001.safetensors"))
    try:
        checkpoints.read(file)
    except checkpoints.DamagedError as error:
        raise BadInput(str(error)) from error
    finally:
        file.unlink()


def load_as(suffix: str) -> Reader:
    def read(file: Path) -> None:
        weights.load(file.rename(file.with_name(f"file{suffix}")))

    return read


SEEDS: dict[str, tuple[Callable[[], bytes], Reader]] = {
    "npz": (lambda: npz(False), lambda file: all_chunks(arrays.parts(file))),
    "npz, deflated": (lambda: npz(True), lambda file: all_chunks(arrays.parts(file))),
    "npz, weights": (lambda: npz(True, classes=False), load_as(".npz")),
    "idx images": (lambda: idx(True), lambda file: mnist.read_idx(file, mnist.IMAGES)),
    "idx labels": (lambda: idx(False), lambda file: mnist.read_idx(file, mnist.LABELS)),
    "idx, gzipped": (lambda: gzip.compress(idx(True)), lambda file: mnist.read_idx(file, mnist.IMAGES)),
    "cifar pickle": (cifar_pickle, lambda file: cifar.python_chunk(file, "train", cifar.CLASSES_10)),
    "nested pickle": (nested_pickle, lambda file: cifar.python_chunk(file, "train", cifar.CLASSES_10)),
    "cifar binary": (lambda: bytes(3073 * 3), lambda file: cifar.binary_chunk(file, cifar.CLASSES_10)),
    "csv": (csv, lambda file: list(mnist_csv.chunks(file))),
    "png": (png, picture_folder),
    "jpeg": (jpeg, picture_folder),
    "safetensors": (tensors, load_as(".safetensors")),
    "pt": (nest, load_as(".pt")),
    "checkpoint": (checkpoint, damaged_is_fine),
    "json": (lambda: b'{"schema": "underhood.store/1", "values": {"error": 0.1, "at": [1, 2]}}', read_json),
    "jsonl": (lambda: b'{"step": 1, "loss": 0.5}\n{"step": 2, "loss": "NaN"}\n' * 20, metrics),
}


# ---- mutations


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A few cuts, flips, repetitions and numbers of extreme size."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(0, len(out) + 1))
        span = int(min(rng.geometric(0.02), len(out)))
        match rng.integers(0, 9):
            case 0 if out:
                out[at % len(out)] ^= 1 << int(rng.integers(0, 8))
            case 1 if out:
                out[at % len(out)] = int(rng.integers(0, 256))
            case 2:
                del out[at : at + span]
            case 3:
                out[at:at] = rng.integers(0, 256, span, np.uint8).tobytes()
            case 4:
                out[at:at] = out[at : at + span] * int(rng.integers(1, 40))
            case 5:
                del out[at:]
            case 6:
                width = int(rng.choice([1, 2, 4, 8]))
                number = int(rng.choice(np.array(NUMBERS, object))) % 2 ** (8 * width)
                out[at : at + width] = number.to_bytes(width, str(rng.choice(["little", "big"])))
            case 7:  # a number in text, such as a header's
                digits = [i for i, sign in enumerate(out[:4000]) if 48 <= sign < 58]
                if digits:
                    at = digits[int(rng.integers(0, len(digits)))]
                    out[at : at + 1] = str(rng.choice(np.array(NUMBERS, object))).encode()
            case 8:
                other = int(rng.integers(0, len(out) + 1))
                out[at : at + span] = out[other : other + span]
    return bytes(out[:LARGEST])


def within(name: str, data: bytes, rng: np.random.Generator) -> bytes:
    """The mutation of what is packed, packed again, so that sums of the packing agree; or a bomb."""
    if name == "idx, gzipped":
        inner = gzip.decompress(data)
        if rng.integers(0, 20) == 0:
            count, zeros = int(rng.integers(0, 2**20)), int(rng.integers(0, 50_000_000))
            inner = struct.pack(">4I", 0x803, count, 28, 28) + bytes(zeros)
            return gzip.compress(inner, 9, mtime=0)[:LARGEST]
        return gzip.compress(mutated(inner, rng), mtime=0)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as there, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for info in there.infolist():
            inner = there.read(info)
            made.writestr(info.filename, mutated(inner, rng) if rng.integers(0, 2) else inner)
    return out.getvalue()


def file_of(seed: int, number: int, seeds: dict[str, bytes]) -> tuple[str, bytes]:
    rng = np.random.default_rng([seed, number])
    name = list(seeds)[number % len(seeds)]
    data = seeds[name]
    if ("npz" in name or name == "idx, gzipped") and rng.integers(0, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two members of one name
            return name, within(name, data, rng)
    return name, mutated(data, rng)


# ---- the run


class TooLongError(Exception):
    """Past the limit."""


def _too_long(number: int, frame: object) -> None:
    raise TooLongError(f"longer than {SECONDS} s")


def peak() -> int:
    """The highest resident memory, in bytes, since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def tried(reader: Reader, file: Path) -> str:
    """What came of it: read, refused, or what went wrong."""
    forget_peak()
    before, began = peak(), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        reader(file)
        word = "read"
    except BadInput as error:
        word = "refused" if len(str(error)) < 2000 else "a message of its own length"
    except BaseException as error:
        word = f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    took, more = time.process_time() - began, peak() - before
    if more > MEGABYTES * 1e6 + LARGEST:
        return f"{more / 1e6:.0f} MB"
    return word if took <= SECONDS else f"{took:.1f} s"


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--files", type=int, default=1000)
    words.add_argument("--first", type=int, default=0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument(
        "--seconds", type=float, default=float("inf"), help="stop after so many, and say how far it came"
    )
    words.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-readers")
    given = words.parse_args()
    signal.signal(signal.SIGPROF, _too_long)
    seeds = {name: make() for name, (make, _) in SEEDS.items()}
    outcomes: Counter[tuple[str, str]] = Counter()
    wrong, began, number = 0, time.monotonic(), given.first
    with tempfile.TemporaryDirectory() as place:
        for name, (_, reader) in SEEDS.items():  # what is whole is read; and libraries are loaded
            (Path(place) / "file").write_bytes(seeds[name])
            with contextlib.suppress(*[BadInput] * (name == "nested pickle")):
                reader(Path(place) / "file")
        while number < given.first + given.files and time.monotonic() - began < given.seconds:
            name, data = file_of(given.seed, number, seeds)
            file = Path(place) / "file"
            file.write_bytes(data)
            word = tried(SEEDS[name][1], file)
            if word not in ("read", "refused"):
                wrong += 1
                given.keep.mkdir(parents=True, exist_ok=True)
                (given.keep / f"{given.seed}-{number}").write_bytes(data)
                print(f"file {number} of seed {given.seed}, {name}: {word}", flush=True)
            outcomes[name, word if word in ("read", "refused") else "wrong"] += 1
            number += 1
    for (name, word), count in sorted(outcomes.items()):
        print(f"{name:<16} {word:<8} {count:>7,}")
    seconds = time.monotonic() - began
    print(f"seed {given.seed}, files {given.first:,} to {number - 1:,}: {wrong} went wrong, in {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
