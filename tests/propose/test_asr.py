"""Transcripts by a speech recogniser of the user's."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import transformers as hf

from pipeline.errors import BuildError
from pipeline.propose.asr import Recogniser, asr_key
from pipeline.propose.settings import AsrSettings
from tests.propose.conftest import Proposed, propose
from tests.propose.recognisers import WORDS, ctc, whisper
from tests.speech.models import write_speech_model

NOISE = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)


@pytest.mark.parametrize("make", [whisper, ctc])
def test_a_recogniser_writes_the_same_words_each_time(make: object, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")  # type: ignore[operator]
    first, again = (Recogniser(AsrSettings(model=str(folder), device="cpu")) for _ in range(2))
    words = first.hear(NOISE)
    assert words == again.hear(NOISE)
    assert words
    assert set(words) <= set(WORDS)


def test_clips_without_subtitles_are_transcribed(proposed: Proposed, tmp_path: Path) -> None:
    film = tmp_path / "silent.mp4"
    shutil.copy(proposed.film, film)
    model = ctc(tmp_path / "model")
    to = tmp_path / "raw"
    shutil.copytree(proposed.folder, to)  # only the subtitles are missing
    propose(film, "--to", to, "--set", f"asr.model={model}", "--cores", "1")
    with (to / "candidates.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    for line in lines:
        assert bool(line["transcript"]) == (line["verdict"] == "taken")
        assert line["transcript_source"] == ("asr.model model" if line["transcript"] else "")
    written = (to / "transcripts.csv").read_bytes()
    words = {path: path.stat().st_mtime_ns for path in (to / ".propose" / "words").rglob("*.json")}
    propose(film, "--to", to, "--set", f"asr.model={model}", "--cores", "1")
    assert (to / "transcripts.csv").read_bytes() == written
    assert {path: path.stat().st_mtime_ns for path in words} == words  # none was heard again


def test_an_encoder_alone_is_refused(tmp_path: Path) -> None:
    folder = ctc(tmp_path / "model")
    write_speech_model(folder)
    with pytest.raises(BuildError, match=r"asr\.model.*lacks .* weights") as error:
        Recogniser(AsrSettings(model=str(folder), device="cpu"))
    assert "save the whole recogniser" in error.value.remedy


def test_a_model_that_does_not_listen_is_refused(tmp_path: Path) -> None:
    folder = ctc(tmp_path / "model")
    hf.BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1).save_pretrained(folder)
    with pytest.raises(BuildError, match="no speech recogniser"):
        asr_key(AsrSettings(model=str(folder)))


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    folder = ctc(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BuildError, match=r"pytorch_model\.bin is a pickle"):
        asr_key(AsrSettings(model=str(folder)))
