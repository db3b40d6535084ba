"""Media are found inside raw alone, probed as they play, and a bad file harms only itself."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from pipeline.errors import ClipError
from pipeline.manifest import media as media_module
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.media import Media, MediaReader, find_media
from pipeline.manifest.streams import probe


def read(folder: Path, processed: Path, names: list[str]) -> tuple[list[Media | ClipError], int]:
    folders = MediaFolders(folder)
    reader = MediaReader(folders, processed, workers=2)
    results = list(reader.read([folders.root / name for name in names]))
    return results, reader.probed


def test_a_probe_tells_what_a_player_shows(media: Path) -> None:
    found = probe(media / "plain.mp4")
    assert found.duration == pytest.approx(1.6)
    assert (found.fps, found.width, found.height, found.rotation) == (25.0, 160, 120, 0)
    assert (found.video_codec, found.audio_codec) == ("mpeg4", "aac")
    assert (found.sample_rate, found.channels) == (16000, 1)


def test_a_rotated_phone_video_has_its_displayed_size(media: Path) -> None:
    found = probe(media / "phone.mov")
    assert (found.width, found.height, found.rotation) == (120, 160, 90)


def test_film_rate_and_stereo(media: Path) -> None:
    found = probe(media / "film.mkv")
    assert found.fps == pytest.approx(23.976, abs=1e-3)
    assert (found.sample_rate, found.channels) == (48000, 2)
    assert found.duration == pytest.approx(2.0, abs=0.05)


def test_a_file_that_does_not_say_how_long_it_is_is_read_to_its_end(media: Path) -> None:
    assert probe(media / "live.webm").duration == pytest.approx(1.6, abs=0.1)


def test_missing_streams_are_told_by_absent_codecs(media: Path) -> None:
    assert probe(media / "silent.mp4").audio_codec is None
    sound = probe(media / "sound.mp4")
    assert (sound.video_codec, sound.width, sound.rotation) == (None, None, None)


def test_damaged_files_are_refused(media: Path, tmp_path: Path) -> None:
    whole = (media / "plain.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "words.mp4").write_text("not a video")
    (tmp_path / "list.mkv").write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{media}/plain.mp4\n")
    for name in ("cut.mp4", "words.mp4", "list.mkv"):
        with pytest.raises(ClipError, match="cannot be opened"):
            probe(tmp_path / name)


def test_results_come_in_order_and_are_remembered_by_content(media: Path, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    names = ["plain.mp4", "film.mkv", "silent.mp4"]
    for name in names:
        shutil.copyfile(media / name, folder / name)
    first, probed = read(folder, tmp_path / "p", names)
    assert probed == 3
    assert [m.path for m in first if isinstance(m, Media)] == names
    again, probed = read(folder, tmp_path / "p", names)
    assert probed == 0
    assert again == first
    shutil.copyfile(media / "short.mp4", folder / "film.mkv")
    changed, probed = read(folder, tmp_path / "p", names)
    assert probed == 1
    assert [a == b for a, b in zip(first, changed, strict=True)] == [True, False, True]


FATAL = """
import os, time
import av
healthy = av.open
def fatal(file, *arguments, **options):
    if file.endswith("crash.mp4"):
        os.abort()
    if file.endswith("hang.mp4"):
        time.sleep(60)
    return healthy(file, *arguments, **options)
av.open = fatal
"""


def test_a_file_that_crashes_or_hangs_its_probe_costs_no_other_clip(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(FATAL)  # in the child, two names are fatal
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setattr(media_module, "PROBE_SECONDS", 3.0)
    folder = tmp_path / "raw"
    folder.mkdir()
    names = ["a.mp4", "crash.mp4", "b.mp4", "hang.mp4", "c.mp4", "d.mp4"]
    for name in names:
        (folder / name).write_bytes((media / "plain.mp4").read_bytes() + name.encode())
    results, probed = read(folder, tmp_path / "p", names)
    fates = [r.reason if isinstance(r, ClipError) else r.path for r in results]
    assert fates == [
        "a.mp4",
        f"FFmpeg's libraries crashed on it (status {-signal.SIGABRT})",
        "b.mp4",
        "FFmpeg's libraries hung on it for 3 s and were stopped",
        "c.mp4",
        "d.mp4",
    ]
    assert probed == 4
    monkeypatch.delenv("PYTHONPATH")
    results, probed = read(folder, tmp_path / "p", names)
    assert probed == 2  # a crash is not remembered: the next build tries again
    assert all(isinstance(result, Media) for result in results)


def test_links_that_leave_raw_are_refused(media: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "inside").mkdir(parents=True)
    shutil.copyfile(media / "plain.mp4", raw / "inside" / "0001.mp4")
    (raw / "inside" / "0002.mp4").symlink_to(media / "plain.mp4")
    (raw / "outside").symlink_to(media)
    (raw / "alias").symlink_to(raw / "inside")
    folders = MediaFolders(raw)
    assert find_media(folders, "inside", "0001").name == "0001.mp4"
    assert find_media(folders, "alias", "0001").name == "0001.mp4"
    for video, clip in (("inside", "0002"), ("outside", "plain"), ("alias", "0002")):
        with pytest.raises(ClipError, match="leads out of raw"):
            find_media(folders, video, clip)


def test_what_is_no_single_plain_file_is_refused(media: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    video = raw / "v"
    video.mkdir(parents=True)
    for name in ("twice.mp4", "twice.MOV", "shout.MKV"):
        shutil.copyfile(media / "plain.mp4", video / name)
    (video / "empty.avi").touch()
    os.mkfifo(video / "pipe.flv")
    folders = MediaFolders(raw)
    assert find_media(folders, "v", "shout").name == "shout.MKV"
    for clip, words in (
        ("twice", "twice.MOV, twice.mp4"),
        ("empty", "0 bytes"),
        ("pipe", "not a plain file"),
        ("none", "no media file"),
    ):
        with pytest.raises(ClipError, match=words):
            find_media(folders, "v", clip)
    with pytest.raises(ClipError, match="no folder"):
        find_media(folders, "w", "0001")


def test_a_stop_waits_for_no_queue_and_keeps_what_was_found_out(
    media: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    names = [f"{number:02d}.mp4" for number in range(40)]
    for number, name in enumerate(names):
        shutil.copyfile(media / "plain.mp4", folder / name)
        with (folder / name).open("ab") as stream:  # each is another file
            stream.write(bytes([number]) * 8)
    folders = MediaFolders(folder)
    reader = MediaReader(folders, tmp_path / "p", workers=1)
    results = reader.read([folders.root / name for name in names])
    assert isinstance(next(results), Media)
    results.close()  # type: ignore[attr-defined]
    assert 1 <= reader.probed <= 8
    again, probed = read(folder, tmp_path / "p", names)
    assert probed == len(names) - reader.probed
    assert all(isinstance(found, Media) for found in again)
