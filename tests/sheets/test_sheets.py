"""Every sheet comes out as it should: read as it was meant, or refused with words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Config, make_config
from pipeline.errors import BuildError
from pipeline.manifest.row import SheetRow
from pipeline.manifest.rules import judge, unusable
from pipeline.manifest.settings import CorpusRules
from pipeline.manifest.sheet import read_sheet
from tests.sheets.cases import CASES
from tests.sheets.make import Case


def laid_out(case: Case, folder: Path) -> Config:
    (folder / case.file).write_bytes(case.data)
    for name in case.media:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return make_config({"raw": str(folder), "manifest": case.settings})


def reasons(row: SheetRow) -> str:
    """Return what the manifest says about a line, its media aside."""
    found = (*unusable(row, None), *judge(row, None, CorpusRules()).refusals)
    return "; ".join([*row.problems, *(finding.reason for finding in found)])


def test_there_are_enough_sheets_and_each_has_a_name() -> None:
    assert len(CASES) >= 90
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_sheet_is_read_as_it_was_meant_or_refused(case: Case, tmp_path: Path) -> None:
    config = laid_out(case, tmp_path)
    if case.refused:
        with pytest.raises(BuildError) as caught:
            read_sheet(config)
        message = str(caught.value)
        assert caught.value.remedy
        assert case.file in message
        assert [words for words in case.refused if words not in message] == [], message
        return
    sheet = read_sheet(config)
    found = {row.clip: words for row in sheet.rows if (words := reasons(row))}
    assert found.keys() == case.faults.keys(), found
    assert [words for clip, words in case.faults.items() if words not in found[clip]] == [], found
    notes = "\n".join(sheet.notes)
    assert [words for words in case.notes if words not in notes] == [], notes
    if case.texts is not None:
        assert tuple(row.text for row in sheet.rows) == case.texts
    if case.labels is not None:
        assert tuple(row.M for row in sheet.rows) == case.labels
        assert all(str(row.M) != "-0.0" for row in sheet.rows)
    if case.clips is not None:
        assert tuple(row.clip for row in sheet.rows) == case.clips
