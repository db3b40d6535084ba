"""What a worker stores belongs to what it read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import make_config
from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.runner.plan import plan
from pipeline.runner.worker import Worker
from pipeline.settings import Settings
from pipeline.stage import Build, Stage
from pipeline.store.features import Features
from pipeline.store.files import file_digest
from pipeline.store.shards import Clip


class Length(Extractor):
    """The number of bytes of a file."""

    def extract(self, inputs: Any) -> Features:
        if isinstance(inputs, Exception):
            raise inputs
        return Features(arrays={"length": np.array([len(inputs)])})


def stage(read: Any) -> Stage:
    return Stage(
        name="audio",
        settings_type=Settings,
        source="media",
        inputs=(),
        load=lambda build, clip: read(build.media(clip)),
        extractor=lambda settings: Length,
    )


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    media = tmp_path / "v" / "1.mp4"
    media.parent.mkdir()
    media.write_bytes(b"as it was")
    return Clip("v/1", "v/1.mp4", file_digest(media), 1.0, "")


def outcome(tmp_path: Path, clip: Clip, read: Any) -> tuple[str, Build]:
    build = Build.of(make_config({"raw": str(tmp_path), "processed": str(tmp_path / "out")}))
    made = stage(read)
    (step,) = plan(build, made, [clip])
    (found,) = Worker(build, made, 1).work([step])
    return found.reason, build


def test_a_clip_that_stays_is_stored(tmp_path: Path, clip: Clip) -> None:
    reason, build = outcome(tmp_path, clip, Path.read_bytes)
    assert reason == ""
    assert build.store.key("audio", "v/1") is not None


@pytest.mark.parametrize("result", ["a feature", "a failure"])
def test_a_clip_that_is_swapped_while_it_is_read_is_not_stored(
    tmp_path: Path, clip: Clip, result: str
) -> None:
    def read(path: Path) -> Any:
        path.write_bytes(b"another clip")
        return path.read_bytes() if result == "a feature" else ClipError("cannot be decoded")

    reason, build = outcome(tmp_path, clip, read)
    assert "v/1.mp4 changed while it was read" in reason
    assert build.store.key("audio", "v/1") is None
    failure = build.store.failure("audio", "v/1")
    assert failure is not None
    assert failure["passing"], "the next build tries it again"


def test_a_clip_that_is_removed_while_it_is_read_is_not_stored(tmp_path: Path, clip: Clip) -> None:
    def read(path: Path) -> bytes:
        data = path.read_bytes()
        path.unlink()
        return data

    reason, build = outcome(tmp_path, clip, read)
    assert "v/1.mp4 cannot be read any longer" in reason
    assert build.store.key("audio", "v/1") is None
