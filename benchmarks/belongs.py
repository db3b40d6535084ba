"""How often a CSV of another clip or picture is told from the right one, on the demo corpus.

    chsims-build --config config/demo.yaml --stage faces
    python benchmarks/belongs.py processed/demo [--docs]

The demo's CSVs are of 224-pixel crops. Each is also put into the whole picture, where MTCNN
found the face. --docs renews the table in docs/openface.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.openface.belongs import FaceTrack, check_belongs
from pipeline.openface.columns import COLUMNS
from pipeline.openface.table import parse_table
from pipeline.store.features import Store

Table = NDArray[np.float32]

CROP = 224
_MARGIN = 0.3
_ROOT = Path(__file__).parents[1]
_CSVS = _ROOT / "raw" / "demo" / "openface"
_PAGE = _ROOT / "docs" / "openface.md"

# the landmark that stands in each one's place in a mirrored face
_MIRRORED = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
]


def block(first: str) -> slice:
    """Return where the 68 columns from `first` on are."""
    start = COLUMNS.index(first)
    return slice(start, start + 68)


def on_whole_picture(
    table: Table, face: FaceTrack, scale: NDArray[np.float64] | None = None
) -> Table:
    """Return a crop's table as OpenFace writes it for the clip's whole picture.

    `scale` [rows] is the size of a crop's pixel in the picture; by default that of square crops
    with a margin of 30 % around each frame's box.
    """
    low, high = face.box[: len(table), :2], face.box[: len(table), 2:]
    if scale is None:
        scale = (high - low).max(1) * (1 + 2 * _MARGIN) / CROP
    made = table[: len(low)].copy()
    width, height = face.sizes[0]
    focal = 250 * (width / 640 + height / 480)
    for axis, size in enumerate((width, height)):
        pixels, metric = block("xy"[axis] + "_0"), block("XY"[axis] + "_0")
        centre = (low + high)[:, axis, None] / 2
        made[:, pixels] = (made[:, pixels] - CROP / 2) * scale[:, None] + centre
        made[:, metric] = (made[:, pixels] - size / 2) * made[:, block("Z_0")] / focal
    return made


def mirrored(table: Table, width: int) -> Table:
    """Return the table that OpenFace writes for the mirrored picture."""
    made = table.copy()
    for first in ("x_0", "y_0", "X_0", "Y_0", "Z_0"):
        made[:, block(first)] = table[:, block(first)][:, _MIRRORED]
    made[:, block("x_0")] = width - made[:, block("x_0")]
    made[:, block("X_0")] *= -1
    return made


def moved(table: Table, *, by: float = 0.0, times: float = 1.0) -> Table:
    """Return a table whose landmarks in pixels were scaled, then shifted to the right."""
    made = table.copy()
    made[:, block("x_0")] = table[:, block("x_0")] * times + by
    made[:, block("y_0")] = table[:, block("y_0")] * times
    return made


def later(table: Table, rows: int) -> Table:
    """Return a table that begins some rows late, and stays at its last row."""
    return table[np.minimum(np.arange(len(table)) + rows, len(table) - 1)]


def refused(table: Table, face: FaceTrack) -> bool:
    """Tell whether a table is refused for a face."""
    try:
        check_belongs(table, np.arange(len(table)), face, "CSV")
    except ClipError:
        return True
    return False


def demo(processed: Path) -> list[tuple[Table, FaceTrack]]:
    """Return each demo clip's table and the face that MTCNN found."""
    store, pairs = Store(processed), []
    for path in sorted(_CSVS.glob("*/*.csv.gz")):
        found = store.read("faces", f"{path.parent.name}/{path.name.partition('.')[0]}")
        box, points = (found.arrays[name].astype(np.float64) for name in ("box", "landmarks"))
        size = (found.info["width"], found.info["height"])
        pairs.append(
            (parse_table(path.read_bytes(), path.name), FaceTrack(box, points, (size,), CROP))
        )
    return pairs


def table_of_rates(pairs: list[tuple[Table, FaceTrack]]) -> Iterable[str]:
    """Yield the lines of the table: refused of all, for crops and for the whole picture."""
    whole = [on_whole_picture(table, face) for table, face in pairs]
    width = pairs[0][1].sizes[0][0]
    cases: dict[str, Callable[[Table, int], Table]] = {
        "the right CSV (must pass)": lambda table, size: table,
        "mirrored picture": mirrored,
        "half, 0.9, 1.1 and twice the size": lambda table, size: table,
        "landmarks moved by 30 pixels": lambda table, size: moved(table, by=30),
        "half a second late": lambda table, size: later(table, 15),
        "a second late": lambda table, size: later(table, 30),
    }
    yield "| CSV | crops | whole picture |"
    yield "|---|---|---|"
    for words, change in cases.items():
        sizes = (0.5, 0.9, 1.1, 2) if "size" in words else (1,)
        results = [
            [
                refused(moved(change(table, size), times=times), face)
                for table, (_, face) in zip(tables, pairs, strict=True)
                for times in sizes
            ]
            for tables, size in (([table for table, _ in pairs], CROP), (whole, width))
        ]
        yield _line(words, results)
    same = [
        (a, b)
        for a, (table, _) in enumerate(pairs)
        for b, (other, _) in enumerate(pairs)
        if a != b and abs(len(table) - len(other)) <= 1
    ]
    yield _line(
        "another clip with as many rows",
        [
            [refused(pairs[a][0], pairs[b][1]) for a, b in same],
            [refused(whole[a], pairs[b][1]) for a, b in same],
        ],
    )


def _line(words: str, results: list[list[bool]]) -> str:
    return f"| {words} | " + " | ".join(f"{sum(r)} of {len(r)}" for r in results) + " |"


def main() -> None:
    """Print the table; put it into docs/openface.md if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("processed", type=Path, help="the demo's build")
    parser.add_argument("--docs", action="store_true", help="renew docs/openface.md")
    options = parser.parse_args()
    lines = list(table_of_rates(demo(options.processed)))
    print("\n".join(lines))
    if options.docs:
        from page import put_into_page

        put_into_page(_PAGE, "belongs", lines)


if __name__ == "__main__":
    main()
