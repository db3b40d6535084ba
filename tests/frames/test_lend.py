"""Pictures that one process decodes and reads: the same as those of a kept video, and no rest."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import frame_inputs, frame_source, lent_source
from pipeline.errors import ClipError
from pipeline.frames import extractor, held
from pipeline.frames.extractor import FrameExtractor
from pipeline.frames.settings import FramesSettings
from pipeline.media.memory import memory_file
from pipeline.media.pictures import FrameSource, is_plain, read_frames
from tests.media import FORMS, face_clip, phone, truncated


def pictures_of(source: FrameSource) -> np.ndarray:
    return np.concatenate(list(read_frames(source, 8)))


def same(lent: FrameSource, kept: FrameSource) -> None:
    for name in ("shown", "source", "times"):
        np.testing.assert_array_equal(getattr(lent, name), getattr(kept, name))
    assert (lent.height, lent.width, lent.errors) == (kept.height, kept.width, kept.errors)
    np.testing.assert_array_equal(pictures_of(lent), pictures_of(kept))


def lie_in_memory(source: FrameSource) -> bool:
    return source.path.is_relative_to("/proc/self/fd")


@pytest.mark.parametrize(("options", "plain"), FORMS)
def test_pictures_in_memory_are_those_of_the_kept_video(
    tmp_path: Path, options: tuple[str, ...], plain: bool
) -> None:
    """Whatever form the clip has: a raw copy is made only where it gives the same colours."""
    clip = face_clip(tmp_path / "clip.mkv", *options, seconds=0.4)
    kept = frame_source(clip, tmp_path / "kept.mkv")
    assert is_plain(clip, 0, (kept.width, kept.height)) == plain
    with ExitStack() as lent:
        found = lent_source(clip, tmp_path / "lent.mkv", lent)
        assert lie_in_memory(found)
        raw = kept.width * kept.height * len(pictures_of(kept)) * 1.5
        assert (found.path.stat().st_size > raw) == plain
        same(found, kept)


def test_a_turned_clip_and_one_without_sound(tmp_path: Path) -> None:
    for clip in (phone(tmp_path / "a.mp4"), face_clip(tmp_path / "b.mp4", "-an", seconds=0.4)):
        with ExitStack() as lent:
            found = lent_source(clip, tmp_path / "lent.mkv", lent)
            same(found, frame_source(clip, tmp_path / "kept.mkv"))


def test_what_does_not_fit_into_memory_goes_to_the_disk_and_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, target = face_clip(tmp_path / "clip.mp4"), tmp_path / "lent.mkv"
    kept = frame_source(clip, tmp_path / "kept.mkv")
    monkeypatch.setattr(held, "MOST_HELD", 100_000)
    with ExitStack() as lent:
        found = lent_source(clip, target, lent)
        assert found.path == target
        same(found, kept)
    assert not target.exists()


def test_a_file_that_is_longer_than_it_announces_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, target = face_clip(tmp_path / "clip.mp4"), tmp_path / "lent.mkv"
    kept = frame_source(clip, tmp_path / "kept.mkv")
    monkeypatch.setattr(extractor, "MOST_HELD", 1_000_000)  # of 5 MB; the estimate lets it pass
    with ExitStack() as lent:
        found = lent_source(clip, target, lent)
        assert found.path == target
        same(found, kept)


@pytest.mark.parametrize("without", ["function", "permission", "proc"])
def test_a_system_without_files_in_memory_writes_them_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    if without == "function":
        monkeypatch.delattr(os, "memfd_create")
    elif without == "permission":
        monkeypatch.setattr(os, "memfd_create", lambda name: os.open("/proc/self/mem-", 0))
    else:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    clip, target = face_clip(tmp_path / "clip.mp4", seconds=0.4), tmp_path / "lent.mkv"
    with memory_file() as file:
        assert file is None
    with ExitStack() as lent:
        found = lent_source(clip, target, lent)
        assert found.path == target
        same(found, frame_source(clip, tmp_path / "kept.mkv"))
    assert not target.exists()


def test_a_failure_leaves_no_file_open_and_none_on_the_disk(tmp_path: Path) -> None:
    cut, target = truncated(tmp_path / "cut.mp4"), tmp_path / "lent.mkv"
    before = len(list(Path("/proc/self/fd").iterdir()))
    frames = FrameExtractor(FramesSettings())
    with pytest.raises(ClipError, match=r"truncated: \d+ frames"), ExitStack() as lent:
        lent.enter_context(frames.lend(frame_inputs(cut, target)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not target.exists()
