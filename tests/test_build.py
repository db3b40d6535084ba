"""The whole way on media that nobody prepared: dataset, quarantine and report are right."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import pytest

from tests.corpora import Corpus, small_corpus
from tests.media import face_clip, no_face, phone, truncated, two_faces, variable_rate

pytestmark = pytest.mark.long

GOOD = {
    "街头/film": ("mkv", ("-c:v", "ffv1", "-c:a", "pcm_s16le", "-ac", "2")),
    "街头/tv": ("avi", ("-c:v", "mpeg4", "-c:a", "mp3", "-ar", "48000")),
    "街头/web": ("webm", ("-c:v", "libvpx", "-c:a", "libopus")),
    "home/fast": ("mov", ("-c:v", "mpeg4", "-r", "50")),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    corpus = Corpus(tmp_path_factory.mktemp("foreign"))
    for clip, (suffix, options) in GOOD.items():
        face_clip(corpus.add(clip).with_suffix(f".{suffix}"), *options)
    phone(corpus.add("home/phone"))
    variable_rate(corpus.add("home/uneven"))
    two_faces(corpus.add("home/two", text="<script>alert('x')</script> & \"引号\""))
    no_face(corpus.add("bad/none"))
    truncated(corpus.add("bad/cut"))
    corpus.add("bad/empty").write_bytes(b"")
    corpus.add("bad/missing")
    face_clip(corpus.add("bad/mute"), "-an")
    face_clip(corpus.add("bad/wordless", text=" "))
    corpus.build(max_quarantined=0.6)
    return corpus


def test_cores_and_shards_change_no_byte(tmp_path: Path) -> None:
    """One core, or two with more jobs: the same features and the same dataset."""
    corpus = small_corpus(tmp_path)
    found = []
    for cores, shard_size in ((1, 32), (2, 2)):
        corpus.build("dataset", cores=cores, shard_size=shard_size)
        files = sorted(corpus.processed.glob("*/*/*.safetensors"))
        assert len(files) == 5 * 3
        found.append({p: p.read_bytes() for p in [*files, corpus.processed / "dataset.h5"]})
        shutil.rmtree(corpus.processed)
    assert found[0] == found[1]


def test_good_clips_are_all_in_the_dataset_and_bad_ones_in_none_of_its_parts(
    corpus: Corpus,
) -> None:
    with h5py.File(corpus.processed / "dataset.h5") as file:
        ids = [name.decode() for part in file.values() for name in part["id"][:]]
        for part in file.values():
            assert (part["vision_lengths"][:] > 30).all()
            assert (part["audio_lengths"][:] > 30).all()
    good = {*GOOD, "home/phone", "home/uneven", "home/two"}
    assert set(ids) == good
    assert len(ids) == len(good)


@pytest.mark.parametrize(
    ("clip", "words"),
    [
        ("bad/none", "face"),
        ("bad/cut", "cut"),
        ("bad/empty", "empty"),
        ("bad/missing", "missing"),
        ("bad/mute", "audio"),
        ("bad/wordless", "transcript"),
    ],
)
def test_every_bad_clip_is_in_quarantine_with_its_own_reason(
    corpus: Corpus, clip: str, words: str
) -> None:
    assert words in corpus.quarantine()[clip]


def test_the_report_shows_every_clip_and_no_markup_of_strangers(corpus: Corpus) -> None:
    page = (corpus.processed / "report.html").read_text("utf-8")
    for clip in corpus.rows:
        assert clip in page
    assert "<script>alert" not in page


def test_too_many_lost_clips_end_the_build_with_an_error_after_the_report(
    corpus: Corpus,
) -> None:
    status, words = corpus.run(max_quarantined=0.1)
    assert status != 0
    assert "6 of 13 clips (46%) are in quarantine" in words
    assert (corpus.processed / "report.html").is_file()


def test_an_interrupted_build_gives_the_same_bytes(corpus: Corpus, tmp_path: Path) -> None:
    """Half of the features lost, shards of another size: the same dataset to the byte."""
    again = Corpus(tmp_path)
    again.raw, again.rows = corpus.raw, corpus.rows
    shutil.copytree(corpus.processed, again.processed)
    shutil.rmtree(again.processed / "records")
    (again.processed / "dataset.h5").unlink()
    for path in sorted(again.processed.glob("*/*/*.safetensors"))[::2]:
        path.unlink()
    again.build("stage_dataset", max_quarantined=0.6, shard_size=5)
    first = (corpus.processed / "dataset.h5").read_bytes()
    assert (again.processed / "dataset.h5").read_bytes() == first


def test_on_bad_clip_stop_ends_at_the_first_bad_clip(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    truncated(corpus.add("bad/cut"))
    status, words = corpus.run("stage_vision", on_bad_clip="stop")
    assert status != 0
    assert "bad/cut" in words
    assert "on_bad_clip is 'stop'" in words
