"""Any label sheet is read or refused with words; it never ends in a traceback."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.manifest.rules import unusable
from pipeline.manifest.sheet import read_sheet
from tests.fuzz.mutate import fuzzed, mutated
from tests.sheets.cases import CASES

SHEETS = [case.data for case in CASES if case.file.endswith((".csv", ".tsv"))]
WORKBOOKS = [case.data for case in CASES if case.file.endswith(".xlsx")]
VOTES = (
    b"video_id,clip_id,modality,annotator,vote\n"
    b"v,0001,M,a,1\nv,0001,M,b,0\nv,0001,T,a,-1\nv,0002,M,a,0\nv,0002,M,b,0\n"
)


def read(folder: Path, name: str, data: bytes) -> None:
    """Read a sheet; what it gives must be usable, and what refuses it must help."""
    (folder / name).write_bytes(data)
    try:
        sheet = read_sheet(make_config({"raw": str(folder)}))
    except BuildError as error:
        assert name in str(error), error
        assert error.remedy, error
        return
    for row in sheet.rows:
        refused = row.problems or list(unusable(row, None))
        assert refused or row.text.isprintable(), row


@fuzzed(250)
@given(data=st.one_of(mutated(SHEETS), st.binary(max_size=300)))
def test_a_damaged_csv_is_read_or_refused(data: bytes, tmp_path: Path) -> None:
    read(tmp_path, "label.csv", data)


@fuzzed(60)
@given(data=mutated(WORKBOOKS))
def test_a_damaged_workbook_is_read_or_refused(data: bytes, tmp_path: Path) -> None:
    read(tmp_path, "label.xlsx", data)


@fuzzed(100)
@given(data=mutated([VOTES]))
def test_damaged_votes_are_read_or_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "label.csv").write_text("video_id,clip_id,text\nv,0001,好\nv,0002,不\n", "utf-8")
    (tmp_path / "annotations.csv").write_bytes(data)
    try:
        read_sheet(make_config({"raw": str(tmp_path)}))
    except BuildError as error:
        assert error.remedy, error


def test_the_good_sheets_are_there() -> None:
    assert len(SHEETS) > 60
    assert WORKBOOKS
