"""Which clips a folder has, how they are cut apart, and the tables that come back."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import av
import pytest

from pipeline.annotate.clips import read_clips
from pipeline.annotate.cut import Cutter
from pipeline.annotate.export import annotations_csv, transcripts_csv, write_tables
from pipeline.annotate.voting import Task
from pipeline.config import make_config
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.sheet import read_sheet
from pipeline.media.ffmpeg import ffmpeg_program
from tests.annotate.conftest import Panel, lay_out
from tests.conftest import DEMO

SPOKEN = DEMO / "video_0001" / "0001.mp4"


def ffmpeg(*arguments: str | Path) -> None:
    command = [ffmpeg_program(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def found(raw: Path, store: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the transcripts of the clips that can be annotated, and why others cannot."""
    clips, left_out = read_clips(make_config({"raw": str(raw)}), store)
    return {c.name: c.text for c in clips}, {each.name: each.reason for each in left_out}


def test_without_a_sheet_every_media_file_is_a_clip(tmp_path: Path) -> None:
    raw = lay_out(tmp_path / "raw")
    (raw / "transcripts.csv").unlink()
    (raw / ".annotate").mkdir()
    (raw / ".annotate" / "x.mp4").write_bytes(SPOKEN.read_bytes())
    (raw / "notes.txt").write_text("no clip")
    clips, left_out = found(raw, tmp_path / "store")
    assert clips == dict.fromkeys(("video_0001/0001", "video_0001/0002", "video_0002/0001"), "")
    assert left_out == {}


