"""Real OpenFace CSVs, and ways to damage them."""

import gzip
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
