"""docs/augmentation.md: its example runs, every page has its row and its picture, and the pictures are the pages'."""

import re
from base64 import b64decode
from inspect import signature
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from underhood.data.augmentation import AUGMENTATIONS
from underhood.data.augmentation.document import boat, figures, main

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "augmentation.md").read_text(encoding="utf-8")


def pixels(drawing: Path) -> list[np.ndarray]:
    """Every picture in an .svg file."""
    found = re.findall(r"data:image/png;base64,([\w+/=]+)", drawing.read_text(encoding="utf-8"))
    return [np.asarray(Image.open(BytesIO(b64decode(packed)))) for packed in found]


def test_every_page_has_its_row_with_its_arguments_and_its_picture() -> None:
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\S+ \| (.*)$", PAGE, re.M))
    assert list(rows) == list(AUGMENTATIONS)
    for name, row in rows.items():
        for argument in list(signature(AUGMENTATIONS[name]).parameters.values()):
            assert f"`{argument.name}" in row
            if argument.default is not None:
                said = str(argument.default).lower() if isinstance(argument.default, bool) else argument.default
                assert f"{argument.name} = {said}`" in row.replace('"', "")
        assert f"](augmentation/{name}.svg)" in PAGE
    assert "](augmentation/repeats.svg)" in PAGE


def test_the_pictures_are_what_the_pages_do(tmp_path: Path) -> None:
    main(str(tmp_path))
    assert {path.stem for path in tmp_path.iterdir()} == {*AUGMENTATIONS, "repeats"} == set(figures())
    for drawn in tmp_path.iterdir():
        ours, kept = pixels(drawn), pixels(DOCS / "augmentation" / drawn.name)
        np.testing.assert_array_equal(ours, kept, err_msg="run `make docs`")
        assert len({picture.tobytes() for picture in kept}) > 1


def test_the_boat_tells_left_from_right_and_up_from_down() -> None:
    assert (boat() != boat()[:, :, ::-1]).any()
    assert (boat() != boat()[:, ::-1]).any()


def test_the_example_runs_and_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    names: dict[str, Any] = {}
    exec(example, names)
    (promised,) = re.findall(r"print\(.*  # (.*)", example)
    assert capsys.readouterr().out.strip() == promised
    shown = names["x"][np.abs(names["x"]) > 0]
    assert shown.min() >= -0.82
