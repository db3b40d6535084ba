"""A job whose clips all fail in the same way: what the words blame."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.runner import limits, run
from pipeline.runner.plan import Step
from pipeline.runner.worker import Outcome
from pipeline.stage import Build
from pipeline.store.shards import Clip


def stopped_by(folder: Path, reason: str) -> BuildError:
    """Return the error of a job in which each clip failed for this reason."""
    build = Build.of(make_config({"processed": str(folder)}))
    outcomes = []
    for number in range(run.ALIKE):
        step = Step(Clip(f"v/{number}", f"v/{number}.mp4", "0", 1.0, ""), "key", "stale")
        build.store.write_failure("faces", step.clip.clip, "key", reason, "")
        outcomes.append(Outcome(step, reason, "", "a traceback", "faces"))
    with pytest.raises(BuildError, match="8 clips of this job failed in the same way") as stop:
        run._stop_if_all_failed_alike(build, outcomes)
    assert build.store.failure("faces", "v/0") is None, "the clips are not blamed"
    return stop.value


@pytest.mark.parametrize(
    "reason",
    [
        "unexpected RuntimeError: [enforce fail at alloc_cpu.cpp:75] DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 602112 bytes. Error code 12",
        "unexpected error: OpenCV(4.12.0) alloc.cpp:73: Insufficient memory: Failed to allocate",
        "unexpected OSError: [Errno 12] Cannot allocate memory",
        "unexpected RuntimeError: can't start new thread",
        "unexpected ImportError: libtorch.so: failed to map segment from shared object",
        "unexpected RuntimeError: std::bad_alloc",
    ],
)
def test_memory_is_named_and_no_setting_where_memory_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(limits, "limit_mb", lambda: 3000)
    remedy = stopped_by(tmp_path, reason).remedy
    assert remedy.startswith("memory ran out")
    assert "this shell allows 3000 MB (ulimit -v)" in remedy
    assert "settings" not in remedy


def test_under_a_limit_memory_is_named_before_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "limit_mb", lambda: 3000)
    remedy = stopped_by(tmp_path, "unexpected RuntimeError: no such kernel").remedy
    assert remedy.index("ulimit -v") < remedy.index("check the settings of faces")


def test_without_a_limit_the_settings_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "limit_mb", lambda: None)
    remedy = stopped_by(tmp_path, "unexpected KeyError: 'width'").remedy
    assert remedy.startswith("check the settings of faces")
    assert "memory" not in remedy
