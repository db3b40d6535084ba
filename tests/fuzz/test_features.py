"""A damaged file of our own is refused, or holds what was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BuildError
from pipeline.store.features import Features, Store
from tests.fuzz.mutate import fuzzed, mutated

ARRAYS = {
    "audio": np.linspace(-1, 1, 99, dtype=np.float32).reshape(3, 33),
    "shown": np.array([0, 1, -1], np.int32),
}
INFO = {"words": "声音", "seconds": 1.5}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    store = Store(tmp_path_factory.mktemp("good"))
    store.write("audio", "v/0001", "key", Features(dict(ARRAYS), dict(INFO)))
    return store.path("audio", "v/0001").read_bytes()


@fuzzed(300)
@given(choice=st.data())
def test_a_damaged_feature_file_is_refused_or_right(
    choice: st.DataObject, written: bytes, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    path = store.path("audio", "v/0001")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(choice.draw(st.one_of(mutated([written]), st.binary(max_size=64))))
    store.key("audio", "v/0001")
    try:
        found = store.read("audio", "v/0001")
    except BuildError as error:
        assert str(path) in str(error)
        assert error.remedy
        return
    assert found.info == INFO
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


FAILURE = json.dumps({"key": "k", "reason": "r", "remedy": "m", "passing": True}).encode()


@fuzzed(150)
@given(data=mutated([FAILURE, b"[]", b"null", b"{}"]))
def test_a_damaged_failure_is_forgotten_or_whole(data: bytes, tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.path("audio", "v/0001", ".failed.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    failure = store.failure("audio", "v/0001")
    assert failure is None or {"key", "reason", "remedy"} <= failure.keys()
