"""CIFAR-10 and CIFAR-100: 60,000 colour photographs, 32×32, in the authors' python and binary files.

    python   a pickled dict: data uint8 (N, 3072), labels (CIFAR-10) or fine_labels (CIFAR-100), batch_label …
    binary   records of one label byte (CIFAR-100: the coarse label, then the fine one) and 3072 pixels

The 3072 values of an image are 1024 red, 1024 green, 1024 blue, each row by row: (3, 32, 32) as it stands.
CIFAR-100 is read with its fine labels.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images",
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from underhood.data.locations import Layout
from underhood.data.registry import Chunk, DataSet, Part, Remote, checked
from underhood.data.unpickle import unpickle
from underhood.errors import BadInput

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
HOME = "https://www.cs.toronto.edu/~kriz/"
SOURCE = f"{HOME}cifar.html"

CLASSES_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NAMES_100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
CLASSES_100 = tuple(NAMES_100.split())

layout_10 = Layout(
    name="cifar10",
    source=SOURCE,
    folders={
        "cifar-10-batches-py": (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"),
        "cifar-10-batches-bin": (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"),
    },
    archive="cifar-10-python.tar.gz",
)
layout_100 = Layout(
    name="cifar100",
    source=SOURCE,
    folders={"cifar-100-python": ("train", "test"), "cifar-100-binary": ("train.bin", "test.bin")},
    archive="cifar-100-python.tar.gz",
)


def parts(layout: Layout, classes: tuple[str, ...], root: Path) -> tuple[Part, Part]:
    *train, test = layout.find(root).values()
    return (
        Part("train", tuple(train), classes, partial(chunks, tuple(train), "train", classes)),
        Part("test", (test,), classes, partial(chunks, (test,), "test", classes)),
    )


def chunks(files: tuple[Path, ...], part: str, classes: tuple[str, ...]) -> Iterator[Chunk]:
    for file in files:
        yield binary_chunk(file, classes) if file.suffix == ".bin" else python_chunk(file, part, classes)


def python_chunk(file: Path, part: str, classes: tuple[str, ...]) -> Chunk:
    """One pickled batch. Raises BadInput for a batch of the other part, and for one that is no CIFAR batch."""
    batch = unpickle(file)
    key = "labels" if len(classes) == 10 else "fine_labels"
    for wanted in ("data", key):
        if wanted not in batch:
            there = ", ".join(sorted(batch)) or "nothing"
            raise BadInput(f'{file}: has no "{wanted}" (it has {there}). Is it a file of another set?')
    _same_part(file, part, batch.get("batch_label", b""))
    data, labels = batch["data"], _labels(file, key, batch[key])
    if not (isinstance(data, np.ndarray) and data.ndim == 2 and data.shape[1] == PIXELS):
        raise BadInput(f'{file}: "data" should be an array of N×{PIXELS} bytes; it is {_described(data)}.')
    return checked(file, data.reshape(-1, *SHAPE), labels, classes)


def _labels(file: Path, key: str, labels: object) -> NDArray[np.int64]:
    """A list of whole numbers as an array; looked at one by one, for a list of lists of lists could be without end."""
    if not isinstance(labels, list) or not all(type(each) is int and abs(each) < 2**63 for each in labels):
        raise BadInput(f'{file}: "{key}" should be a list of whole numbers.')
    return np.array(labels, np.int64)


def _same_part(file: Path, part: str, label: object) -> None:
    text = label.decode("latin1") if isinstance(label, bytes) else label if isinstance(label, str) else ""
    other = {"train": "testing", "test": "training"}[part]
    if text.startswith(other):
        raise BadInput(
            f'{file}: calls itself "{text[:60]}" where a {part} file is expected. Were train and test swapped?'
        )


def _described(value: object) -> str:
    return f"an array {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def binary_chunk(file: Path, classes: tuple[str, ...]) -> Chunk:
    """One binary batch. Which part it belongs to is nowhere in it."""
    labels = 1 if len(classes) == 10 else 2  # bytes of labels, the last one fine
    data = np.fromfile(file, np.uint8)
    whole, rest = divmod(data.size, labels + PIXELS)
    if rest:
        raise BadInput(
            f"{file}: {data.size:,} bytes are {whole:,} records of {labels + PIXELS:,} and {rest:,} bytes more.\n"
            "It looks cut short, or is a file of another set; replace it by a whole copy."
        )
    records = data.reshape(whole, labels + PIXELS)
    return checked(file, records[:, labels:].reshape(-1, *SHAPE), records[:, labels - 1], classes)


cifar10 = DataSet(
    name="cifar10",
    summary="photographs of 10 kinds of things, 32×32, RGB",
    source="Krizhevsky 2009",
    classes=CLASSES_10,
    shape=SHAPE,
    train=50_000,
    test=10_000,
    # The 0.2023, 0.1994, 0.2010 seen in many programs are means of the single images' deviations.
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    parts=partial(parts, layout_10, CLASSES_10),
    content=(
        "464110d38d180886da2fbfd74b60e8311bf0055b69563716abbbf3627d3fac80",
        "f01877e81dae1f55f260d1d23c98e51b5128033a34a0a92b88a125f256bb7851",
    ),
    checksums={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    remote=Remote(
        base=HOME,
        files={layout_10.archive: "c58f30108f718f92721af3b95e74349a"},
        archive="cifar-10-batches-py",
    ),
)

cifar100 = DataSet(
    name="cifar100",
    summary="photographs of 100 kinds of things, 32×32, RGB",
    source="Krizhevsky 2009",
    classes=CLASSES_100,
    shape=SHAPE,
    train=50_000,
    test=10_000,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    parts=partial(parts, layout_100, CLASSES_100),
    # Taken from a copy with the official images, labels and file names whose rows were in another order.
    content=(
        "778c4f3ac479801d3de95fb630041ebccaf4f71f8188eac3452f574a56a837d0",
        "1072eb731d00e5beb7d6feab3b4d44dbed02b77a78f39f47b3c37613ff3b5c58",
    ),
    checksums={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
    remote=Remote(
        base=HOME,
        files={layout_100.archive: "eb9058c3a382ffc7106e4002c42a8d85"},
        archive="cifar-100-python",
    ),
)
