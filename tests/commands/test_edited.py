"""A status and a dry run speak of the label sheet and the media as they are now."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pipeline.commands.edited import edits
from pipeline.commands.status import clips_due, clips_of, print_status
from pipeline.config import Config, make_config
from pipeline.manifest.build import build_manifest
from pipeline.workflow.settings_files import changed_settings, write_settings
from tests.corpora import Corpus, small_corpus
from tests.media import face_clip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Three clips and their manifest."""
    corpus = small_corpus(tmp_path_factory.mktemp("edited"))
    corpus.write_sheet()
    build_manifest(config_of(corpus), progress=False)
    return corpus


@pytest.fixture
def corpus(made: Corpus, tmp_path: Path) -> Corpus:
    """A copy whose sheet and media may be edited."""
    copy = Corpus(tmp_path)
    for name in ("raw", "processed"):
        shutil.copytree(made.folder / name, tmp_path / name)
    copy.rows = dict(made.rows)
    return copy


def config_of(corpus: Corpus) -> Config:
    return make_config(
        {
            "raw": str(corpus.raw),
            "processed": str(corpus.processed),
            "features": {"vision": "none"},
            "text": {"model": "demo"},
        }
    )


def words_of(corpus: Corpus) -> str:
    corpus.write_sheet()
    config = config_of(corpus)
    return edits(config, clips_of(config)).words


def edit(corpus: Corpus, number: int, text: str | None = None, label: float | None = None) -> None:
    clip = list(corpus.rows)[number]
    old_text, old_label = corpus.rows[clip]
    corpus.rows[clip] = (text or old_text, old_label if label is None else label)


def test_nothing_is_said_of_a_sheet_and_media_that_are_the_same(corpus: Corpus) -> None:
    for path in corpus.raw.rglob("*.mp4"):
        os.utime(path)  # newer, the same bytes
    assert words_of(corpus) == ""


def test_each_kind_of_edit_is_counted(corpus: Corpus) -> None:
    edit(corpus, 0, text="别的话。")
    edit(corpus, 1, label=0.8)
    first = next(corpus.raw.rglob("*.mp4"))
    face_clip(corpus.add("video_9/new"), seconds=1.1)
    corpus.add("video_9/without_media")
    said = words_of(corpus)
    assert "1 clip(s) new, 1 clip(s) with another transcript, 1 clip(s) with other labels" in said
    first.write_bytes(first.read_bytes() + b"more")
    del corpus.rows[list(corpus.rows)[2]]
    said = words_of(corpus)
    assert "1 clip(s) removed" in said
    assert "1 clip(s) with another media file" in said


def test_media_of_the_same_size_are_compared_by_their_bytes(corpus: Corpus) -> None:
    first = next(corpus.raw.rglob("*.mp4"))
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes(data)
    assert "1 clip(s) with another media file" in words_of(corpus)


def test_a_dry_run_counts_the_clips_of_the_edited_sheet(corpus: Corpus) -> None:
    face_clip(corpus.add("video_9/new"), seconds=1.1)
    corpus.write_sheet()
    said = clips_due(config_of(corpus))
    assert "1 clip(s) new" in said
    assert "clips to compute: audio 4, text 4 (of 4)" in said


def test_a_damaged_manifest_does_not_hide_the_status(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus.processed / "manifest.parquet").write_bytes(b"damaged")
    corpus.write_sheet()
    print_status(config_of(corpus))
    said = capsys.readouterr().out
    assert "cannot be compared" in said
    assert "text" in said


def test_the_sheet_is_read_only_if_the_manifest_was_made_from_another(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal settings files prove it, if the manifest is newer and whole."""
    config, layout = config_of(corpus), config_of(corpus).layout
    corpus.write_sheet()
    write_settings(config, changed_settings(config, ["manifest"]))
    build_manifest(config, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.commands.edited.read_sheet", None)
        found = edits(config, clips_of(config))
        assert (found.clips, found.words) == (clips_of(config), "")
        later = layout.made("manifest").stat().st_mtime_ns + 1
        os.utime(layout.settings("manifest"), ns=(later, later))  # as if none was made since
        with pytest.raises(TypeError):
            edits(config, clips_of(config))
        os.utime(layout.made("manifest"), ns=(later, later))
        assert edits(config, clips_of(config)).words == ""
    edit(corpus, 0, text="别的话。")
    assert "1 clip(s) with another transcript" in words_of(corpus)
    edit(corpus, 0, text="今天很好。")
    assert words_of(corpus) == ""
    next(corpus.raw.rglob("*.mp4")).unlink()
    assert "1 clip(s) with another media file" in words_of(corpus)
