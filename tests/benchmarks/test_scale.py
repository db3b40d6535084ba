"""The made-up corpus of benchmarks/scale.py is one that our code takes for finished."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks import big_corpus, million, scale
from pipeline.config import make_config
from pipeline.dataset.writer import build_dataset
from pipeline.manifest.build import build_manifest
from pipeline.runner.plan import plan
from pipeline.stage import Build
from pipeline.stages import STAGES, wanted
from pipeline.store.shards import read_shard


def test_every_clip_counts_as_done_and_goes_into_the_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", os.fsync)  # write_features replaces it
    big_corpus.lay_out(tmp_path / "raw", 40)
    config = make_config(big_corpus.settings_of(tmp_path))
    build_manifest(config, progress=False)
    big_corpus.write_features(config)
    clips = [clip for path in config.layout.numbered_shards for clip in read_shard(path)]
    assert len(clips) == 40
    build = Build.of(config)
    for name in wanted(config):
        assert {step.state for step in plan(build, STAGES[name], clips)} == {"done"}
    assert len(build_dataset(config, progress=False).part_of) == 40


def test_jobs_are_read_from_a_dry_run() -> None:
    output = "Job stats:\njob  count\n-----  -----\nmanifest  1\naudio  2\ntotal  3\n\nsome words"
    assert scale.jobs_of(output) == {"manifest": 1, "audio": 2}


def test_a_million_clips_are_worked_out_from_one(tmp_path: Path) -> None:
    runs = [
        {"stage": "audio", "computed": 32, "cpu": 16.0},
        {"stage": "audio", "computed": 32, "cpu": 48.0},
        {"stage": "audio", "computed": 1, "cpu": 9.0},  # the start of a job, not a clip
        {"stage": "text", "computed": 256},  # by a version that did not measure it
    ]
    log = tmp_path / "runs.jsonl"
    log.write_text("".join(json.dumps(run) + "\n" for run in runs), "utf-8")
    assert million.seconds_of(log) == {"audio": 1.0}
    each = {"audio": million.Each(1.0, 10_000, 1), "text": million.Each(0.8, 40_000, 1)}
    lines = million.table(each, 100, 1_000_000, 2.0, million.Prices(0.1, 20.0))
    assert lines[2] == "| audio | 2.000 | 556 | 5.6 | 0.02 | 1.0 |"
    assert lines[4] == "| all | 3.600 | 1,000 | 10.0 | 0.10 | 2.0 |"
    assert lines[-1].startswith("At 0.1 per core hour: 100. At 20 per terabyte and month: 2 a")
