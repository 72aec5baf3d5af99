import re
from pathlib import Path
from typing import Any

import numpy as np

from underhood.data import DATA_SETS, cifar, mnist, mnist_csv

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_example_runs_and_prints_what_it_says(capsys: Any) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    names: dict[str, Any] = {}
    exec(example, names)
    (promised,) = re.findall(r"print\(.*  # (.*)", example)
    assert capsys.readouterr().out.strip() == promised
    assert names["pixels"].shape == (64, 1, 8, 8)
    np.testing.assert_allclose(names["pixels"].mean(), 0, atol=0.1)
    np.testing.assert_allclose(names["pixels"].std(), 1, atol=0.1)


def test_every_set_and_folder_is_named() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*)$", PAGE, re.M))
    assert list(rows) == list(DATA_SETS)
    for page in (mnist, mnist_csv):
        assert page.FILES[0] in rows[page.layout.name]
    for layout in (cifar.layout_10, cifar.layout_100):
        assert all(folder in rows[layout.name] for folder in layout.folders)
