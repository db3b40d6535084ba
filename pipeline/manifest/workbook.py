"""An .xlsx workbook as a grid of text: plain cells are read, all else is refused by its place."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.manifest.columns import clean
from pipeline.manifest.grid import Grid

_MOST_BYTES = 500_000_000
_SAVE = "save it as .xlsx with one plain sheet, or as CSV in UTF-8"
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old .xls workbook, or one with a password",
    b"%PDF": "a PDF",
    b"{\\rtf": "an RTF text",
}


def refuse_foreign(data: bytes, path: Path) -> None:
    """Refuse what is neither text nor a workbook that can be read."""
    for start, what in _FOREIGN.items():
        if data.startswith(start):
            raise BuildError(f"{path} is {what}; expected CSV or .xlsx", _SAVE)
    if re.match(rb"\s*(<!doctype html|<html|<table|<\?xml)", data[:200], re.IGNORECASE):
        raise BuildError(f"{path} is a web page or XML; expected CSV or .xlsx", _SAVE)


def is_workbook(data: bytes) -> bool:
    """Tell whether a file is a ZIP archive, as every .xlsx is, whatever its name."""
    return data.startswith(b"PK\x03\x04")


def workbook_grid(data: bytes, path: Path) -> Grid:
    """Read the one sheet of a workbook that has content.

    Raises
    ------
    BuildError
        If the file is no workbook, or more than one sheet has content.
    """
    sheet = _only_sheet(_opened(data, path), path)
    grid = Grid(path, notes=[f"{path.name}: the sheet {sheet.title!r} was read"])
    for merged in sheet.merged_cells.ranges:
        grid.faults.append(f"cells {merged.coord} are merged: give each line values of its own")
    for number, row in enumerate(sheet.iter_rows(), 1):
        fields = []
        for place, cell in enumerate(row):
            text, fault = _text(cell)
            fields.append(clean(text))
            if fault:
                grid.cells[number, place] = fault
        while fields and not fields[-1]:
            fields.pop()
        if fields:
            grid.lines.append((number, fields))
            if sheet.row_dimensions[number].hidden:
                grid.faults.append(f"line {number} is hidden: show it, or take it out")
    return grid


def _opened(data: bytes, path: Path) -> Any:
    import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(item.file_size for item in archive.infolist())
            kind = archive.namelist()
        if size > _MOST_BYTES or "xl/workbook.xml" not in kind:
            raise ValueError("no workbook" if size <= _MOST_BYTES else "too large")
        return openpyxl.load_workbook(io.BytesIO(data))
    except Exception as error:  # of a damaged archive openpyxl raises whatever it meets first
        raise BuildError(
            f"{path} cannot be read as an .xlsx workbook ({type(error).__name__}: {error})", _SAVE
        ) from error


def _only_sheet(workbook: Any, path: Path) -> Any:
    filled = [s for s in workbook.worksheets if any(c.value is not None for r in s for c in r)]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        raise BuildError(f"{path} has no sheet with content", "fill in one sheet")
    names = ", ".join(repr(sheet.title) for sheet in filled)
    raise BuildError(
        f"{path} has {len(filled)} sheets with content ({names}); expected one",
        "take the others out, or save the right one as CSV in UTF-8",
    )


def _text(cell: Any) -> tuple[str, str]:
    """Return a cell's text, and why it is not plain."""
    value, shown = cell.value, getattr(cell, "number_format", "")
    if value is None:
        return "", ""
    if cell.data_type == "f":
        return str(value), "holds a formula; expected its value (paste as values)"
    if cell.data_type == "e":
        return str(value), f"holds the error {value}"
    if isinstance(value, bool):
        return str(value), f"holds the truth value {value}"
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)):
        return str(value), "holds a date or time; format the column as text and type it again"
    if isinstance(value, (int, float)):
        if "%" in shown:
            return f"{value:.15g}", "holds a percentage; expected a number from -1 to 1"
        whole = float(value).is_integer()
        zeros = re.fullmatch(r"0{2,}", shown)
        text = str(int(value)) if whole else f"{value:.15g}"
        return (text.zfill(len(shown)) if zeros and whole else text), ""
    return str(value), ""
