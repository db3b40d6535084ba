"""Real OpenFace CSVs, and ways to damage them."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "raw" / "demo" / "openface"
REAL = Path(__file__).parents[3] / "shared" / "real" / "openface"


def real_csv(name: str) -> bytes:
    """Return a real OpenFace CSV, gzipped; the test is skipped where it does not lie."""
    path = REAL / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: it is other people's, and no part of the project")
    return path.read_bytes()


def demo_csv() -> str:
    """Return one demo clip's CSV: 64 rows, as text."""
    return read(DEMO / "video_0003" / "0007.csv.gz")


def read(path: Path) -> str:
    """Return a gzipped CSV as text."""
    return gzip.decompress(path.read_bytes()).decode()


def with_cell(text: str, row: int, column: str, value: str) -> str:
    """Return the CSV with one cell replaced (row 0 is the first frame)."""
    lines = text.splitlines()
    names = [name.strip() for name in lines[0].split(",")]
    cells = lines[row + 1].split(",")
    cells[names.index(column)] = value
    lines[row + 1] = ",".join(cells)
    return "\n".join(lines) + "\n"


def with_timestamps(text: str, rate: float) -> str:
    """Return the CSV as OpenFace writes it for a video of `rate` frames a second."""
    lines = text.splitlines()
    for row in range(len(lines) - 1):
        cells = lines[row + 1].split(", ")
        cells[2] = f"{row / rate:.3f}"
        lines[row + 1] = ", ".join(cells)
    return "\n".join(lines) + "\n"


def with_rows(text: str, rows: int) -> str:
    """Return the CSV with its face's motion at another rate: `rows` rows, numbered anew."""
    head, *lines = text.splitlines()
    kept = [lines[round(row * (len(lines) - 1) / (rows - 1))].split(", ") for row in range(rows)]
    numbered = [", ".join([str(row), *cells[1:]]) for row, cells in enumerate(kept, start=1)]
    return "\n".join([head, *numbered]) + "\n"


def changed(text: str, axis: str, change: Callable[[float], float]) -> str:
    """Return the CSV with the landmarks of one axis changed, in pixels."""
    head, *lines = text.splitlines()
    names = [name.strip() for name in head.split(",")]
    which = [names.index(f"{axis}_{point}") for point in range(68)]
    rows = []
    for line in lines:
        cells = line.split(", ")
        for at in which:
            cells[at] = f"{change(float(cells[at])):.1f}"
        rows.append(", ".join(cells))
    return "\n".join([head, *rows]) + "\n"
