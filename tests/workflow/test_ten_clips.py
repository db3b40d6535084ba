"""A few new clips cost the jobs of a few shards: in the plan, in the dry run and in the build."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import snakemake
from tests.corpora import Corpus, small_corpus
from tests.media import face_clip

pytestmark = pytest.mark.long

RULES = ("manifest", "audio", "dataset")

SOUND: dict[str, Any] = {
    "features": {"text": "none", "vision": "none"},
    "audio": {"f0": "zcr"},
    "shard_size": 4,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Eleven clips in three shards; the last one has room for one more."""
    corpus = small_corpus(tmp_path_factory.mktemp("ten"), clips=11)
    corpus.build("stage_dataset", **SOUND)
    assert jobs(corpus) == {"audio 0000": 4, "audio 0001": 4, "audio 0002": 3}
    return corpus


def jobs(corpus: Corpus) -> dict[str, int]:
    """Return the stages' jobs that have run since the last call, and their computed clips."""
    log = corpus.processed / "logs" / "runs.jsonl"
    runs = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    log.write_text("", "utf-8")
    return {f"{run['stage']} {run['shard']}": run["computed"] for run in runs if run["shard"]}


def planned(corpus: Corpus, *options: str) -> dict[str, int]:
    """Return how many jobs of each rule Snakemake would run; a dry run changes nothing."""
    corpus.write_sheet()
    before = state(corpus.processed)
    arguments = ["--configfile", "config.yaml", "--dry-run", *options, "--", "stage_dataset"]
    done = snakemake(*arguments, cwd=corpus.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert state(corpus.processed) == before
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[0] in RULES}


def state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def shards(corpus: Corpus) -> dict[str, int]:
    return {p.stem: p.stat().st_mtime_ns for p in (corpus.processed / "shards").glob("*.json")}


def insert(corpus: Corpus, place: int, *clips: str) -> None:
    """Put new clips between those of the sheet."""
    old = list(corpus.rows.items())
    for number, clip in enumerate(clips):
        face_clip(corpus.add(clip), "-crf", str(10 + number), seconds=1.2)
    new = [(clip, corpus.rows[clip]) for clip in clips]
    corpus.rows = dict([*old[:place], *new, *old[place:]])


def test_new_clips_in_the_middle_cost_the_last_shard_and_a_new_one(corpus: Corpus) -> None:
    insert(corpus, 2, "video_0/0001", "video_1/0003", "video_2/0000")
    before = shards(corpus)
    assert planned(corpus) == {"manifest": 1, "audio": 2, "dataset": 1}
    corpus.build("stage_dataset", **SOUND)
    assert jobs(corpus) == {"audio 0002": 1, "audio 0003": 2}
    after = shards(corpus)
    assert {name for name in after if after[name] != before.get(name)} == {"0002", "0003"}
    assert "Nothing to be done" in corpus.build("stage_dataset", **SOUND)


def test_edits_cost_the_jobs_of_their_own_shards(corpus: Corpus) -> None:
    text, _ = corpus.rows["video_1/0000"]
    corpus.rows["video_1/0000"] = (text, -1.0)
    assert planned(corpus) == {"manifest": 1, "dataset": 1}
    del corpus.rows["video_2/0005"]
    assert planned(corpus)["audio"] == 1
    corpus.rows = dict(reversed(corpus.rows.items()))
    assert planned(corpus)["audio"] == 1
    corpus.build("stage_dataset", **SOUND)
    assert jobs(corpus) == {"audio 0001": 0}


def test_a_manifest_that_is_made_again_costs_no_job(corpus: Corpus) -> None:
    (corpus.processed / "records" / "manifest.json").unlink()
    assert "audio" not in planned(corpus)
    assert planned(corpus, "--forcerun", "manifest")["manifest"] == 1
    corpus.build("stage_dataset", **SOUND)
    assert jobs(corpus) == {}


def test_a_history_of_edits_gives_the_dataset_of_a_new_build(
    corpus: Corpus, tmp_path: Path
) -> None:
    fresh = Corpus(tmp_path)
    shutil.copytree(corpus.raw, fresh.raw)
    fresh.rows = dict(corpus.rows)
    fresh.build("stage_dataset", **SOUND)
    assert len(shards(fresh)) == 4
    for name in ("dataset.h5", "quarantine.csv", "manifest.parquet"):
        assert (fresh.processed / name).read_bytes() == (corpus.processed / name).read_bytes()


def test_a_sheet_that_stops_the_manifest_costs_no_shard(corpus: Corpus) -> None:
    """Its job fails; the shards of the last build stay, and so does their state."""
    before = {path: path.read_bytes() for path in (corpus.processed / "shards").iterdir()}
    corpus.rows["video_9/missing"] = ("好", 0.0)
    status, output = corpus.run("stage_dataset", **SOUND, on_bad_clip="stop")
    assert status != 0
    assert "no folder" in output
    assert {p: p.read_bytes() for p in (corpus.processed / "shards").iterdir()} == before
    del corpus.rows["video_9/missing"]
    corpus.build("stage_dataset", **SOUND)
    assert jobs(corpus) == {}
