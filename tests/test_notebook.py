"""The notebook in examples/ runs from top to bottom, and what its cells end with shows itself."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RICH = {  # what a cell's result is shown as, by the call that the cell ends with
    "underhood.cost(": "text/html",
    "underhood.check(": "text/html",
    "underhood.trace(": "text/html",
    "lines(": "image/svg+xml",
    "run": "text/html",
}


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda path: path.name)
def test_every_cell_runs_and_shows(path, tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without outputs"
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", output
            if output.output_type == "execute_result":
                shown[cell.source.splitlines()[-1]] = output.data
    for end, kind in RICH.items():
        data = next(data for line, data in shown.items() if line.startswith(end))
        assert len(data[kind]) > 200, f"{end} shows nothing as {kind}"
    assert any("every step was replayed" in data.get("text/plain", "") for data in shown.values())
