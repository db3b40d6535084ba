"""Any OpenFace CSV gives a table of 714 columns or a ClipError that says what is wrong."""

from __future__ import annotations

import gzip

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ClipError
from pipeline.openface.columns import COLUMNS, FRAME, SUCCESS
from pipeline.openface.table import parse_table
from tests.fuzz.mutate import fuzzed, mutated
from tests.openface.csvs import demo_csv

GOOD = "\n".join(demo_csv().splitlines()[:4]).encode()
FORMS = [GOOD, gzip.compress(GOOD, mtime=0), GOOD.replace(b",", b";"), GOOD.replace(b"\n", b"\r\n")]


@fuzzed(250)
@given(data=st.one_of(mutated(FORMS), st.binary(max_size=300)))
def test_a_damaged_csv_is_a_whole_table_or_refused(data: bytes) -> None:
    try:
        table = parse_table(data, "0001.csv")
    except ClipError as error:
        assert "0001.csv" in error.reason
        return
    assert table.dtype == np.float32
    assert table.shape[1] == len(COLUMNS)
    assert len(table)
    assert (np.diff(table[:, FRAME]) == 1).all()
    assert np.isfinite(table[table[:, SUCCESS] == 1, 5:]).all()


def test_every_good_form_is_read() -> None:
    tables = [parse_table(data, "0001.csv") for data in FORMS]
    assert all((table == tables[0]).all() for table in tables)
