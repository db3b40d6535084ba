"""chsims-build status where a program is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.commands.status import stage_status
from pipeline.config import make_config
from pipeline.openface import extractor
from pipeline.openface.runtimes.select import Selection
from pipeline.openface.settings import OpenFaceSettings
from pipeline.store.shards import Clip


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
