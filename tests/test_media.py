"""Sound and frames come out of any file, and only out of the file itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import frame_source
from pipeline.errors import BuildError, ClipError
from pipeline.media.pictures import FrameSource, Pictures, read_frames, write_constant_rate
from pipeline.media.sound import in_place, read_sound
from tests.media import FACE, FORMS, face_clip, ffmpeg, phone, truncated, variable_rate


def frames_of(media: Path, tmp_path: Path) -> FrameSource:
    return frame_source(media, tmp_path / "frames.mkv")


def pictures_of(media: Path, folder: Path) -> Pictures:
    """Decode without asking the file first, as when it changes after the manifest was made."""
    target = folder / "decoded.mkv"
    return write_constant_rate(media, target, stream=0, size=(320, 240), fps=30.0)


def sound_alone(media: Path) -> tuple[np.ndarray, int, int]:
    return read_sound(media, stream=1)


@pytest.mark.parametrize(
    ("name", "options", "rate"),
    [
        ("film.mkv", ("-c:v", "ffv1", "-c:a", "pcm_s16le"), "24000/1001"),
        ("tv.avi", ("-c:v", "mpeg4", "-c:a", "mp3"), "25"),
        ("game.webm", ("-c:v", "libvpx", "-c:a", "libopus"), "60"),
        ("slow.flv", ("-c:v", "flv", "-ar", "22050"), "12"),
        ("old.wmv", ("-c:v", "wmv2", "-c:a", "wmav2"), "50"),
        ("clock.mp4", ("-video_track_timescale", "120"), "24"),
    ],
)
def test_every_rate_becomes_30_frames_a_second(
    tmp_path: Path, name: str, options: tuple[str, ...], rate: str
) -> None:
    source = frames_of(face_clip(tmp_path / name, *options, rate=rate), tmp_path)
    assert abs(source.frames - 42) <= 5
    assert sum(len(batch) for batch in source.batches(16)) == source.frames


def test_frames_at_uneven_times_are_put_on_the_grid(tmp_path: Path) -> None:
    source = frames_of(variable_rate(tmp_path / "vfr.mp4"), tmp_path)
    assert abs(source.frames - 42) <= 4


def test_a_phone_clip_is_turned_upright(tmp_path: Path) -> None:
    source = frames_of(phone(tmp_path / "phone.mp4"), tmp_path)
    assert (source.width, source.height) == (320, 240)
    upright = frames_of(face_clip(tmp_path / "upright.mp4"), tmp_path)
    turned_mean = next(source.batches(1))[0].astype(float)
    upright_mean = next(upright.batches(1))[0].astype(float)
    assert np.abs(turned_mean - upright_mean).mean() < 6


def test_the_intermediate_video_is_lossless(tmp_path: Path) -> None:
    clip = face_clip(tmp_path / "clip.mp4", rate="30")
    source = frames_of(clip, tmp_path)
    ffmpeg("-i", clip, "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", tmp_path / "raw")
    direct = np.fromfile(tmp_path / "raw", np.uint8).reshape(240, 320, 3)
    np.testing.assert_array_equal(next(source.batches(1))[0], direct)


@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)
def test_the_intermediate_video_is_read_as_ffmpeg_reads_it(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Its colours and its sizes, whatever the clip's own form was."""
    source = frames_of(face_clip(tmp_path / "clip.mkv", *options, seconds=0.3), tmp_path)
    reading = ("-i", source.path, "-pix_fmt", "rgb24", "-f", "rawvideo", "-y", tmp_path / "raw")
    for scaled in (None, (100, 75)):
        pictures = np.concatenate(list(read_frames(source, 4, scaled)))
        scale = f"scale={scaled[0]}:{scaled[1]}:flags=area" if scaled else "null"
        ffmpeg(*reading[:2], "-vf", scale, *reading[2:])
        width, height = scaled or (source.width + source.width % 2, source.height)
        shape = (len(pictures), height + height % 2 * (not scaled), width, 3)
        expected = np.fromfile(tmp_path / "raw", np.uint8).reshape(shape)
        np.testing.assert_array_equal(pictures, expected[:, : pictures.shape[1], : source.width])


@pytest.mark.parametrize("kept", [0, 1000, 0.5])
def test_an_intermediate_video_that_lost_its_end_names_the_stage_to_repeat(
    tmp_path: Path, kept: float
) -> None:
    source = frames_of(face_clip(tmp_path / "clip.mp4"), tmp_path)
    data = source.path.read_bytes()
    source.path.write_bytes(data[: int(kept if kept > 1 else kept * len(data))])
    with pytest.raises(BuildError, match=r"(?s)pictures where \d+ were written.*--force"):
        list(source.batches(16))


def test_a_truncated_file_is_told_from_a_short_one(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"truncated: \d+ frames"):
        frames_of(truncated(tmp_path / "cut.mp4"), tmp_path)


def test_a_full_disk_is_not_the_clips_fault(tmp_path: Path) -> None:
    clip = face_clip(tmp_path / "clip.mp4")
    with pytest.raises(BuildError, match="no space left"):
        write_constant_rate(clip, Path("/dev/full"), stream=0, size=(320, 240), fps=30.0)


