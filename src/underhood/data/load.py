"""Loading a set by its name, or one's own by its path.

    load("mnist")                  UNDERHOOD_DATA, or the platform's data folder
    load("cifar10", root="/data")
    load("shapes.npz")             one's own arrays
    load("photos")                 one's own pictures, a sub-folder a class

A name of DATA_SETS goes before a path: a folder of one's own called "mnist" is "./mnist".
"""

from hashlib import sha256
from pathlib import Path

from underhood.data import arrays, cifar, digits, folder, mnist, mnist_csv
from underhood.data.cache import Copy, converted
from underhood.data.locations import data_root
from underhood.data.registry import Arrays, DataSet, Part
from underhood.errors import BadInput, nearest

DATA_SETS: dict[str, DataSet] = {
    data_set.name: data_set
    for data_set in (digits.data_set, mnist.data_set, mnist_csv.data_set, cifar.cifar10, cifar.cifar100)
}


def load(name: str, root: Path | str | None = None) -> Arrays:
    """The set `name`: one of DATA_SETS below `root` (see `data_root`), a `.npz` file or a folder of pictures.

    The first time it is checked and converted, afterwards its converted copy is mapped, which takes
    milliseconds and reads nothing before it is used. The official sets come with the published mean and
    standard deviation, one's own with those of its training pixels. Raises BadInput that names the file when
    data lack or are wrong, MissingPiece when the converted copy cannot be kept.
    """
    train, test = (converted(name, part) for part in parts(name, root))
    data_set = DATA_SETS.get(name)
    if data_set is None:
        _same_shape(name, train, test)
        white = 255
        mean, std = (tuple(value / white for value in raw) for raw in (train.mean, train.std))
    else:
        _not_swapped(data_set, train, test)
        mean, std, white = data_set.mean, data_set.std, data_set.white
    fingerprint = sha256(f"{train.sha256} {test.sha256}".encode()).hexdigest()
    return Arrays(name, train.images, test.images, mean, std, white, fingerprint)


def fingerprint(name: str, root: Path | str | None = None) -> str:
    """The SHA-256 of the set's images, labels and their order: the same for whatever format they came in."""
    return load(name, root).fingerprint


def parts(name: str, root: Path | str | None = None) -> tuple[Part, Part]:
    """The train and test parts of a set as they lie on disk, unread."""
    root = data_root(root)
    if data_set := DATA_SETS.get(name):
        return data_set.parts(root)
    for path in (Path(name).expanduser(), root / name):
        if path.is_dir():
            return folder.parts(path)
        if path.is_file():
            return arrays.parts(path)
    if name.endswith(".npz") or len(Path(name).parts) > 1:
        raise BadInput(f"data: there is no {name}, neither here nor in {root}.")
    raise BadInput(
        f'data: unknown "{name}"; {nearest(name, list(DATA_SETS))}\n'
        "One's own data go by their path: a .npz file of arrays, or a folder of pictures."
    )


def _not_swapped(data_set: DataSet, train: Copy, test: Copy) -> None:
    if (len(train.images), len(test.images)) == (data_set.test, data_set.train):
        raise BadInput(
            f"{data_set.name}: the training files hold {data_set.test:,} images and the test files "
            f"{data_set.train:,}, which is the other way round. Were train and test swapped?"
        )


def _same_shape(name: str, train: Copy, test: Copy) -> None:
    shapes = [part.images.images.shape[1:] for part in (train, test)]
    if shapes[0] != shapes[1]:
        of = ["×".join(map(str, shape)) for shape in shapes]
        raise BadInput(f"{name}: training images are {of[0]} (channels, height, width), test images {of[1]}.")
