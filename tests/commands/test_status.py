"""chsims-build status where a program is missing, and where files changed since they were noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.commands.status import stage_status
from pipeline.config import make_config
from pipeline.openface import extractor
from pipeline.openface.runtimes.select import Selection
from pipeline.openface.settings import OpenFaceSettings
from pipeline.stage import Build
from pipeline.stages import STAGES
from pipeline.store.features import Features, Store
from pipeline.store.records import write_record
from pipeline.store.shards import Clip
from pipeline.workflow.recheck import stale_records


def test_a_missing_openface_is_looked_for_once_and_told_of_all_that_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, select = [], extractor.select_runtime

    def count(settings: OpenFaceSettings) -> Selection:
        looked.append(settings)
        return select(settings)

    monkeypatch.setattr(extractor, "select_runtime", count)
    missing = {"runtime": "native", "native_binary": str(tmp_path / "FeatureExtraction")}
    config = make_config({"processed": str(tmp_path), "openface": missing})
    clip = Clip("video_0001/0001", "video_0001/0001.mp4", "digest", 1.0, "好")
    rows = {row.stage: row for row in stage_status(config, [clip])}
    assert "FeatureExtraction" in rows["openface"].problem
    assert rows["vision"].problem == rows["openface"].problem
    assert (rows["audio"].problem, rows["audio"].stale) == ("", 1)
    assert len(looked) == 1


def test_what_was_noted_changes_no_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noted files are counted unread; others are read: lost, replaced, failed, never recorded."""
    monkeypatch.setattr("pipeline.store.seen._YOUNG_NS", -1_000_000_000)
    read, header = list[str](), Store.header

    def count(store: Store, stage: str, clip: str) -> dict[str, object] | None:
        read.append(f"{stage} {clip}")
        return header(store, stage, clip)

    monkeypatch.setattr(Store, "header", count)
    features = {"text": "none", "vision": "none"}
    config = make_config({"processed": str(tmp_path), "features": features})
    clips = [Clip(f"v/{number}", f"v/{number}.mp4", "digest", 1.0, "好") for number in range(6)]
    build, audio = Build.of(config), STAGES["audio"]
    keys = {clip.clip: build.key(audio, clip) for clip in clips}
    for clip, key in keys.items():
        build.store.write("audio", clip, key, Features())
    write_record(config.layout.record("audio", "0000"), {c: keys[c] for c in ("v/0", "v/1")}, ())
    write_record(config.layout.record("audio", "0001"), {c: keys[c] for c in ("v/2", "v/3")}, ())

    def status() -> tuple[int, int, int]:
        read.clear()
        (row,) = stage_status(config, clips)
        return row.done, row.stale, len(row.quarantine)

    assert stale_records(config, note=True) == []
    assert status() == (6, 0, 0)
    assert read == ["audio v/4", "audio v/5"]  # no record lists them
    build.store.write("audio", "v/2", "another key", Features())
    build.store.path("audio", "v/5").unlink()
    build.store.write_failure("audio", "v/4", keys["v/4"], "no sound", "add some")
    assert status() == (3, 2, 1)
    assert read == ["audio v/2", "audio v/3"]
    assert [path.stem for path in stale_records(config, note=True)] == ["0001"]
