"""TensorBoard's event files: a folder a trial, each metric and number of the result as a scalar.

    OUT/<label>/seed-<n>/events.out.tfevents.<begun>.underhood

    record   length uint64, CRC(length) uint32, event, CRC(event) uint32          little-endian
    CRC      rotate(crc32c(bytes), right 15) + 0xa282ead8, modulo 2³²
    event    protobuf: 1 wall_time double, 2 step int64, 3 file_version string, 5 summary
    summary  1 value, repeated: 1 tag string, 2 simple_value float

A metric is kept without the time it was taken at, so all events of a trial bear the time it was begun. TensorBoard's
scalars are float32. A value of the result is `result/NAME`, at the trial's last step.

Source: tensorflow/core/util/event.proto, framework/summary.proto, lib/io/record_writer.h; CRC-32C: RFC 3720, B.4.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from underhood.lab.files import replace
from underhood.lab.results import Run, StoredTrial

POLYNOMIAL = 0x82F63B78  # CRC-32C's, its bits reversed
MASK = 0xA282EAD8
FLOAT_MAX = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def write_events(run: Run, out: Path) -> None:
    """Write a file of events for each trial of the run that measured something; what is there of it is replaced."""
    for folder, trial in _folders(run):
        scalars = list(_scalars(trial))
        if scalars:
            begun = str(trial.begun or run.facts["began"])
            time = datetime.fromisoformat(begun).timestamp() if begun else 0.0
            path = out / folder / f"events.out.tfevents.{int(time)}.underhood"
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, b"".join(map(record, _events(scalars, time))))


def _folders(run: Run) -> Iterator[tuple[Path, StoredTrial]]:
    """A folder of its own for each trial, called after its setting and seed."""
    taken: set[str] = set()
    for group in run.results.groups:
        name = "".join(sign if sign.isalnum() or sign in " .,=+-_" else "_" for sign in group.label)[:80].strip(" .")
        while not name or name.casefold() in taken:
            name = f"{name}_"
        taken.add(name.casefold())
        for trial in group.trials:
            yield Path(name) / f"seed-{trial.seed}", trial


def _scalars(trial: StoredTrial) -> Iterator[tuple[int, dict[str, float]]]:
    """Steps with their numbers."""
    step = 0
    for line in [] if trial.damage else trial.folder.metrics():
        step = int(line["step"])
        yield step, {name: float(value) for name, value in line.items() if name != "step"}
    numbers = {f"result/{name}": value for name, value in trial.numbers.items()}
    if numbers:
        yield step, numbers


def _events(scalars: Iterable[tuple[int, dict[str, float]]], time: float) -> Iterator[bytes]:
    wall_time = b"\x09" + struct.pack("<d", time)
    yield wall_time + _bytes(3, b"brain.Event:2")
    for step, values in scalars:
        summary = b"".join(_bytes(1, _bytes(1, name.encode()) + _float(value)) for name, value in values.items())
        yield wall_time + b"\x10" + _varint(step) + _bytes(5, summary)


def _float(value: float) -> bytes:
    """Field 2 as float32; a number beyond its range is infinite there."""
    if math.isfinite(value) and abs(value) > FLOAT_MAX:
        value = math.copysign(math.inf, value)
    return b"\x15" + struct.pack("<f", value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number as its complement in 64 bits."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def record(event: bytes) -> bytes:
    """An event framed."""
    length = struct.pack("<Q", len(event))
    return length + struct.pack("<I", masked(length)) + event + struct.pack("<I", masked(event))


def masked(data: bytes) -> int:
    """The checksum as it stands in a record: turned, lest that of data which hold checksums be weak."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC of 32 bits."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ POLYNOMIAL * (byte & 1)
    return byte


TABLE: tuple[Any, ...] = tuple(map(_row, range(256)))
