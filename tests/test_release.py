"""The preset `release` against the published recipe's own calls, on the same clips."""

from __future__ import annotations

import subprocess
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks import recipe
from pipeline.config import make_config
from pipeline.faces.extractor import split_crops
from pipeline.manifest.build import build_manifest
from pipeline.runner.run import run_stage
from pipeline.store.features import Store
from pipeline.text.demo_model import write_demo_model
from tests.conftest import EMULATOR, ROOT
from tests.corpora import Corpus
from tests.media import FACE, face_clip, ffmpeg

MONO, STEREO = "a/mono", "a/stereo"
HIDDEN = "drawbox=enable='between(t,0.4,0.7)':color=gray:t=fill"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A clip at 22,050 Hz, and one in stereo at 44,100 Hz whose face is hidden for a while."""
    corpus = Corpus(tmp_path_factory.mktemp("release"))
    face_clip(corpus.add(MONO, "今天很好。"), seconds=1.0)
    stereo = ("-ar", "44100", "-ac", "2", "-vf", HIDDEN)
    face_clip(corpus.add(STEREO, "我不喜欢！"), *stereo, seconds=1.0)
    (corpus.folder / "bert").mkdir()
    write_demo_model(corpus.folder / "bert")
    corpus.write_sheet()
    return corpus


@pytest.fixture(scope="module")
def built(corpus: Corpus) -> Store:
    """Both clips through every stage of the preset, with the emulator as OpenFace."""
    release = yaml.safe_load((ROOT / "config" / "release.yaml").read_text("utf-8"))
    config = make_config(
        {
            **release,
            "raw": str(corpus.raw),
            "processed": str(corpus.processed),
            "text": {"model": str(corpus.folder / "bert")},
            "openface": {"runtime": "native", "native_binary": str(EMULATOR)},
        }
    )
    build_manifest(config, progress=False)
    shards = sorted((corpus.processed / "shards").glob("*.json"))
    for stage in ("frames", "faces", "openface", "vision", "audio", "text"):
        run_stage(config, stage, shards, corpus.processed / f"{stage}.json", threads=1)
    return Store(corpus.processed)


def recipe_audio(media: Path, wav: Path) -> np.ndarray:
    """The recipe's calls: ffmpeg to a WAV file, librosa's defaults, hop 512."""
    ffmpeg("-i", media, "-vn", wav)
    y, sr = librosa.load(wav)
    zero_crossings = librosa.feature.zero_crossing_rate(y, hop_length=512).T
    mfcc = librosa.feature.mfcc(y=y, sr=sr, hop_length=512, htk=True).T
    chroma = librosa.feature.chroma_cqt(y=y, sr=sr, hop_length=512).T
    return np.concatenate([zero_crossings, mfcc, chroma], axis=-1)


def recipe_vision(csv: Path, pool: int = 5) -> np.ndarray:
    """The recipe's loop over OpenFace's CSV: all columns after the fifth, means of five rows."""
    frame = pd.read_csv(csv)
    features, group = [], []
    for row in range(len(frame)):
        group.append(np.array(frame.loc[row][frame.columns[5:]]))
        if (row + 1) % pool == 0:
            features.append(np.array(group).mean(axis=0))
            group = []
    if group:
        features.append(np.array(group).mean(axis=0))
    return np.array(features)


@pytest.mark.parametrize("clip", [MONO, STEREO])
def test_audio_is_the_recipes(corpus: Corpus, built: Store, tmp_path: Path, clip: str) -> None:
    theirs = recipe_audio(corpus.raw / f"{clip}.mp4", tmp_path / "sound.wav")
    ours = built.read("audio", clip).arrays["audio"]
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("clip", [MONO, STEREO])
def test_vision_is_the_recipes_mean_of_every_row(built: Store, tmp_path: Path, clip: str) -> None:
    crops = split_crops(built.read("faces", clip))
    shown = [crop for crop in crops if crop is not None]
    assert (len(shown) < len(crops)) == (clip == STEREO)
    (tmp_path / "faces").mkdir()
    for number, crop in enumerate(shown):
        (tmp_path / "faces" / f"{number:06d}.jpg").write_bytes(crop)
    command = [EMULATOR, "-fdir", tmp_path / "faces", "-out_dir", tmp_path]
    command += ["-2Dfp", "-3Dfp", "-pdmparams", "-pose", "-aus", "-gaze"]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    theirs = recipe_vision(tmp_path / "faces.csv")
    features = built.read("vision", clip)
    assert features.arrays["vision"].shape == theirs.shape
    np.testing.assert_allclose(features.arrays["vision"], theirs, rtol=1e-5, atol=1e-5)
    assert features.arrays["valid"].all()


@pytest.mark.parametrize("clip", [MONO, STEREO])
def test_text_is_the_recipes(corpus: Corpus, built: Store, clip: str) -> None:
    theirs = recipe.text(corpus.rows[clip][0], corpus.folder / "bert")
    np.testing.assert_allclose(built.read("text", clip).arrays["text"], theirs, atol=1e-4)


def test_sixteen_bits_are_those_of_ffmpeg(tmp_path: Path) -> None:
    import soundfile

    from pipeline.audio.extractor import as_pcm16

    for codec in ("pcm_f32le", "pcm_s16le"):
        ffmpeg("-i", FACE, "-vn", "-af", "volume=8", "-c:a", codec, tmp_path / f"{codec}.wav")
    exact, rounded = (
        soundfile.read(tmp_path / f"{codec}.wav", dtype="float32")[0]
        for codec in ("pcm_f32le", "pcm_s16le")
    )
    assert np.abs(exact).max() > 1  # some of it is clipped
    np.testing.assert_array_equal(as_pcm16(exact), rounded)
