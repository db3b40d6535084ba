"""Rows of another stage's array are stored as row numbers, and read as the array they stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BuildError
from pipeline.openface.columns import COLUMNS, SUCCESS
from pipeline.store.features import Features, Store
from pipeline.store.views import View
from pipeline.vision.extractor import VisionExtractor, VisionInputs
from pipeline.vision.settings import VisionSettings

CLIP = "v/c"


def table_of(rows: int, seed: int = 0) -> np.ndarray:
    """Return a table like OpenFace's: success is 0 or 1, some zeros have a sign."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(rows, len(COLUMNS))).astype(np.float32)
    table[:, SUCCESS] = random.random(rows) < 0.7
    table[random.random(table.shape) < 0.05] *= -0.0
    return table


def stored(store: Store, table: np.ndarray, vision: VisionSettings) -> Features:
    """Store a table and its vision feature; return the feature as it was computed."""
    rows = len(table)
    store.write("openface", CLIP, "table's key", Features({"table": table}))
    inputs = VisionInputs(table, np.arange(rows) / 30, rows, 30, np.arange(rows) % 7 > 0)
    features = VisionExtractor(vision).extract(inputs)
    store.write("vision", CLIP, "key", features)
    return features


SETTINGS = st.builds(
    VisionSettings,
    rows=st.sampled_from(["grid", "csv"]),
    invalid=st.sampled_from(["zero", "drop", "keep"]),
    pool=st.sampled_from([1, 5]),
    columns=st.sampled_from(["all", ("pose", "landmarks_2d", "au_r", "au_c"), ("gaze",)]),
)


@settings(max_examples=40, deadline=None)
@given(vision=SETTINGS, seed=st.integers(0, 9))
def test_what_is_read_is_what_was_computed_to_the_bit(
    vision: VisionSettings, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    computed = stored(store, table_of(60, seed), vision).arrays
    read = store.read("vision", CLIP).arrays
    assert read.keys() == computed.keys()
    for name, array in computed.items():
        assert read[name].tobytes() == array.tobytes(), name
        assert read[name].shape == array.shape
    with store.opened("vision", CLIP) as file:
        assert file.shape("vision") == computed["vision"].shape
        assert file.array("vision").tobytes() == computed["vision"].tobytes()


def test_the_table_is_stored_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stored(store, table_of(300), VisionSettings())
    assert store.path("vision", CLIP).stat().st_size < 5_000
    assert store.path("openface", CLIP).stat().st_size > 850_000


def test_an_array_that_is_not_those_rows_is_stored_itself(tmp_path: Path) -> None:
    store = Store(tmp_path)
    table = table_of(4)
    store.write("openface", CLIP, "k", Features({"table": table}))
    view = View("openface", "table", np.arange(4, dtype=np.int32), ((5, 714),))
    other = table[:, 5:] + np.float32(1)
    store.write("vision", CLIP, "k", Features({"vision": other}, views={"vision": view}))
    assert store.read("vision", CLIP).arrays["vision"].tobytes() == other.tobytes()


def test_rows_of_another_table_are_never_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stored(store, table_of(60, 1), VisionSettings())
    store.write("openface", CLIP, "table's key", Features({"table": table_of(60, 2)}))
    assert store.key("vision", CLIP) is None
    with pytest.raises(BuildError, match=r"(?s)rows of .*openface.*--stage vision --clip v/c"):
        store.read("vision", CLIP)
    assert "is not there as it was" in str(store.fault("vision", CLIP))
    store.write("openface", CLIP, "table's key", Features({"table": table_of(60, 1)}))
    assert store.key("vision", CLIP) == "key"
    assert store.fault("vision", CLIP) == ""


def test_a_damaged_table_is_named_and_its_rows_are_not_blamed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stored(store, table_of(60), VisionSettings())
    path = store.path("openface", CLIP)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(BuildError, match=r"(?s)openface/v/c.*--stage openface"):
        store.read("vision", CLIP)
    assert "openface" in str(store.fault("openface", CLIP))
    assert store.fault("vision", CLIP) == ""


def test_a_table_that_is_gone_leaves_no_feature(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stored(store, table_of(60), VisionSettings())
    store.path("openface", CLIP).unlink()
    assert store.key("vision", CLIP) is None
    assert "which is not there" in store.lacking("vision", CLIP)
