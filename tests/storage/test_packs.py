"""Feature files in packs: read in place, replaced whole, and as safe as single files."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commands.verify import _deletion, verify
from pipeline.config import load_config
from pipeline.dataset.info import DatasetInfo
from pipeline.errors import BuildError
from pipeline.store.features import Features, Store, again
from pipeline.store.packs import Packs, packs_of
from tests.corpora import small_corpus
from tests.fuzz.mutate import fuzzed, mutated

CLIPS = [f"v/{number}" for number in range(5)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Five clips' files, in one pack."""
    store = Store(tmp_path)
    for number, clip in enumerate(CLIPS):
        write(store, clip, number)
    assert store.pack("audio", "0000", CLIPS)
    yield store


def write(store: Store, clip: str, number: int) -> None:
    array = np.full((3, 33), number, np.float32)
    store.write("audio", clip, f"key {number}", Features({"audio": array}, {"number": number}))


def numbers(store: Store) -> list[object]:
    """Return what each clip's file holds, after its digest was checked."""
    found = [store.read("audio", clip) for clip in CLIPS]
    assert [f.arrays["audio"][0, 0] for f in found] == [f.info["number"] for f in found]
    return [f.info["number"] for f in found]


def pack_of(store: Store) -> Path:
    return store.root / "packs" / "audio" / "0000.zip"


def test_packed_files_are_read_as_before_and_lie_in_one_file(store: Store) -> None:
    assert numbers(store) == [0, 1, 2, 3, 4]
    assert [path for path in store.root.rglob("*") if path.is_file()] == [pack_of(store)]
    assert store.clips("audio") == CLIPS
    assert store.key("audio", "v/3") == "key 3"
    with store.opened("audio", "v/3") as file:
        assert file.shape("audio") == (3, 33)
        assert file.rows("audio", 1, 2).tolist() == [[3.0] * 33]
    assert store.fault("audio", "v/3") == ""
    assert store.key("audio", "v/9") is None


def test_a_new_file_counts_before_the_packed_one_and_replaces_it(store: Store) -> None:
    write(store, "v/2", 7)
    assert numbers(store) == [0, 1, 7, 3, 4]
    assert store.pack("audio", "0000", CLIPS)
    assert numbers(store) == [0, 1, 7, 3, 4]
    assert store.loose("audio") == []
    assert not store.pack("audio", "0000", CLIPS)


def test_what_another_process_packs_is_seen_at_once(store: Store) -> None:
    assert numbers(store) == [0, 1, 2, 3, 4]
    packs_of.cache_clear()
    other = Store(store.root)
    write(other, "v/4", 8)
    other.pack("audio", "0000", CLIPS)
    write(other, "w/1", 9)
    other.pack("audio", "0032", ["w/1"])
    assert numbers(store) == [0, 1, 2, 3, 8]
    assert store.key("audio", "w/1") == "key 9"


@pytest.mark.parametrize("late", [0, 10**12])
def test_of_two_packs_with_a_clip_the_one_written_last_counts(store: Store, late: int) -> None:
    """A clip moves to another shard, is computed again, and is packed there."""
    write(store, "w/1", 9)
    store.pack("audio", "0003", ["w/1"])
    other = store.root / "packs" / "audio" / "0003.zip"
    time = other.stat().st_mtime_ns + late  # perhaps by a clock that is ahead
    os.utime(other, ns=(time, time))
    write(store, "w/1", 10)
    store.pack("audio", "0000", ["w/1"])
    for each in (store, Store(store.root)):
        assert each.key("audio", "w/1") == "key 10"
        packs_of.cache_clear()
    # its old pack is written again, for another clip
    write(store, "w/2", 11)
    store.pack("audio", "0003", ["w/2"])
    assert store.key("audio", "w/1") == "key 10"
    assert Packs(store.root).in_pack("audio", other) == ["w/2"]
    pack_of(store).unlink()
    assert store.key("audio", "w/1") is None


def test_a_kill_between_packing_and_removing_leaves_all(store: Store) -> None:
    data = pack_of(store).read_bytes()
    write(store, "v/2", 7)
    path = store.path("audio", "v/2")
    left = path.read_bytes()
    store.pack("audio", "0000", CLIPS)
    path.write_bytes(left)  # packed, and not yet removed
    assert numbers(store) == [0, 1, 7, 3, 4]
    pack_of(store).write_bytes(data)  # not yet packed
    assert numbers(store) == [0, 1, 7, 3, 4]


def test_a_pack_is_the_same_bytes_whoever_packs_it(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    for number, clip in reversed(list(enumerate(CLIPS))):
        write(other, clip, number)
        other.pack("audio", "0000", CLIPS)
    assert pack_of(other).read_bytes() == pack_of(store).read_bytes()


def test_unpacking_with_any_zip_tool_gives_the_files_back(store: Store) -> None:
    with zipfile.ZipFile(pack_of(store)) as pack:
        assert pack.testzip() is None
        pack.extractall(store.root / "audio")
    pack_of(store).unlink()
    assert numbers(store) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [0, 10, -30])
