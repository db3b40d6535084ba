"""Pictures that one process decodes and reads: the same as those of a kept video, and no rest."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import frame_inputs, frame_source, lent_source
from pipeline.errors import ClipError
from pipeline.frames import extractor, held
from pipeline.frames.extractor import FrameExtractor
from pipeline.frames.settings import FramesSettings
from pipeline.media import ffmpeg as ffmpeg_module
from pipeline.media.ffmpeg import ffmpeg_program
from pipeline.media.memory import MemoryFile, memory_file
from pipeline.media.pictures import FrameSource, is_plain, read_frames
from tests.media import FACE, FORMS, face_clip, phone, truncated


def pictures_of(source: FrameSource) -> np.ndarray:
    return np.concatenate(list(read_frames(source, 8)))


def same(lent: FrameSource, kept: FrameSource) -> None:
    for name in ("shown", "source", "times"):
        np.testing.assert_array_equal(getattr(lent, name), getattr(kept, name))
    assert (lent.height, lent.width, lent.errors) == (kept.height, kept.width, kept.errors)
    np.testing.assert_array_equal(pictures_of(lent), pictures_of(kept))


def lies_in_memory(source: FrameSource) -> bool:
    return source.path.is_relative_to("/proc")


@pytest.mark.parametrize("form", FORMS)
def test_pictures_in_memory_are_those_of_the_kept_video(tmp_path: Path, form: str) -> None:
    """Whatever form the clip has: a raw copy is used only where it gives the same colours."""
    clip = face_clip(tmp_path / "clip.mkv", *FORMS[form], seconds=0.4)
    kept = frame_source(clip, tmp_path / "kept.mkv")
    with ExitStack() as lent:
        found = lent_source(clip, tmp_path / "lent.mkv", lent)
        assert lies_in_memory(found)
        same(found, kept)
        raw = 1.5 * kept.width * kept.height * len(pictures_of(kept))
        if form == "plain":
            assert found.path.stat().st_size > raw
        if form in ("odd size", "bt2020", "4:4:4"):
            assert not is_plain(found.path)


def test_pictures_whose_range_changes_within_the_clip(tmp_path: Path) -> None:
    """ffmpeg brings the second part to the range of the first."""
    for name, form in (("a", "limited range"), ("b", "full range")):
        face_clip(tmp_path / f"{name}.ts", *FORMS[form], "-an", seconds=0.4)
    clip = tmp_path / "clip.ts"
    clip.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with ExitStack() as lent:
        found = lent_source(clip, tmp_path / "lent.mkv", lent)
        same(found, frame_source(clip, tmp_path / "kept.mkv"))


def test_a_turned_clip_and_one_without_sound(tmp_path: Path) -> None:
    for clip in (phone(tmp_path / "a.mp4"), face_clip(tmp_path / "b.mp4", "-an", seconds=0.4)):
        with ExitStack() as lent:
            found = lent_source(clip, tmp_path / "lent.mkv", lent)
            assert lies_in_memory(found)
            same(found, frame_source(clip, tmp_path / "kept.mkv"))


def test_an_ffmpeg_that_is_a_script_can_write_into_the_memory(tmp_path: Path) -> None:
    """It passes no open files on, and a number of one of ours may be another file there."""
    script = tmp_path / "ffmpeg"
    code = (
        f"import subprocess, sys\nsys.exit(subprocess.call([{ffmpeg_program()!r}, *sys.argv[1:]]))"
    )
    script.write_text(f"#!{sys.executable}\n{code}\n", "utf-8")
    script.chmod(0o755)
    clip = face_clip(tmp_path / "clip.mp4", seconds=0.4)
    before = clip.read_bytes()
    inputs = replace(frame_inputs(clip, tmp_path / "lent.mkv"), ffmpeg=str(script))
    with FrameExtractor(FramesSettings()).lend(inputs) as found:
        assert found.file is not None
        assert lies_in_memory(FrameSource.of(found, found.file))
        same(FrameSource.of(found, found.file), frame_source(clip, tmp_path / "kept.mkv"))
    assert clip.read_bytes() == before


def test_a_memory_that_refuses_is_no_fault_of_the_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that counts this memory strictly says that no space is left on the device."""
    clip = face_clip(tmp_path / "clip.mp4", seconds=0.4)
    kept = frame_source(clip, tmp_path / "kept.mkv")
    full = property(lambda file: Path("/dev/full"))
    monkeypatch.setattr(MemoryFile, "path", full)
    with ExitStack() as lent:
        found = lent_source(clip, tmp_path / "lent.mkv", lent)
        assert found.path.is_relative_to(tmp_path)
        same(found, kept)


def test_what_does_not_fit_into_memory_goes_to_the_disk_and_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, target = face_clip(tmp_path / "clip.mp4"), tmp_path / "lent.mkv"
    kept = frame_source(clip, tmp_path / "kept.mkv")
    monkeypatch.setattr(held, "MOST_HELD", 100_000)
    with ExitStack() as lent:
        found = lent_source(clip, target, lent)
        assert found.path.is_relative_to(tmp_path)
        same(found, kept)
    assert not found.path.exists()


def test_a_file_that_is_longer_than_it_announces_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, target = face_clip(tmp_path / "clip.mp4"), tmp_path / "lent.mkv"
    kept = frame_source(clip, tmp_path / "kept.mkv")
    monkeypatch.setattr(extractor, "MOST_HELD", 1_000_000)  # of 5 MB; the estimate lets it pass
    with ExitStack() as lent:
        found = lent_source(clip, target, lent)
        assert found.path.is_relative_to(tmp_path)
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
        assert found.path.is_relative_to(tmp_path)
        same(found, frame_source(clip, tmp_path / "kept.mkv"))
    assert not found.path.exists()


def test_a_failure_leaves_no_file_open_and_none_on_the_disk(tmp_path: Path) -> None:
    cut = truncated(tmp_path / "cut.mp4")
    before = len(list(Path("/proc/self/fd").iterdir()))
    frames = FrameExtractor(FramesSettings())
    with pytest.raises(ClipError, match=r"truncated: \d+ frames"), ExitStack() as lent:
        lent.enter_context(frames.lend(frame_inputs(cut, tmp_path / "lent.mkv")))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert sorted(tmp_path.iterdir()) == [cut]


def test_a_clip_at_which_ffmpeg_hangs_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, tries = tmp_path / "ffmpeg", tmp_path / "tries"
    script.write_text(f'#!/bin/sh\necho once >> "{tries}"\nexec sleep 60\n', "utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(ffmpeg_module, "_DECODE_SECONDS", 1)
    clip = replace(frame_inputs(FACE, tmp_path / "lent.mkv"), ffmpeg=str(script))
    with pytest.raises(ClipError, match="did not finish"), ExitStack() as lent:
        lent.enter_context(FrameExtractor(FramesSettings()).lend(clip))
    assert tries.read_text("utf-8") == "once\n"
