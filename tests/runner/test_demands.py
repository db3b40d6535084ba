"""What jobs ask of a cluster: time that grows with the clips, and GPUs only by name."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.config import make_config
from pipeline.runner.demands import asked_minutes, gpus_asked, minutes_of_job
from pipeline.stages import STAGES
from pipeline.store.shards import Clip, Streams, write_shard
from pipeline.train.experiments import job_minutes


def shard(folder: Path, seconds: float, clips: int = 32, width: int = 1280) -> Path:
    streams = Streams(video=0, audio=1, width=width, height=width * 9 // 16)
    made = [
        Clip(f"v/{number}", f"v/{number}.mp4", "0" * 64, seconds, "好", streams)
        for number in range(clips)
    ]
    path = folder / f"{seconds}-{clips}-{width}.json"
    write_shard(path, {"clips": [asdict(clip) for clip in made]})
    return path


@pytest.mark.parametrize("stage", ["frames", "faces", "openface", "audio", "speech", "image"])
def test_longer_clips_ask_for_more_time_and_each_retry_for_more(tmp_path: Path, stage: str) -> None:
    config = make_config({})
    short, long = shard(tmp_path, 4.0), shard(tmp_path, 120.0)
    first = minutes_of_job(config, STAGES[stage], [short], 4, 1)
    assert minutes_of_job(config, STAGES[stage], [long], 4, 1) > first
    assert minutes_of_job(config, STAGES[stage], [short], 4, 2) == 2 * first


def test_one_long_clip_is_not_divided_among_cores(tmp_path: Path) -> None:
    config = make_config({})
    alone = shard(tmp_path, 600.0, clips=1)
    one, many = (minutes_of_job(config, STAGES["faces"], [alone], n, 1) for n in (1, 16))
    assert one == many


def test_a_shard_that_is_not_there_yet_counts_as_empty(tmp_path: Path) -> None:
    missing = tmp_path / "0000.json"
    assert minutes_of_job(make_config({}), STAGES["audio"], [missing], 1, 1) == asked_minutes(0)


def test_no_job_asks_for_more_than_a_day() -> None:
    assert asked_minutes(1e9, attempt=3) == 24 * 60


def test_a_gpu_is_asked_for_by_name_only() -> None:
    config = make_config({"faces": {"device": "cuda"}, "text": {"device": "cuda:1"}})
    asked = [gpus_asked(group) for group in (config.faces, config.text, config.train, config.audio)]
    assert asked == [1, 1, None, None]


def test_slow_models_more_clips_and_fewer_cores_ask_for_more_time() -> None:
    train = make_config({}).train
    base = job_minutes(train, "table2", "lf_dnn", 2281, 5, 1)
    assert job_minutes(train, "table2", "mult", 2281, 5, 1) > base
    assert job_minutes(train, "table2", "lf_dnn", 100_000, 5, 1) > base
    assert job_minutes(train, "table2", "lf_dnn", 2281, 1, 1) > base
    assert job_minutes(train, "table2", "lf_dnn", 2281, 5, 2) == 2 * base