def test_a_pack_cut_short_counts_as_absent_is_named_and_is_replaced(
    store: Store, size: int
) -> None:
    pack_of(store).write_bytes(pack_of(store).read_bytes()[:size])
    assert [store.key("audio", clip) for clip in CLIPS] == [None] * 5
    assert list(store.packs.faults("audio")) == [pack_of(store)]
    with pytest.raises(BuildError, match="--stage audio --clip v/1 --force"):
        store.read("audio", "v/1")
    for number, clip in enumerate(CLIPS):
        write(store, clip, number)
    assert store.pack("audio", "0000", CLIPS)
    assert numbers(store) == [0, 1, 2, 3, 4]


def test_a_changed_byte_costs_its_own_clip(store: Store) -> None:
    data = bytearray(pack_of(store).read_bytes())
    place = data.index(np.full(33, 2, np.float32).tobytes())
    data[place] ^= 1
    pack_of(store).write_bytes(data)
    assert [store.fault("audio", clip) == "" for clip in CLIPS] == [True, True, False, True, True]
    assert "0000.zip (v/2)" in str(store.fault("audio", "v/2"))
    write(store, "v/2", 2)
    store.pack("audio", "0000", CLIPS)
    assert numbers(store) == [0, 1, 2, 3, 4]


def test_a_strangers_pack_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "packs" / "audio"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "0000.zip", "w") as pack:
        pack.writestr("../../x.safetensors", b"x")
    with zipfile.ZipFile(folder / "0001.zip", "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("v/1.safetensors", bytes(10**6))
    store = Store(tmp_path)
    assert store.key("audio", "v/1") is None
    assert "compressed" in store.packs.faults("audio")[folder / "0001.zip"]
    with pytest.raises(ValueError, match="not a clip id"):
        store.fault("audio", "../../x")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    store = Store(tmp_path_factory.mktemp("packed"))
    for number, clip in enumerate(CLIPS):
        write(store, clip, number)
    store.pack("audio", "0000", CLIPS)
    return pack_of(store).read_bytes()


@fuzzed(200)
@given(choice=st.data())
def test_a_damaged_pack_is_refused_or_right(
    choice: st.DataObject, packed: bytes, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    pack_of(store).parent.mkdir(parents=True, exist_ok=True)
    pack_of(store).write_bytes(choice.draw(mutated([packed])))
    for number, clip in enumerate(CLIPS):
        place = Packs(store.root)  # as a new process would
        store.packs._indices = place._indices
        try:
            found = store.read("audio", clip)
        except BuildError as error:
            assert error.remedy
            continue
        assert found.info == {"number": number}
        assert (found.arrays["audio"] == number).all()


def test_packing_can_be_turned_on_and_off_and_computes_nothing(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path)
    few = {"train": {"models": []}, "features": {"vision": "none"}}
    corpus.build("dataset", **few)
    corpus.computed()
    layout = load_config((tmp_path / "config.yaml",)).layout
    digest = DatasetInfo(layout.dataset).digest
    said = corpus.build("dataset", store={"pack": True}, **few)
    assert "audio: packed what was still in single files: 1 pack(s)" in said
    assert corpus.computed() == {}
    assert list(corpus.processed.glob("*/*/*.safetensors")) == []
    assert len(list(corpus.processed.glob("packs/*/*.zip"))) == 2
    assert list(corpus.processed.glob("audio/*")) == []
    # one clip anew lies beside its pack until the next build
    clip = next(iter(corpus.rows))
    corpus.build(
        "stage_audio", store={"pack": True}, run={"clips": [clip], "force": ["audio"]}, **few
    )
    assert corpus.computed()["audio"] == 1
    assert Store(corpus.processed).loose("audio") == [clip]
    # other settings of one stage, without packs: single files count, and nothing else is touched
    corpus.build("dataset", audio={"f0": "zcr"}, **few)
    assert corpus.computed() == {"audio": 3}
    assert len(Store(corpus.processed).loose("audio")) == 3
    corpus.build("dataset", store={"pack": True}, **few)
    assert corpus.computed() == {"audio": 3}
    assert Store(corpus.processed).loose("audio") == []
    assert DatasetInfo(layout.dataset).digest == digest
    assert all(not kind.faults for kind in verify(load_config((tmp_path / "config.yaml",))))


@pytest.mark.skipif(shutil.which("zip") is None, reason="the program zip is not installed")
@pytest.mark.parametrize("packed", [True, False])
def test_what_verify_says_to_delete_a_file_with_deletes_that_file_alone(
    store: Store, packed: bool
) -> None:
    odd = ["v/[12]", "v/it's; touch 'x'", "v/a $(touch x)"]
    for clip in odd:
        write(store, clip, 9)
    if packed:
        store.pack("audio", "0000", odd)
    for clip in odd:
        command = _deletion(store, "audio", clip)
        subprocess.run(command, shell=True, check=True, cwd=store.root, capture_output=True)
    assert store.clips("audio") == CLIPS
    assert numbers(store) == [0, 1, 2, 3, 4]
    assert not (store.root / "x").exists()
    words = shlex.split(again("audio", odd[1]))
    assert words == ["chsims-build", "--stage", "audio", "--clip", odd[1], "--force"]
