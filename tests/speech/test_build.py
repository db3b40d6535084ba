"""A dataset of text and speech, from the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import yaml

from pipeline.commands.predict import _check_encoder
from pipeline.config import load_config
from pipeline.dataset.reader import open_dataset
from pipeline.report.methods import methods
from pipeline.report.read import read_build
from pipeline.report.tracks import tracks_of
from pipeline.speech.source import FILES
from tests.conftest import ROOT
from tests.corpora import small_corpus
from tests.speech.models import write_speech_model
from tests.text.models import write_model


def test_text_and_speech_are_built_and_described(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path, clips=4)
    corpus.write_sheet()
    hubert = write_speech_model(tmp_path / "hubert", "hubert")
    settings = {
        "raw": str(corpus.raw),
        "processed": str(corpus.processed),
        "features": {"audio": "speech", "vision": "none"},
        "speech": {"model": str(hubert), "layers": "2-3"},
        "text": {"model": str(write_model(tmp_path / "macbert")), "layers": -2},
        "train": {"models": []},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    done = build(path)
    assert done.returncode == 0, done.stdout + done.stderr
    train = open_dataset(corpus.processed / "dataset.h5", "train")
    audio = train[0]["audio"]
    assert audio.shape[1] == 24
    assert abs(int((audio != 0).any(dim=1).sum()) - 1.1 * 50) <= 3
    label = FILES.label(load_config((path,)).speech)
    with h5py.File(corpus.processed / "dataset.h5") as file:
        assert json.loads(file.attrs["audio_names"])[23] == "hubert_023"
        assert json.loads(file.attrs["modalities"])["audio"]["steps_per_second"] == 50.0
        assert json.loads(file.attrs["speech_models"]) == [label]
        assert str(tmp_path) not in str(dict(file.attrs.items()))
    _check_encoder(load_config((path,)), "speech", [label])

    moved = tmp_path / "elsewhere"
    shutil.move(hubert, moved)
    corpus.computed()
    done = build(path, "--set", f"speech.model={moved}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert corpus.computed()["speech"] == 0
    found = read_build(load_config((path,)))  # whose settings name a folder that is gone
    paragraph, _ = methods(found, {"transformers": "5"}, [])
    assert (
        f"The clips' sound was encoded by {label} (transformers 5): the mean of the hidden layers "
        "2 to 3, 24 values per step, 50 steps per second." in paragraph
    )
    assert "the hidden layer 2 from the end, 48 values per token" in paragraph
    assert "speech (audio)" in {track["name"] for track in tracks_of(found)}


def build(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.commands.cli", "--config", str(config), *more]
    return subprocess.run(
        [*command, "--stage", "dataset"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
