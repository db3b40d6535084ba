"""Workbooks: plain cells are read, all else is refused by its place."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from typing import Any

from tests.sheets.make import Case, H


def workbook(change: Callable[[Any], None] = lambda book: None) -> bytes:
    """Return a workbook with three clips, after a change."""
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    for line in (H.split(","), ["v", "0001", "你好", 0.2], ["v", "0002", "再见", -1]):
        page.append(line)
    change(book)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def put(place: str, value: Any, shown: str = "General") -> Callable[[Any], None]:
    """Return a change of one cell."""

    def change(book: Any) -> None:
        book.active[place] = value
        book.active[place].number_format = shown

    return change


def second_sheet(book: Any) -> None:
    book.create_sheet("old")["A1"] = "video_id"


def dated(book: Any) -> None:
    put("E1", "filmed")(book)
    put("E2", date(2020, 1, 2), "yyyy-mm-dd")(book)


WORKBOOKS = [
    Case(
        "a plain workbook",
        workbook(),
        texts=("你好", "再见"),
        clips=("v/0001", "v/0002"),
        labels=(0.2, -1.0),
        file="label.xlsx",
        notes=("'Sheet' was read",),
    ),
    Case("a workbook named CSV", workbook(), texts=("你好", "再见")),
    Case(
        "numbers shown with zeros",
        workbook(put("B2", 1, "0000")),
        clips=("v/0001", "v/0002"),
        file="label.xlsx",
    ),
    Case(
        "numbers that lost their zeros",
        workbook(put("B2", 1)),
        clips=("v/0001", "v/0002"),
        file="label.xlsx",
        media=("v/0001.mp4", "v/0002.mp4"),
    ),
    *(
        Case(name, workbook(change), refused=words, file="label.xlsx")
        for name, change, words in (
            ("a formula", put("D2", "=0.1+0.1"), ("line 2, column label: holds a formula",)),
            (
                "a date for an id",
                put("B3", date(2020, 1, 2), "yyyy-mm-dd"),
                ("line 3, column clip_id: holds a date",),
            ),
            ("an error value", put("D3", "#N/A"), ("line 3, column label: holds the error #N/A",)),
            ("a truth value", put("D3", True), ("line 3, column label: holds the truth value",)),
            ("a percentage", put("D3", 0.6, "0%"), ("line 3, column label: holds a percentage",)),
            ("two sheets", second_sheet, ("2 sheets with content", "'old'")),
            ("merged cells", lambda book: book.active.merge_cells("C2:C3"), ("C2:C3 are merged",)),
            (
                "a hidden line",
                lambda book: setattr(book.active.row_dimensions[3], "hidden", True),
                ("line 3 is hidden",),
            ),
        )
    ),
    Case(
        "a date in a column that is not read",
        workbook(dated),
        texts=("你好", "再见"),
        file="label.xlsx",
    ),
    Case(
        "a damaged workbook",
        workbook()[:-200],
        refused=("cannot be read as an .xlsx",),
        file="label.xlsx",
    ),
    Case(
        "an old workbook",
        b"\xd0\xcf\x11\xe0" + bytes(500),
        refused=("old .xls",),
        file="label.xlsx",
    ),
    Case("a web page", b"<html><body><table></table></body></html>", refused=("web page",)),
    Case(
        "a ZIP archive that is no workbook",
        b"PK\x03\x04" + bytes(80),
        refused=("cannot be read as an .xlsx",),
    ),
]
