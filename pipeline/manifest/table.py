"""Reading a sheet: its text encoding or workbook, its delimiter, and its columns by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.manifest.columns import (
    disagreements,
    headerless,
    kept_places,
    locate,
    looks_like_a_clip,
    value,
)
from pipeline.manifest.encoding import decode
from pipeline.manifest.grid import Grid, Lines, csv_grid
from pipeline.manifest.workbook import is_workbook, refuse_foreign, workbook_grid


@dataclass(frozen=True)
class Record:
    """One line of a sheet, its values by column."""

    line: int
    values: Mapping[str, str]
    extra: int
    """Fields beyond the header's: a comma inside a transcript that was not quoted."""

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "")


@dataclass(frozen=True)
class Table:
    """A sheet: where it lies, its header as written, the columns understood, its lines."""

    path: Path
    header: tuple[str, ...]
    columns: Mapping[str, str]
    """The columns understood, each with its name in the header."""
    where: Mapping[str, list[int]]
    """The places of these columns."""
    lines: Lines
    """Number and fields of each line below the header."""
    notes: tuple[str, ...] = ()
    """How it was read, where a person should know."""
    faults: tuple[str, ...] = ()
    """Why it cannot be used: open quotation marks, cells that are not plain, columns that
    disagree."""
    starts_with_a_clip: bool = False
    """No column is known and the first line has a clip's values."""
    header_line: int = 0
    """The line below the first that has the columns' names, if the first has not."""

    @property
    def records(self) -> Iterator[Record]:
        """The lines, one after the other; there may be very many."""
        for line, fields in self.lines:
            yield _record(line, fields, self.where, self.header)


def read_table(path: Path, encoding: str, keep: Sequence[str] = ()) -> Table:
    """Read a CSV file or .xlsx workbook whose columns may come in any order and case.

    Parameters
    ----------
    path : Path
        The file: comma, semicolon, tab or bar separated, or a workbook with one sheet.
    encoding : str
        A key of `pipeline.manifest.encoding.NAMES`, or auto.
    keep : sequence of str
        Further columns to read, under the keys that `kept_keys` names.

    Raises
    ------
    BuildError
        If the file cannot be read or decoded.
    """
    grid = _grid(path, encoding)
    header = tuple(grid.lines[0][1]) if grid.lines else ()
    where, lines = locate(header), grid.lines[1:]
    is_named = _names_clips(header)
    if not is_named and (columns := headerless(grid.lines)):
        is_named = True
        header, where, lines = columns, locate(columns), grid.lines
        grid.notes.append(
            f"{path.name} has no header line; its columns were read by position as "
            f"{', '.join(columns)}"
        )
    faults = [*grid.faults, *_cell_faults(grid, header, where)]
    faults += disagreements(header, where, lines)
    where = {**where, **kept_places(header, keep)}
    return Table(
        path,
        header,
        {column: header[places[0]] for column, places in where.items()},
        where,
        lines,
        tuple(grid.notes),
        tuple(faults),
        not is_named and looks_like_a_clip(header),
        0 if is_named else next((n for n, f in lines[:9] if _names_clips(f)), 0),
    )


def _names_clips(fields: Sequence[str]) -> bool:
    """Tell whether a line has the name of a column that clips are named by."""
    return not locate(fields).keys().isdisjoint(("video_id", "clip_id", "clip"))


def _grid(path: Path, encoding: str) -> Grid:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BuildError(
            f"cannot read the label sheet {path}: {error.strerror}",
            "check manifest.sheet and the file's permissions",
        ) from error
    if is_workbook(data):
        return workbook_grid(data, path)
    refuse_foreign(data, path)
    decoded = decode(data, path, encoding)
    grid = csv_grid(decoded.text, path)
    grid.notes += decoded.notes
    return grid


def _cell_faults(grid: Grid, header: Sequence[str], where: Mapping[str, list[int]]) -> list[str]:
    """Name the cells that are not plain in columns that are read."""
    read = {place: header[place] for places in where.values() for place in places}
    return [
        f"line {line}, column {read[place]}: {fault}"
        for (line, place), fault in grid.cells.items()
        if place in read
    ]


def _record(
    line: int, fields: list[str], where: Mapping[str, list[int]], header: Sequence[str]
) -> Record:
    values = {column: value(fields, where, column) for column in where}
    return Record(line, values, len([field for field in fields[len(header) :] if field]))
