"""Every odd media file comes out as it should: read as a player would, or refused with words."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.clips import frame_source, sound_of
from pipeline.errors import ClipError
from pipeline.manifest.streams import probe
from tests.media.cases import CASES
from tests.media.make import Case


def test_there_are_enough_files_and_each_has_a_name() -> None:
    assert len(CASES) >= 110
    assert len({(case.name, case.file) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} ({case.file})")
def test_a_file_is_read_as_a_player_would_or_refused(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.file
    case.make(path)
    if case.refused:
        with pytest.raises(ClipError) as caught:
            probe(path)
            frame_source(path, tmp_path / "frames.mkv")
        assert case.refused in str(caught.value)
        assert caught.value.remedy
        return
    facts = probe(path)
    assert (facts.video_codec is None) == (case.frames is None)
    if case.frames is not None:
        source = frame_source(path, tmp_path / "frames.mkv")
        assert abs(source.frames - case.frames) <= 2
        assert (source.width, source.height) == case.size
        assert (source.errors > 0) == case.damaged
    sound = sound_of(path)
    assert (sound.samples is None) == (case.seconds is None)
    if case.seconds is not None and sound.samples is not None:
        assert sound.samples.shape[-1] / sound.rate == pytest.approx(case.seconds, abs=0.12)
