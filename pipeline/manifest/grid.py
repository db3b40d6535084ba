"""The lines of a CSV sheet as fields, with every fault of its quotation marks."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.manifest.columns import clean, locate

_DELIMITERS = ",;\t|"
_MOST_FAULTS = 20
_LONGEST_WORD = 16
"""Characters of a value that may well come again: a label, a number, a speaker."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")


Lines = list[tuple[int, list[str]]]
"""Line number and cleaned fields of each line."""


@dataclass
class Grid:
    """A sheet as text, before its columns are understood.

    Parameters
    ----------
    path : Path
        The file.
    lines : Lines
        Blank lines are left out.
    faults : list of str
        Why the sheet cannot be used.
    cells : dict of (int, int) to str
        By line and place of the field: why the value of a workbook's cell is not plain.
    notes : list of str
        What a person should know about how the sheet was read.
    """

    path: Path
    lines: Lines = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    cells: dict[tuple[int, int], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def csv_grid(text: str, path: Path) -> Grid:
    """Split a sheet into lines and fields: comma, semicolon, tab or bar separated."""
    physical = _LINE.findall(text)
    start = next((i for i, line in enumerate(physical) if clean(line)), len(physical))
    if start < len(physical) and (named := re.match(r"sep=(.)\s*$", physical[start])):
        delimiter, start = named[1], start + 1
    else:
        delimiter = _delimiter(physical[start] if start < len(physical) else "")
    grid = Grid(path)
    while start < len(physical) and len(grid.faults) < _MOST_FAULTS:
        start = _read_on(physical, start, delimiter, grid)
    return grid


def _read_on(physical: list[str], start: int, delimiter: str, grid: Grid) -> int:
    """Read lines until the end or a fault; return the line to go on from."""
    csv.field_size_limit(max(csv.field_size_limit(), 2**31 - 1))  # rows are judged, not limited
    reader = csv.reader(
        iter(physical[start:]), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    first = start
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return len(physical)
        except csv.Error:
            grid.faults.append(_quote_fault(physical[first], first, delimiter, grid))
            return first + 1
        after = start + reader.line_num
        if after > first + 1 and _swallows(fields, delimiter):
            grid.faults.append(_quote_fault(physical[first], first, delimiter, grid))
            return first + 1
        cleaned = [_once(clean(value)) for value in fields]
        if any(cleaned):
            grid.lines.append((first + 1, cleaned))
        first = after


def _once(value: str) -> str:
    """Return the string of this value that memory holds already, if it is a short one."""
    return value if len(value) > _LONGEST_WORD else sys.intern(value)


def _swallows(fields: list[str], delimiter: str) -> bool:
    """Tell whether a field with line breaks holds what must be another line of the sheet."""
    inner = (piece for value in fields for piece in re.split(r"\r\n|\r|\n", value)[1:])
    return any(piece.count(delimiter) >= 2 for piece in inner)


def _quote_fault(line: str, place: int, delimiter: str, grid: Grid) -> str:
    column = _quoted_column(line.rstrip("\r\n"), delimiter)
    header = grid.lines[0][1] if grid.lines else []
    name = header[column] if column < len(header) else str(column + 1)
    return (
        f"line {place + 1}, column {name}: a quotation mark is opened and not closed before the "
        "field ends (within a quoted field write it twice)"
    )


def _quoted_column(line: str, delimiter: str) -> int:
    """Return the place of the first field whose quotation marks do not fit."""
    column, at = 0, 0
    while at <= len(line):
        at += len(line[at:]) - len(line[at:].lstrip(" "))
        if line[at : at + 1] == '"':
            closed = re.compile(r'"(?:[^"]|"")*"').match(line, at)
            if closed is None or line[closed.end() : closed.end() + 1] not in ("", delimiter):
                return column
            at = closed.end()
        at = line.find(delimiter, at)
        if at < 0:
            return column
        column, at = column + 1, at + 1
    return column


def _delimiter(header: str) -> str:
    """Choose the delimiter under which most columns are understood."""
    return max(_DELIMITERS, key=lambda d: (len(locate(next(_fields(header, d)))), header.count(d)))


def _fields(line: str, delimiter: str) -> Iterator[list[str]]:
    yield from csv.reader([line], delimiter=delimiter)
    yield []
