"""Which jobs a stage has, and which shards each of them handles."""

from __future__ import annotations

from itertools import chain

import pytest

from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.runner.jobs import job_names, jobs_read, shards_of_job, shards_seen
from pipeline.stages import STAGES
from tests.conftest import snakemake


@pytest.mark.parametrize("count", [0, 1, 8, 9, 72])
@pytest.mark.parametrize("stage", list(STAGES))
def test_every_shard_is_in_one_job(stage: str, count: int) -> None:
    shards = [f"{number:04d}" for number in range(count)]
    jobs = [shards_of_job(stage, job, shards) for job in job_names(stage, shards)]
    assert list(chain.from_iterable(jobs)) == shards
    assert [job[0] for job in jobs] == job_names(stage, shards)
    assert all(len(job) <= STAGES[stage].job_shards for job in jobs)


def test_a_job_that_is_none_is_refused_by_name() -> None:
    shards = [f"{number:04d}" for number in range(9)]
    with pytest.raises(BuildError, match=r"(?s)text stage has no job 0001.*one of 0000, 0008"):
        shards_of_job("text", "0001", shards)


def test_a_job_goes_by_its_number_where_the_folder_shows_too_little() -> None:
    """A shard is shown late, or was lost and is being made again."""
    late = [f"{number:04d}" for number in range(8)]
    known = shards_seen("0008", late)
    assert shards_of_job("text", "0008", known) == ["0008"]
    assert shards_of_job("audio", "0008", known) == ["0008"]
    lost = [name for name in late if name != "0003"]
    assert shards_of_job("text", "0000", shards_seen("0000", lost)) == late
    known = shards_seen("0004", lost)
    assert shards_of_job("image", "0004", known) == late[4:8]
    assert {job for _, job in jobs_read(make_config({}), "image", "0004", known)} == set(late[4:8])
    assert shards_seen("clips-0123abcd", ["clips-0123abcd"]) == ["clips-0123abcd"]


def test_text_takes_many_shards_a_job_and_a_few_clips_asked_for_are_one() -> None:
    """Thirty shards: thirty jobs of audio, four of text. `--clip`: one of each."""
    command = ["stage_text", "stage_audio", "--configfile", "config/demo.yaml", "--dry-run"]
    settings = ["--config", "shard_size=1", "processed=processed/never-made"]
    done = snakemake(*command, *settings)
    assert done.returncode == 0, done.stderr
    assert _planned(done.stdout) == {"text": 4, "audio": 30}
    done = snakemake(*command, *settings, "run={clips: [video_0001/0001]}")
    assert done.returncode == 0, done.stderr
    assert _planned(done.stdout) == {"text": 1, "audio": 1}


def _planned(output: str) -> dict[str, int]:
    rows = [line.split() for line in output.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[0] in STAGES}
