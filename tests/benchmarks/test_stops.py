"""Builds that stop themselves through the command line end in time, and leave no process."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.stops import WORKERS, campaign

pytestmark = pytest.mark.long


def test_stops_through_the_command_line_end_in_time(tmp_path: Path) -> None:
    # the benchmark's limit is for a machine of its own; a hang has none
    found = campaign(tmp_path / "build", ("clip", "runtime"), 4, tell=False, limit=60)
    assert found.faults == []
    assert [(stop.kind, stop.workers) for stop in found.stops] == [
        *(("clip", workers) for workers in WORKERS),
        ("runtime", WORKERS[0]),
    ]
    assert all(stop.status == 1 for stop in found.stops)
