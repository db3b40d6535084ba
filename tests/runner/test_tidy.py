"""What a build reduces and packs at its start, where something is damaged or not on the machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Config, make_config
from pipeline.errors import BuildError
from pipeline.faces.stage import FACES
from pipeline.openface.stage import OPENFACE
from pipeline.runner.tidy import awaited, pack_build, tidy_build
from pipeline.stage import Build
from pipeline.store.features import Features
from pipeline.store.records import write_record
from pipeline.store.shards import Clip, shard_content, write_shard
from pipeline.workflow.recheck import stale_records

CLIPS = [Clip(f"a/{number}", f"a/{number}.mp4", "0" * 64, 1.0, "好") for number in (1, 2)]
CROPS = {
    "crop_offsets": np.zeros(2, np.int64),
    "crop_bytes": np.zeros(0, np.uint8),
    "box": np.zeros((1, 4), np.float32),
}


def config(folder: Path, **run: object) -> Config:
    """Return the settings of a build whose OpenFace is not on this machine."""
    openface = {"runtime": "native", "native_binary": str(folder / "absent")}
    values = {"processed": str(folder), "faces": {"keep_crops": False}, "store": {"pack": True}}
    return make_config({**values, "openface": openface, "run": run})


def build_in(folder: Path, *, trimmed: bool) -> Build:
    """Make a build of two clips with faces."""
    build = Build.of(config(folder))
    write_shard(folder / "shards" / "0000.json", shard_content(map(asdict, CLIPS)))
    for clip in CLIPS:
        features = Features(CROPS, trimmed={"thumbnails": 6} if trimmed else None)
        build.store.write("faces", clip.clip, build.key(FACES, clip), features)
    return build


def test_crops_stay_while_it_is_not_known_whether_openface_needs_them(tmp_path: Path) -> None:
    build = build_in(tmp_path, trimmed=False)
    with pytest.raises(BuildError):
        build.key(OPENFACE, CLIPS[0])
    assert tidy_build(build) == {}
    assert pack_build(build) == {}
    assert build.store.read("faces", "a/1").trimmed is None


def test_dropped_crops_are_not_missed_by_an_openface_that_cannot_run(tmp_path: Path) -> None:
    build = build_in(tmp_path, trimmed=True)
    assert list(awaited(build, FACES, CLIPS)) == []


def test_a_damaged_shard_is_left_to_the_manifest(tmp_path: Path) -> None:
    build = build_in(tmp_path, trimmed=False)
    shard = tmp_path / "shards" / "0000.json"
    shard.write_bytes(shard.read_bytes()[:-9])
    assert tidy_build(build) == {}
    assert pack_build(build) == {}


def test_a_damaged_file_is_left_to_its_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = build_in(tmp_path, trimmed=False)
    monkeypatch.setattr("pipeline.runner.tidy.is_awaited", lambda *_: False)
    path = build.store.path("faces", "a/1")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert tidy_build(build) == {"faces": 1}


def test_a_stage_that_is_forced_for_one_clip_needs_the_crops_of_that_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = build_in(tmp_path, trimmed=True)
    monkeypatch.setattr("pipeline.runner.plan._is_unfinished", lambda *_: True)
    keys = {clip.clip: build.key(FACES, clip) for clip in CLIPS}
    path = build.config.layout.record("faces", "0000")
    write_record(path, keys, [])
    assert stale_records(config(tmp_path, clips=["a/1"], force=["openface"])) == [path]
    assert stale_records(config(tmp_path, clips=["a/3"], force=["openface"])) == []
