from pathlib import Path
from typing import Any

from underhood.data import DATA_SETS, catalogue


def test_every_set_is_listed_with_where_it_lies(root: Path, formats: Any) -> None:
    folder = formats.cifar10(root)
    table = catalogue(root)
    assert [row["name"] for row in table.rows] == list(DATA_SETS)
    places = {row["name"]: row["place"] for row in table.rows}
    assert places["cifar10"] == str(folder)
    assert places["digits"].startswith("scikit-learn ")
    assert places["mnist"] is places["mnist-csv"] is places["cifar100"] is None


def test_the_figures_of_a_set(root: Path) -> None:
    (row,) = (row for row in catalogue(root).rows if row["name"] == "cifar100")
    assert (row["shape"], row["classes"], row["train"], row["test"]) == ("3×32×32", 100, 50_000, 10_000)


def test_it_reads_well(root: Path) -> None:
    text = str(catalogue(root))
    assert "60,000" in text
    assert f"Looked for in {root}" in text
