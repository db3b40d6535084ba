"""Whether a product is up to date with the files that it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.store.files import file_digest, read_json, write_json
from pipeline.store.layout import Layout

_SMALL = 1_000_000
"""Bytes up to which files are compared by content, as Snakemake does; larger ones by time."""


def note_inputs(layout: Layout, outputs: Iterable[str], inputs: Iterable[str]) -> None:
    """Record what a job read, for each product that it wrote.

    Parameters
    ----------
    layout : Layout
        The build's folder.
    outputs, inputs : iterable of str
        Files that the job wrote and read.
    """
    read = [path for path in map(Path, inputs) if layout.holds(path)]
    noted = {path.relative_to(layout.root).as_posix(): _state(path) for path in read}
    written = {*map(Path, outputs)}
    for product, record in _declared(layout).items():
        if written & {product, record}:
            write_json(layout.read_by(product), noted)


def products(layout: Layout) -> tuple[Path, ...]:
    """Return the files that a build produces for the user."""
    return (layout.dataset, layout.result("table2"), layout.report)


def _declared(layout: Layout) -> dict[Path, Path]:
    """Return what a rule declares as its output, for each product."""
    dataset, table, page = products(layout)
    return {
        dataset: layout.made("dataset"),
        table: layout.made_results("table2"),
        page: layout.made("report"),
    }


def is_outdated(layout: Layout, product: Path) -> bool:
    """Tell whether a product exists but is out of date.

    It is out of date if a file that its job read has changed or disappeared since, or is a
    product that is itself out of date.

    Parameters
    ----------
    layout : Layout
        The build's folder.
    product : Path
        One of `products`.
    """
    if not product.is_file():
        return False
    try:
        noted: dict[str, Any] = dict(read_json(layout.read_by(product)))
    except (OSError, ValueError, TypeError):
        return True  # it is unknown what it was made from
    for name, before in noted.items():
        source = layout.root / name
        if not source.is_file() or _state(source) != before:
            return True
        for other, record in _declared(layout).items():
            if source in (other, record) and is_outdated(layout, other):
                return True
    return False


def _state(path: Path) -> str:
    """Return what identifies a file's content: its digest, or its size and time."""
    status = path.stat()
    if status.st_size <= _SMALL:
        return file_digest(path)
    return f"{status.st_size} bytes, {status.st_mtime_ns}"
