"""Feature files are whole or absent, carry their key, and run no code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as library_save

from pipeline.errors import BuildError
from pipeline.store.features import Features, Store
from pipeline.store.files import digest, written_whole
from pipeline.store.places import is_plain_name
from pipeline.store.tensors import save


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_what_is_written_is_read_with_its_key_and_figures(store: Store) -> None:
    arrays = {"audio": np.arange(66, dtype=np.float32).reshape(2, 33), "none": np.zeros((0, 3))}
    store.write("audio", "视频/片段 1", "key", Features(arrays, {"words": "声音"}))
    read = store.read("audio", "视频/片段 1")
    assert store.key("audio", "视频/片段 1") == "key"
    assert read.info == {"words": "声音"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(read.arrays[name], array)


def test_the_same_features_give_the_same_bytes(store: Store) -> None:
    arrays = {name: np.arange(n, dtype=np.float32) for n, name in enumerate("qwertz")}
    files = []
    for order in (sorted(arrays), sorted(arrays, reverse=True)):
        store.write("audio", "v/c", "k", Features({n: arrays[n] for n in order}, {"a": 1, "b": 2}))
        files.append(store.path("audio", "v/c").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("clip", ["../x", "v/..", "v", "v/c/d", "v/a\\b", "v/\n", "/c", "v/.hid"])
def test_an_id_that_is_no_two_plain_names_never_becomes_a_path(store: Store, clip: str) -> None:
    with pytest.raises(ValueError, match="not a clip id"):
        store.path("audio", clip)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\x00", "a\u202eb", " a", "x" * 121, "a:b"]
)
def test_unsafe_names_are_not_plain(name: str) -> None:
    assert not is_plain_name(name)


@pytest.mark.parametrize("name", ["0001", "video_0001", "片段", "a b-c.d"])
def test_usual_names_are_plain(name: str) -> None:
    assert is_plain_name(name)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(target) as temporary:
        temporary.write_text("half of the new")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("damage", [b"", b"\xff" * 64, b"\x08\x00\x00\x00\x00\x00\x00\x00notjson!"])
def test_a_damaged_file_counts_as_absent_and_says_how_to_make_it_again(
    store: Store, damage: bytes
) -> None:
    path = store.path("audio", "v/c")
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    assert store.key("audio", "v/c") is None
    with pytest.raises(BuildError, match="--stage audio --clip v/c --force"):
        store.read("audio", "v/c")


def test_a_new_result_replaces_an_earlier_failure(store: Store) -> None:
    store.write_failure("audio", "v/c", "k1", "no sound", "replace it")
    assert store.failure("audio", "v/c") == {
        "key": "k1",
        "reason": "no sound",
        "remedy": "replace it",
    }
    store.write("audio", "v/c", "k2", Features())
    assert store.failure("audio", "v/c") is None


def test_a_failure_with_other_inputs_leaves_the_file_that_is_right_without_them(
    store: Store,
) -> None:
    store.write("audio", "v/c", "k2", Features())
    store.write_failure("audio", "v/c", "k3", "no sound", "replace it")
    assert store.key("audio", "v/c") == "k2"


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})


def test_a_file_has_the_bytes_that_the_library_writes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    types = ("u1", "i1", "?", "<i2", "<u2", "<f2", "<i4", "<u4", "<f4", "<i8", "<u8", "<f8")
    for _ in range(100):
        arrays = {
            f'{name}é好 "': np.ascontiguousarray(9 * generator.random(shape)).astype(kind)
            for name, kind in enumerate(generator.choice(types, generator.integers(0, 7)))
            for shape in [tuple(generator.integers(0, 4, generator.integers(0, 4)))]
        }
        metadata = {"clip": json.dumps({"text": '好"\\é'}, ensure_ascii=False)}
        save(arrays, tmp_path / "file", metadata)
        assert (tmp_path / "file").read_bytes() == library_save(arrays, metadata=metadata)
