"""Writing a benchmark's figures into a page of docs/."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PERFORMANCE = DOCS / "performance.md"
MODELS = DOCS / "models.md"
REPRODUCING = DOCS / "reproducing.md"


def put_into_page(page: Path, mark: str, lines: list[str]) -> None:
    """Replace the text between two marks of a Markdown page."""
    text = page.read_text("utf-8")
    head, _, rest = text.partition(f"<!-- {mark} -->")
    _, _, tail = rest.partition(f"<!-- end {mark} -->")
    body = "\n".join(lines)
    page.write_text(f"{head}<!-- {mark} -->\n{body}\n<!-- end {mark} -->{tail}", "utf-8")


def put_rows(page: Path, mark: str, head: list[str], rows: list[str], after: str) -> None:
    """Renew rows of a table between two marks; rows of other models stay.

    Parameters
    ----------
    page, mark
        As of `put_into_page`.
    head : list of str
        The table's heading and the line below it.
    rows : list of str
        New rows. The first cell names the model; all its earlier rows go. Earlier rows of another
        number of columns go, too.
    after : str
        A line below the table.
    """
    text = page.read_text("utf-8").partition(f"<!-- {mark} -->")[2]
    lines = text.partition(f"<!-- end {mark} -->")[0].splitlines()
    table = [line for line in lines if line.startswith("|")][2:]
    kept = [row for row in table if row.count("|") == head[0].count("|")]
    by_model: dict[str, list[str]] = {}
    for row in kept:
        by_model.setdefault(cells(row)[0], []).append(row)
    fresh: dict[str, list[str]] = {}
    for row in rows:
        fresh.setdefault(cells(row)[0], []).append(row)
    by_model |= fresh
    body = [row for found in by_model.values() for row in found]
    put_into_page(page, mark, [*head, *body, "", after])


def cells(row: str) -> list[str]:
    """Return the cells of a row of a Markdown table."""
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def table_of(page: Path, mark: str) -> list[dict[str, str]]:
    """Return the table between two marks, each row by the heading of its columns."""
    text = page.read_text("utf-8").partition(f"<!-- {mark} -->")[2]
    lines = text.partition(f"<!-- end {mark} -->")[0].splitlines()
    head, _, *rows = (cells(line) for line in lines if line.startswith("|"))
    return [dict(zip(head, row, strict=True)) for row in rows]


def today() -> str:
    """Return the date, for a column of a table."""
    return date.today().isoformat()


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def measured_on() -> str:
    """Return a line that says on what machine and when figures were measured."""
    return f"{len(os.sched_getaffinity(0))} cores ({processor()}), {date.today().isoformat()}."
