"""Are the files what their authors published? By checksum where there is one, by content otherwise.

    official       the file's MD5 sum is the official one
    same content   the part's images and labels are the official ones, in another row order, format or file
    readable       it reads well; what it should be is not known (one's own data)
    differs        it reads well, but it is not the official content
    damaged        it cannot be read as what it should be
    unknown        it has no checksum, and a damaged file of its part hinders reading on

The content of a part, whatever its order: each image is hashed with its label, SHA-256(label, 2 bytes
little-endian, then the pixels), and the hashes are sorted and hashed again. So CIFAR-100 passes in any row
order, and MNIST as CSV; a changed pixel, a wrong label, a missing or doubled image do not.
"""

from collections.abc import Iterable, Iterator
from hashlib import file_digest, md5, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underhood.data.load import DATA_SETS, parts
from underhood.data.registry import Chunk, DataSet, Part
from underhood.errors import BadInput

if TYPE_CHECKING:
    from underhood.tables import Table

SOUND = {"official", "same content", "readable"}
PUBLISHED = "the published MD5 sum"
REORDERED = "in another order or form"


def verify(name: str, root: Path | str | None = None) -> "Table":
    """A row for each file of the set: its size, verdict and why. Everything is read, nothing is cached.

    Raises BadInput when the set isn't there. `sound(table)` tells whether all is well.
    """
    from underhood.tables import Column, Table

    data_set = DATA_SETS.get(name)
    rows = []
    both = parts(name, root)
    for position, part in enumerate(both):
        rows += _part_rows(part, data_set, position)
    rows += _companions(data_set, both)
    columns = [
        Column("file", "File", align="left"),
        Column("bytes", "Size", unit="bytes", format=",d"),
        Column("verdict", "Verdict", align="left"),
        Column("note", "Why", align="left"),
    ]
    foot = []
    if any(REORDERED in row["note"] for row in rows):
        foot = ["Rows do not agree with the official file's: join lists made for that by content, not by row number."]
    return Table(f"Files of {name}", columns, rows, foot, name=f"verify-{Path(name).stem}")


def sound(table: "Table") -> bool:
    """Whether every file that `verify` read may be used."""
    return all(row["verdict"] in SOUND for row in table.rows)


def content(chunks: Iterable[Chunk]) -> tuple[str, int]:
    """The hash of a part's content, the same in whatever order, and the number of its images."""
    rows: list[bytes] = []
    for images, labels in chunks:
        rows += [
            sha256(int(label).to_bytes(2, "little") + image.tobytes()).digest()
            for image, label in zip(images, labels, strict=True)
        ]
    return sha256(b"".join(sorted(rows))).hexdigest(), len(rows)


def _part_rows(part: Part, data_set: DataSet | None, position: int) -> list[dict[str, Any]]:
    if data_set is None:
        return [{"file": part.name, "bytes": None, **_readable(part)}]
    files = {file: _official(file, data_set) for file in part.files}
    if files and all(files.values()):
        return [_row(file, "official", PUBLISHED) for file in files]
    verdict, note, culprit = _by_content(part, data_set, position)
    if not files:  # a set that comes with a library
        return [{"file": part.stamp, "bytes": None, "verdict": verdict, "note": f"{part.name}: {note}"}]
    rows = []
    for file, official in files.items():
        if official:
            rows.append(_row(file, "official", PUBLISHED))
        elif culprit and culprit != file:
            rows.append(_row(file, "unknown", f"{culprit.name} stands in the way of reading the {part.name} part"))
        else:
            rows.append(_row(file, verdict, note))
    return rows


def _by_content(part: Part, data_set: DataSet, position: int) -> tuple[str, str, Path | None]:
    """Verdict and note for a part, and the file to blame if it is damaged."""
    try:
        found, images = content(part.read())
    except BadInput as error:
        message = str(error)
        culprit = next((file for file in part.files if message.startswith(f"{file}:")), part.files[0])
        return "damaged", message.removeprefix(f"{culprit}: "), culprit
    expected = (data_set.train, data_set.test)[position]
    if found == data_set.content[position]:
        published = any(file.name in data_set.checksums for file in part.files)
        return "same content", f"the {images:,} official images and labels" + f", {REORDERED}" * published, None
    if images != expected:
        return "differs", f"{images:,} images where the official part has {expected:,}", None
    return "differs", f"{images:,} images, as many as there should be, but pixels or labels are others", None


def _readable(part: Part) -> dict[str, str]:
    try:
        images = sum(len(labels) for _, labels in part.read())
    except BadInput as error:
        return {"verdict": "damaged", "note": str(error)}
    return {"verdict": "readable", "note": f"{images:,} images in {len(part.classes)} classes"}


def _companions(data_set: DataSet | None, both: tuple[Part, Part]) -> Iterator[dict[str, Any]]:
    """Official files that lie beside those that are read: the gzipped forms, the names of the classes."""
    if data_set is None:
        return
    read = {file for part in both for file in part.files}
    for folder in sorted({file.parent for file in read}):
        for name in data_set.checksums:
            file = folder / name
            if file.is_file() and file not in read:
                if _official(file, data_set):
                    yield _row(file, "official", f"{PUBLISHED}; not needed")
                else:
                    yield _row(file, "differs", f"not {PUBLISHED}; not needed")


def _row(file: Path, verdict: str, note: str) -> dict[str, Any]:
    return {"file": str(file), "bytes": file.stat().st_size, "verdict": verdict, "note": note}


def _official(file: Path, data_set: DataSet) -> bool:
    published = data_set.checksums.get(file.name)
    if published is None:
        return False
    try:
        with open(file, "rb") as opened:
            return file_digest(opened, lambda: md5(usedforsecurity=False)).hexdigest() == published
    except OSError:  # what reading it says is the better message
        return False
