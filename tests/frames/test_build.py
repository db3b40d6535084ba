"""Frames in a build: decoded by the faces jobs, or kept; their failures bear their own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.store.layout import Layout
from pipeline.store.records import read_record
from tests.corpora import Corpus, small_corpus
from tests.media import face_clip, truncated

pytestmark = pytest.mark.long

KEPT = {"keep_frames": True}


def videos(corpus: Corpus) -> list[Path]:
    return sorted(corpus.processed.glob("frames/**/*.mkv"))


def faces(corpus: Corpus) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in corpus.processed.glob("faces/*/*.safetensors")}


def test_kept_or_not_the_faces_are_the_same_and_are_computed_once(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path)
    corpus.build("stage_faces")
    assert corpus.computed() == {"frames": 3, "faces": 3}
    assert not list(corpus.processed.glob("frames/**/*.*"))
    assert not (corpus.processed / "records" / "frames").exists()
    found = faces(corpus)
    corpus.build("stage_faces", frames=KEPT)
    assert corpus.computed() == {"frames": 3}
    assert len(videos(corpus)) == 3
    for path in found:
        path.unlink()
    corpus.build("stage_faces", frames=KEPT)
    assert corpus.computed() == {"faces": 3}
    assert faces(corpus) == found
    assert len(videos(corpus)) == 3
    corpus.build("stage_faces")
    assert corpus.computed() == {}


def test_frames_that_were_asked_for_are_read_and_then_go(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path)
    corpus.build("stage_frames")
    assert corpus.computed() == {"frames": 3}
    assert len(videos(corpus)) == 3
    corpus.build("stage_faces")
    assert corpus.computed() == {"faces": 3}
    assert not videos(corpus)
    corpus.build("stage_faces")
    assert corpus.computed() == {}


def test_a_clip_that_cannot_be_decoded_failed_at_frames_and_is_not_tried_again(
    tmp_path: Path,
) -> None:
    corpus = small_corpus(tmp_path)
    truncated(corpus.add("video_2/cut"))
    corpus.build("stage_faces", max_quarantined=0.5)
    assert corpus.computed() == {"frames": 4, "faces": 4}
    record = read_record(Layout(corpus.processed).record("faces", "0000"))
    ((clip, stage, reason),) = [(e.clip, e.stage, e.reason) for e in record.quarantine]
    assert (clip, stage) == ("video_2/cut", "frames")
    assert "truncated" in reason
    corpus.build("stage_faces", max_quarantined=0.5)
    assert corpus.computed() == {}
    face_clip(corpus.raw / "video_2" / "cut.mp4")
    corpus.build("stage_faces", max_quarantined=0.5)
    assert corpus.computed() == {"frames": 1, "faces": 1}
    assert not read_record(Layout(corpus.processed).record("faces", "0000")).quarantine
