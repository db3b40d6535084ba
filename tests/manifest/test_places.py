"""A clip keeps its shard, whatever happens to the lines around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.manifest.build import build_manifest
from pipeline.manifest.find import media_folders
from pipeline.manifest.forecast import forecast
from pipeline.manifest.places import filled, places_of
from pipeline.manifest.sheet import read_sheet
from pipeline.store.shards import read_shard

Corpus = Callable[..., Config]
HEADER = "video_id,clip_id,text,label\n"


@pytest.mark.parametrize(("clips", "shards"), [(1, 1), (32, 1), (33, 2), (64, 2)])
def test_a_new_corpus_is_cut_in_the_sheets_order(clips: int, shards: int) -> None:
    names = [f"v/{i:04d}" for i in range(clips)]
    found = filled([], names, 32)
    assert len(found) == shards
    assert [clip for shard in found for clip in shard] == names


def test_ten_clips_in_the_middle_of_ten_thousand_touch_the_last_shard_and_a_new_one() -> None:
    names = [f"v/{i:05d}" for i in range(10_000)]
    before = filled([], names, 32)
    new = [f"v/05000-{i}" for i in range(10)]
    after = filled(before, [*names[:5000], *new, *names[5000:]], 32)
    assert after[:312] == before[:312]
    assert after[312] == [*before[312], *new]
    more = filled(after, [*names[:5000], *new, *(f"w/{i}" for i in range(10)), *names[5000:]], 32)
    assert more[:312] == before[:312]
    assert [len(shard) for shard in more[312:]] == [32, 4]


def test_a_removed_clip_touches_its_own_shard() -> None:
    names = [f"v/{i}" for i in range(12)]
    before = filled([], names, 4)
    after = filled(before, [name for name in names if name != "v/5"], 4)
    assert after == [before[0], ["v/4", "v/6", "v/7"], before[2]]


def test_shards_that_have_lost_half_their_clips_are_filled_again() -> None:
    assert filled(
        [["a", "b", "c", "d"], ["e"], [], ["f", "g", "h"]], list("abcdefghijklmn"), 4
    ) == [
        list("abcd"),
        ["e", "m", "n"],
        list("ijkl"),
        list("fgh"),
    ]


def test_empty_shards_at_the_end_go() -> None:
    assert filled([["a"], ["b"], ["c"]], ["a"], 1) == [["a"]]
    assert filled([["a"], ["b"], ["c"]], ["c"], 1) == [[], [], ["c"]]
    assert filled([["a"]], [], 1) == []


@given(
    edits=st.lists(st.sets(st.integers(0, 60), max_size=40), min_size=1, max_size=6),
    size=st.integers(1, 5),
)
def test_any_history_leaves_each_clip_in_one_shard(edits: list[set[int]], size: int) -> None:
    shards: list[list[str]] = []
    for numbers in edits:
        names = [f"v/{number}" for number in sorted(numbers)]
        where = {clip: place for place, shard in enumerate(shards) for clip in shard}
        shards = filled(shards, names, size)
        assert sorted(clip for shard in shards for clip in shard) == sorted(names)
        assert all(len(shard) <= size for shard in shards)
        for place, shard in enumerate(shards):
            assert all(where.get(clip, place) == place for clip in shard)


def sheet(*clips: str, text: str = "好") -> str:
    return HEADER + "".join(f"v,{clip},{text},0\n" for clip in clips)


def laid_out(corpus: Corpus, *clips: str) -> Config:
    files = {f"v/{clip}.mp4": "plain.mp4" for clip in clips}
    return corpus(files, sheet(*clips), shard_size=2)


def members(config: Config) -> list[list[str]]:
    return [
        [clip.clip.removeprefix("v/") for clip in read_shard(path)]
        for path in config.layout.numbered_shards
    ]


def ahead(config: Config) -> tuple[int, list[str]]:
    """Return how many shards there will be, and those that will change; nothing is written."""
    before = {path: path.stat().st_mtime_ns for path in config.processed.rglob("*")}
    folders = media_folders(config)
    found = forecast(config, read_sheet(config, folders), folders)
    assert {path: path.stat().st_mtime_ns for path in config.processed.rglob("*")} == before
    return len(found.shards), found.changed


def times(config: Config) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in config.layout.numbered_shards}


def test_the_forecast_is_what_the_manifest_then_writes(corpus: Corpus, media: Path) -> None:
    config = laid_out(corpus, "a", "b", "c", "d", "e")
    raw = config.raw
    assert ahead(config) == (3, ["0000", "0001", "0002"])
    build_manifest(config)
    assert ahead(config) == (3, [])

    def edited(text: str, shards: int, changed: list[str]) -> None:
        (raw / "label.csv").write_text(text, "utf-8")
        assert ahead(config) == (shards, changed)
        before = times(config)
        build_manifest(config)
        after = times(config)
        assert [name for name in after if after[name] != before.get(name)] == changed
        assert ahead(config) == (shards, [])

    # a new clip in the first line, then the other order
    (raw / "v" / "0.mp4").write_bytes((media / "plain.mp4").read_bytes() + b"\0")
    edited(sheet("0", "a", "b", "c", "d", "e"), 3, ["0002"])
    assert members(config) == [["a", "b"], ["c", "d"], ["e", "0"]]
    edited(sheet("e", "d", "c", "b", "a", "0"), 3, [])
    # a removed clip, an edited transcript, an edited label, a clip that comes back
    edited(sheet("d", "c", "b", "a", "0"), 3, ["0002"])
    edited(sheet("d", "c", "b", "a", "0").replace("v,b,好", "v,b,不好"), 3, ["0000"])
    edited(sheet("d", "c", "b", "a", "0").replace("v,b,好,0", "v,b,不好,1"), 3, [])
    edited(sheet("d", "c", "b", "a", "0", "e").replace("v,b,好", "v,b,不好"), 3, ["0002"])
    # a clip that cannot be used keeps its place
    (raw / "v" / "c.mp4").rename(raw / "v" / "away")
    edited(sheet("0", "a", "b", "c", "d", "e"), 3, ["0000", "0001"])
    assert members(config) == [["a", "b"], ["d"], ["0", "e"]]
    (raw / "v" / "away").rename(raw / "v" / "c.mp4")
    edited(sheet("0", "a", "b", "c", "d", "e"), 3, ["0001"])
    assert members(config) == [["a", "b"], ["c", "d"], ["0", "e"]]


def test_a_media_file_that_was_written_again_may_change_its_shard(corpus: Corpus) -> None:
    config = laid_out(corpus, "a", "b", "c")
    build_manifest(config)
    before = times(config)
    (config.raw / "v" / "a.mp4").touch()
    assert ahead(config) == (2, ["0000"])
    build_manifest(config)
    assert times(config) == before


def test_a_lost_shard_is_made_again_and_other_sizes_cut_all_anew(corpus: Corpus) -> None:
    config = laid_out(corpus, "a", "b", "c", "d", "e")
    build_manifest(config)
    middle = config.layout.shard("0001")
    before = middle.read_bytes()
    middle.unlink()
    assert ahead(config) == (3, ["0001"])
    build_manifest(config)
    assert middle.read_bytes() == before
    middle.write_text("{", "utf-8")
    build_manifest(config)
    assert middle.read_bytes() == before
    wider = config.model_copy(update={"shard_size": 3})
    assert ahead(wider) == (2, ["0000", "0001"])
    build_manifest(wider)
    assert members(wider) == [["a", "b", "c"], ["d", "e"]]


def test_shards_of_an_earlier_version_are_cut_anew(corpus: Corpus) -> None:
    config = laid_out(corpus, "a", "b", "c")
    path = config.layout.shard("0000")
    path.parent.mkdir(parents=True)
    path.write_text('{"clips": [{"clip": "v/c"}]}', "utf-8")
    assert places_of(config.layout, ["v/a", "v/b", "v/c"], 2) == [["v/a", "v/b"], ["v/c"]]
