"""A sequence on the disk is a sequence."""

from __future__ import annotations

import math
import resource
from multiprocessing import get_context

from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BuildError
from pipeline.store.spool import Spool

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(values))
def test_values_come_back_as_they_were(given_values: list[object]) -> None:
    spool: Spool[object] = Spool()
    for place, value in enumerate(given_values):
        spool.append(value)
        assert spool[place] == value  # reading in between moves nothing
    assert list(spool) == given_values
    assert len(spool) == len(given_values)
    assert list(spool.first(2)) == given_values[:2]
    spool.order(range(len(given_values) - 1, -1, -1))
    assert list(spool) == given_values[::-1]


def test_what_json_lacks_is_packed_and_not_a_number_is_kept() -> None:
    pairs: Spool[tuple[float, str]] = Spool(list, tuple)
    pairs.append((math.nan, "\ud800 half a character\n"))
    first, second = pairs[0]
    assert math.isnan(first)
    assert second == "\ud800 half a character\n"


def _fill() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    spool: Spool[str] = Spool()
    try:
        for _ in range(100):
            spool.append("x" * 100)
    except BuildError as error:
        raise SystemExit(0 if "TMPDIR" in error.remedy else 3) from error


def test_a_full_folder_for_temporary_files_is_named() -> None:
    process = get_context("fork").Process(target=_fill)
    process.start()
    process.join()
    assert process.exitcode == 0
