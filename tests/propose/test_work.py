"""What is stored of films, and what happens where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import make_config
from pipeline.errors import BuildError, ClipError
from pipeline.propose.folder import Folder
from pipeline.propose.run import _Run
from pipeline.propose.work import Films
from pipeline.propose.workers import work_on
from tests.media import FACE


def test_a_damaged_result_is_made_again_by_the_next_call(tmp_path: Path) -> None:
    films = Films(tmp_path, make_config({}))
    work = films.open((FACE, "a" * 64))
    before = films.index(work).keys.tolist()
    (path,) = tmp_path.glob("index/**/*.safetensors")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BuildError, match=r"is missing or damaged .*removed now") as error:
        films.index(work)
    assert "run the same command again" in error.value.remedy
    assert films.index(films.open((FACE, "a" * 64))).keys.tolist() == before


def test_damaged_candidates_of_an_earlier_call_are_named_with_the_way_out(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    record = folder.record("a" * 64, "film.mp4")
    stored = folder.store / "candidates" / f"{record.video_id}.json"
    stored.parent.mkdir(parents=True)
    stored.write_text('{"segments": [')
    run = _Run(make_config({}), folder, lossless=False, cores=1, say=print)
    with pytest.raises(BuildError, match=r"video_0001\.json is damaged .*of film\.mp4") as error:
        run.report([], dry_run=True)
    assert "name this film too" in error.value.remedy


def _fails(task: str) -> str:
    if task == "disk":
        raise BuildError("the disk is full", "free some of it")
    raise ValueError(task)


def test_an_unexpected_error_is_one_films_and_that_of_the_machine_is_everybodys() -> None:
    (first, second) = work_on(["one", "two"], _fails, 1, "testing")
    for task, result in (first, second):
        assert isinstance(result, ClipError)
        assert result.reason == f"unexpected ValueError: {task}"
    with pytest.raises(BuildError, match="the disk is full"):
        list(work_on(["disk"], _fails, 1, "testing"))
