"""Reading a sheet: its text encoding, its delimiter, and its columns by name."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BuildError

Spellings = Mapping[str, tuple[str, ...]]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_SAVE_AS = "save it again as CSV with the encoding UTF-8"


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
    columns: frozenset[str]
    records: tuple[Record, ...]


def read_table(path: Path, encoding: str, spellings: Spellings) -> Table:
    """Read a CSV file whose columns may come in any order and case.

    Parameters
    ----------
    path : Path
        The file: comma, semicolon or tab separated.
    encoding : {"auto", "utf-8", "gb18030"}
        auto takes UTF-8 (with or without BOM), else GB18030.
    spellings : mapping of str to tuple of str
        For each column the spellings that are understood, lower case, best first.

    Raises
    ------
    BuildError
        If the file cannot be read, decoded or split into fields.
    """
    text = _decoded(path, encoding)
    first = text.lstrip("\r\n").split("\n", 1)[0].split("\r", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines: list[tuple[int, list[str]]] = []
    try:
        for fields in reader:
            cleaned = [clean(field) for field in fields]
            if any(cleaned):
                lines.append((reader.line_num, cleaned))
    except csv.Error as error:
        raise BuildError(
            f"{path}, line {reader.line_num}: not CSV ({error})",
            "look for a quotation mark that is opened and never closed",
        ) from error
    header = tuple(lines[0][1]) if lines else ()
    where = _locate(header, spellings)
    records = tuple(
        Record(
            line,
            {name: fields[i] for name, i in where.items() if i < len(fields)},
            max(0, len(fields) - len(header)),
        )
        for line, fields in lines[1:]
    )
    return Table(path, header, frozenset(where), records)


def clean(text: str) -> str:
    """Strip a value and turn its control characters (line breaks, NUL) into spaces."""
    return (text if text.isprintable() else _CONTROL.sub(" ", text)).strip()


def _locate(header: tuple[str, ...], spellings: Spellings) -> dict[str, int]:
    lower = [name.casefold() for name in header]
    return {
        column: lower.index(names[0])
        for column, accepted in spellings.items()
        if (names := [name for name in accepted if name in lower])
    }


def _decoded(path: Path, encoding: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BuildError(
            f"cannot read the label sheet {path}: {error.strerror}",
            "check manifest.sheet and the file's permissions",
        ) from error
    if data[:2] in _BOMS:
        raise BuildError(f"{path} is {_BOMS[data[:2]]}; expected UTF-8 or GB18030", _SAVE_AS)
    tried = {"auto": ("utf-8-sig", "gb18030"), "utf-8": ("utf-8-sig",)}.get(encoding, (encoding,))
    for codec in tried:
        try:
            return data.decode(codec)
        except UnicodeDecodeError as error:
            at = data.count(b"\n", 0, error.start) + 1
    raise BuildError(f"{path}, line {at}: neither {' nor '.join(tried)} text", _SAVE_AS)
