"""The tour notebook runs on the demo, and its committed outputs are those of a run."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.conftest import ROOT

TOUR = ROOT / "docs" / "tour.ipynb"


def test_every_cell_of_the_tour_runs(demo_build: Path) -> None:
    notebook = nbformat.read(TOUR, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in cells)  # each shows something
    shown = "".join(str(cell.outputs) for cell in cells)
    assert "image/png" in shown
    assert "on 5 test clips" in shown


def test_the_committed_tour_has_outputs_to_read() -> None:
    cells = [c for c in nbformat.read(TOUR, as_version=4).cells if c.cell_type == "code"]
    assert all(cell.outputs for cell in cells), (
        "run: .venv/bin/jupyter execute --inplace docs/tour.ipynb"
    )
