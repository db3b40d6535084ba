"""Failures: which are remembered, which are tried again, and which are no clip's fault."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Config, make_config
from pipeline.errors import BuildError, ClipError
from pipeline.extractor import Extractor
from pipeline.runner.plan import plan
from pipeline.runner.run import ALIKE, run_stage
from pipeline.stage import Build
from pipeline.stages import STAGES
from pipeline.store.features import Features
from pipeline.store.files import read_json, write_json
from pipeline.store.shards import Clip
from pipeline.workflow.recheck import delete_records, stale_records

CLIPS = [Clip(f"v/{i:04d}", f"v/{i:04d}.mp4", f"{i:064d}", 1.0, f"{i}") for i in range(ALIKE)]


class Strange(Extractor):
    """Does with a clip what its transcript says."""

    version = 1

    def __init__(self, settings: Any) -> None:
        pass

    def extract(self, inputs: str) -> Features:
        match inputs:
            case "die":
                os._exit(9)
            case "refuse":
                raise ClipError("it is too strange", "look at it")
            case "fail":
                raise ZeroDivisionError("no clip's fault")
        return Features(arrays={"audio": np.zeros((3, 33), np.float32)})


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    strange = replace(
        STAGES["audio"],
        source="text",
        load=lambda build, clip: clip.text,
        extractor=lambda settings: Strange,
        identity=lambda settings: {},
    )
    monkeypatch.setitem(STAGES, "audio", strange)
    return Build.of(make_config({"processed": str(tmp_path)}))


def run(config: Config, deeds: dict[int, str]) -> dict[str, Any]:
    """Run the stage on eight clips, some with a deed, and return the record."""
    rows = [replace(clip, text=deeds.get(i, clip.text)) for i, clip in enumerate(CLIPS)]
    shard, record = config.processed / "shards/0000.json", config.processed / "records/audio"
    write_json(shard, {"clips": [asdict(row) for row in rows]})
    run_stage(config, "audio", [shard], record / "0000.json", threads=2)
    found: dict[str, Any] = read_json(record / "0000.json")
    return found


def test_a_killed_worker_costs_its_clip_alone_and_the_next_build_tries_it_again(
    build: Build,
) -> None:
    record = run(build.config, {3: "die", 5: "refuse"})
    assert [entry["clip"] for entry in record["quarantine"]] == ["v/0003", "v/0005"]
    assert "worker process died" in record["quarantine"][0]["reason"]
    assert "the next build retries it" in record["quarantine"][0]["remedy"]
    assert len(record["clips"]) == ALIKE - 2
    found = stale_records(build.config)
    assert [path.name for path in found] == ["0000.json"]
    delete_records(build.config, found)
    assert not found[0].exists()
    dying = replace(CLIPS[3], text="die")
    refused = replace(CLIPS[5], text="refuse")
    steps = plan(build, STAGES["audio"], [dying, refused, CLIPS[0]])
    assert [step.state for step in steps] == ["stale", "quarantined", "done"]


def test_a_record_holds_as_long_as_its_bad_clips_are_known_as_bad(build: Build) -> None:
    """A clip that was computed alone since (--clip --force) must come into the dataset."""
    run(build.config, {5: "refuse"})
    assert stale_records(build.config) == []
    build.store.write("audio", "v/0005", "key", Features())
    assert len(stale_records(build.config)) == 1


def test_clips_that_all_fail_alike_stop_the_build_and_are_not_blamed(build: Build) -> None:
    run(build.config, {})
    with pytest.raises(BuildError, match=r"all 8 clips .* unexpected ZeroDivisionError"):
        run(build.config, dict.fromkeys(range(ALIKE), "fail"))
    assert not list(build.config.processed.glob("audio/**/*.failed.json"))
    assert len(list(build.config.processed.glob("audio/**/*.safetensors"))) == ALIKE


def test_a_single_unexpected_failure_is_the_clips_own(build: Build) -> None:
    record = run(build.config, {2: "fail"})
    (entry,) = record["quarantine"]
    assert entry["reason"] == "unexpected ZeroDivisionError: no clip's fault"


def test_what_was_right_before_a_wrong_setting_is_right_again_after_it(build: Build) -> None:
    """A failure with another key keeps the good file: going back computes nothing."""
    run(build.config, {})
    before = {p: p.stat().st_mtime_ns for p in build.config.processed.glob("audio/v/*.safetensors")}
    run(build.config, {4: "refuse"})
    record = run(build.config, {})
    assert record["quarantine"] == []
    after = {p: p.stat().st_mtime_ns for p in build.config.processed.glob("audio/v/*.safetensors")}
    assert before == after


def test_frames_that_a_stopped_build_has_dropped_are_made_again_for_a_forced_stage(
    build: Build,
) -> None:
    """Snakemake keeps a transient stage's record where the job that reads it has failed."""
    key = build.key(STAGES["frames"], CLIPS[0])
    record = build.config.layout.record("frames", "0000")
    write_json(record, {"clips": {CLIPS[0].clip: key}, "quarantine": []})
    build.store.write("frames", CLIPS[0].clip, key, Features())
    assert stale_records(build.config) == []
    build.store.discard("frames", CLIPS[0].clip, ())
    assert stale_records(build.config) == [record]
