"""Transient stages of other packages: lent to the jobs that read them, and read from the clip."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from pipeline import stages
from pipeline.audio.stage import AUDIO
from pipeline.errors import BuildError
from pipeline.extractor import Extractor
from pipeline.faces.stage import FACES
from pipeline.store.features import Features

LATE = replace(AUDIO, name="late", transient=True, inputs=(FACES,))
"""A stage that no job could compute on the way."""


class Written(Extractor):
    """Writes a file next to its arrays."""

    def extract(self, inputs: Path) -> Features:
        """Write it."""
        inputs.write_bytes(b"picture")
        return Features(file=inputs)


def test_what_is_lent_goes_after_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "frames.mkv"
    with Written(None).lend(path) as features:
        assert features.file == path
        assert path.read_bytes() == b"picture"
    assert not path.exists()


def test_a_transient_stage_that_reads_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("late", f"{__name__}:LATE", stages.ENTRY_POINTS)
    monkeypatch.setattr(stages, "entry_points", lambda group: [point])
    with pytest.raises(BuildError, match=r"late .* is transient and reads other stages"):
        stages._all_stages()