def test_clips_that_cannot_be_annotated_are_left_out_with_a_reason(tmp_path: Path) -> None:
    raw = lay_out(tmp_path / "raw", clips=1)
    video = raw / "video_0001"
    ffmpeg("-i", SPOKEN, "-an", "-c", "copy", video / "silent.mp4")
    ffmpeg("-i", SPOKEN, "-vn", "-c", "copy", video / "blind.mp4")
    (video / "broken.mp4").write_bytes(b"not a video")
    (tmp_path / "outside.mp4").write_bytes(SPOKEN.read_bytes())
    (video / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    ids = ("silent", "blind", "broken", "link", "lost", "../0001", "twice", "twice")
    with (raw / "transcripts.csv").open("a", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(("video_0001", name, "好。") for name in ids)
    clips, left_out = found(raw, tmp_path / "store")
    assert list(clips) == ["video_0001/0001"]
    expected = {
        "silent": "no sound",
        "blind": "no picture",
        "broken": "cannot be opened as media",
        "link": "leads out of raw",
        "lost": "no media file",
        "../0001": "not an id",
        "twice": "a second line",
    }
    assert left_out.keys() == {f"video_0001/{name}" for name in expected}
    for name, words in expected.items():
        assert words in left_out[f"video_0001/{name}"]


def test_a_folder_without_a_usable_clip_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="does not exist"):
        found(tmp_path / "nothing", tmp_path / "store")
    (tmp_path / "raw").mkdir()
    with pytest.raises(BuildError, match="no clip that can be annotated"):
        found(tmp_path / "raw", tmp_path / "store")


def test_nothing_but_the_chosen_stream_is_left_in_a_cut_file(tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nPEEK subtitle\n")
    mark = [("-metadata", f"{name}=PEEK {name}") for name in ("title", "comment", "artist")]
    streams = [
        (f"-metadata:s:{kind}:0", f"{name}=PEEK {kind}")
        for kind in "va"
        for name in ("title", "handler_name")
    ]
    ffmpeg(
        *("-i", SPOKEN, "-i", tmp_path / "s.srt", "-map", "0:v", "-map", "0:a", "-map", "1"),
        *("-c:v", "copy", "-c:a", "copy", "-c:s", "mov_text"),
        *(word for pair in (*mark, *streams) for word in pair),
        tmp_path / "marked.mp4",
    )
    assert (tmp_path / "marked.mp4").read_bytes().count(b"PEEK") >= 5
    cutter = Cutter(tmp_path, tmp_path / "cut", "wheel")
    kept = {}
    for phase in "AVM":
        path = cutter.cut(Task(phase, 1, "marked.mp4", "d" * 64, 0, 1))
        assert b"PEEK" not in path.read_bytes()
        with av.open(str(path)) as container:
            kept[phase] = [(s.type, s.codec_context.name) for s in container.streams]
    picture, sound = ("video", "h264"), ("audio", "aac")
    assert kept == {"A": [sound], "V": [picture], "M": [picture, sound]}


@pytest.mark.parametrize(
    "options",
    [
        ("-s", "321x241", "-c:v", "mpeg4", "-c:a", "mp3", "odd.avi"),
        ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus", "vp9.webm"),
        ("-pix_fmt", "yuv422p10le", "-c:v", "libx264", "-c:a", "flac", "deep.mkv"),
        ("-vf", "scale=1920:360,setsar=2/1", "-ar", "96000", "-c:a", "pcm_s16le", "wide.mov"),
    ],
    ids=["avi", "webm", "mkv", "mov"],
)
def test_what_browsers_cannot_play_is_made_playable(tmp_path: Path, options: tuple[str]) -> None:
    *how, name = options
    ffmpeg("-t", "1", "-i", SPOKEN, *how, tmp_path / name)
    cutter = Cutter(tmp_path, tmp_path / "cut", "wheel")
    with av.open(str(cutter.cut(Task("M", 1, name, "d" * 64, 0, 1)))) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert video.width % 2 == video.height % 2 == 0
        assert video.width <= 1280
        assert video.sample_aspect_ratio in (None, 1)
        assert (audio.codec_context.name, audio.rate) == ("aac", 48000)
        if name == "wide.mov":
            assert (video.width, video.height) == (1280, 120)


def test_a_damaged_clip_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(SPOKEN.read_bytes()[:2000])
    cutter = Cutter(tmp_path, tmp_path / "cut", "wheel")
    with pytest.raises(ClipError, match="bad"):
        cutter.cut(Task("A", 7, "bad.mp4", "d" * 64, 0, 1))
    assert "bad" in cutter.failures[7]
    assert list((tmp_path / "cut").iterdir()) == []


def test_the_tables_are_read_back_as_they_were_voted(tmp_path: Path) -> None:
    raw = lay_out(tmp_path / "raw")
    clips, _ = read_clips(make_config({"raw": str(raw)}), tmp_path / "store")
    panel = Panel(tmp_path / "round", clips=0)
    from pipeline.annotate.rounds import set_up

    set_up(panel.database, clips)
    for annotator, answer in enumerate((1, -1)):
        for phase in "TAVM":
            if phase == "M":
                ticket = panel.ticket_of(annotator, "M", 0)
                remark = {"text": "改了，“是”的。", "gender": "female", "age": 30}
                if annotator:  # whose first clip may be the same one
                    del remark["text"]
                panel.voting.remark(panel.tokens[annotator], ticket, remark)
            panel.finish(annotator, "cannot" if (annotator, phase) == (1, "A") else answer)
    write_tables(panel.database, raw)
    sheet = read_sheet(make_config({"raw": str(raw)}))
    assert {row.clip: (row.M, row.T, row.A, row.V) for row in sheet.rows} == {
        clip.name: (0, 0, 1, 0) for clip in clips
    }
    assert sheet.votes is not None
    assert len(sheet.votes) == 3 * (2 * 4 - 1)
    said = [row for row in sheet.rows if row.gender]
    assert {row.gender for row in said} == {"female"}
    assert {row.age for row in said} == {"30"}
    # one of two annotators is no majority: the transcripts that were shown hold
    assert [row.text for row in sheet.rows] == [clip.text for clip in clips]
    assert [row.problems for row in sheet.rows] == [()] * 3


def test_tables_from_elsewhere_are_not_lost(tmp_path: Path) -> None:
    raw = lay_out(tmp_path / "raw")
    before = (raw / "transcripts.csv").read_text("utf-8")
    panel = Panel(tmp_path / "round")
    with pytest.raises(BuildError, match="no vote yet"):
        write_tables(panel.database, raw)
    panel.finish(0)
    write_tables(panel.database, raw)
    assert (raw / "transcripts.original.csv").read_text("utf-8") == before
    panel.finish(0)
    write_tables(panel.database, raw)  # its own files are replaced
    assert (raw / "annotations.csv").read_text("utf-8") == annotations_csv(panel.database)
    assert (raw / "transcripts.csv").read_text("utf-8") == transcripts_csv(panel.database)
    assert (raw / "transcripts.original.csv").read_text("utf-8") == before
    (raw / "annotations.csv").write_text("video_id,clip_id,modality,annotator,vote\n")
    with pytest.raises(BuildError, match="did not write it"):
        write_tables(panel.database, raw)