@pytest.mark.parametrize("content", [b"", b"not a video", b"\x00" * 5000])
def test_a_file_that_is_no_video_is_named_in_the_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mp4").write_bytes(content)
    with pytest.raises(ClipError, match=r"broken\.mp4"):
        pictures_of(tmp_path / "broken.mp4", tmp_path)
    with pytest.raises(ClipError, match=r"broken\.mp4"):
        sound_alone(tmp_path / "broken.mp4")


def test_damage_in_the_middle_of_a_file_is_counted(tmp_path: Path) -> None:
    """ffmpeg goes on behind it, with pictures and sound that the clip does not have."""
    clip = tmp_path / "damaged.mp4"
    data = bytearray(FACE.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    clip.write_bytes(data)
    for media, damaged in ((FACE, False), (clip, True)):
        assert (pictures_of(media, tmp_path).errors > 0) == damaged
        assert (sound_alone(media)[2] > 0) == damaged


def test_a_playlist_in_disguise_cannot_make_ffmpeg_open_another_file(tmp_path: Path) -> None:
    (tmp_path / "evil.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{FACE}\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {FACE}\n")
    for name in ("evil.mp4", "list.mp4"):
        with pytest.raises(ClipError, match=name):
            pictures_of(tmp_path / name, tmp_path)
        with pytest.raises(ClipError, match=name):
            sound_alone(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["-i.mp4", "a b;c $(touch x).mp4", "concat:a|b.mp4", "https:x.mp4", "100%d.mp4"]
)
def test_a_hostile_file_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    clip = face_clip(tmp_path / "plain.mp4").rename(tmp_path / name)
    assert frames_of(clip, tmp_path).frames > 30
    assert sound_alone(clip)[0].shape[1] > 10000
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "rate", "channels"),
    [
        (("-ar", "8000", "-ac", "1"), 8000, 1),
        (("-ar", "48000", "-ac", "2"), 48000, 2),
        (("-ar", "44100", "-ac", "6"), 44100, 6),
    ],
)
def test_sound_keeps_its_rate_and_channels(
    tmp_path: Path, options: tuple[str, ...], rate: int, channels: int
) -> None:
    samples, found, _ = sound_alone(face_clip(tmp_path / "clip.mkv", "-c:a", "pcm_s16le", *options))
    assert found == rate
    assert samples.shape[0] == channels
    assert samples.shape[1] / rate == pytest.approx(1.4, abs=0.1)
    assert 0.01 < np.abs(samples).max() <= 1


@pytest.mark.parametrize("codec", ["mpeg4", "libvpx-vp9", "ffv1"])
def test_an_odd_size_gives_the_same_pictures_each_time(tmp_path: Path, codec: str) -> None:
    """ffmpeg's filter that pads them to even ones writes into what the decoder still reads."""
    options = ("-vf", "scale=161:121", "-pix_fmt", "yuv420p", "-c:v", codec, "-an")
    clip = face_clip(tmp_path / "odd.mkv", *options, seconds=0.6)
    files, pictures = set(), None
    for _ in range(4):
        source = frames_of(clip, tmp_path)
        files.add(source.path.read_bytes())
        pictures = next(source.batches(99))
    assert len(files) == 1
    assert pictures is not None
    reading = ("-i", clip, "-vf", "fps=30", "-f", "rawvideo", "-pix_fmt", "gray", tmp_path / "raw")
    ffmpeg(*reading)
    direct = np.fromfile(tmp_path / "raw", np.uint8).reshape(-1, 121, 161).astype(float)
    grey = pictures @ [0.299, 0.587, 0.114]
    last = np.abs(grey - direct[: len(grey)])[:, -1]  # edges are the first to go wrong
    assert last.mean() < 12


def test_odd_sizes_and_pixels_that_are_not_square(tmp_path: Path) -> None:
    odd = face_clip(tmp_path / "odd.mp4", "-vf", "scale=161:121", "-c:v", "mpeg4", seconds=0.3)
    source = frames_of(odd, tmp_path)
    assert next(source.batches(1)).shape == (1, 121, 161, 3)
    squeezed = ("-vf", "scale=160:240,setsar=2", "-c:v", "libx264")
    wide = frames_of(face_clip(tmp_path / "wide.mp4", *squeezed, seconds=0.3), tmp_path)
    assert next(wide.batches(1)).shape == (1, 240, 320, 3)


def test_a_gap_in_the_sound_is_silence_of_its_length_and_overlaps_are_left_out() -> None:
    one, two = np.ones((100, 1), np.float32), np.full((100, 1), 2, np.float32)
    placed = in_place([(50, one), (300, two)], jitter=5)[:, 0]
    assert placed.tolist() == [0.0] * 50 + [1.0] * 100 + [0.0] * 150 + [2.0] * 100
    assert in_place([(3, one), (101, two)], jitter=5).shape == (200, 1)  # rounding
    assert in_place([(-20, one), (60, two)], jitter=5)[:, 0].tolist() == [1.0] * 80 + [2.0] * 80
