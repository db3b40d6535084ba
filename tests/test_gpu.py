"""On a GPU: the CPU's faces, vectors and predictions, within the tolerance of docs/performance.md.

Where there is none these tests skip and say so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.faces.detector import make_detector
from pipeline.faces.settings import FacesSettings
from pipeline.image.encoder import load_image_encoder
from pipeline.image.settings import ImageSettings
from pipeline.image.source import image_files
from pipeline.media.clip_sound import Sound
from pipeline.speech.extractor import SpeechExtractor
from pipeline.speech.settings import SpeechSettings
from pipeline.text.extractor import TextExtractor
from pipeline.text.settings import TextSettings
from pipeline.train.recipe import PAPER, PUBLISHED, Recipe
from pipeline.train.registry import MODELS
from tests.image.models import write_image_model
from tests.media import FACE
from tests.speech.models import write_speech_model
from tests.test_media import frames_of
from tests.train.test_models import batch_for, make

GPU = "cuda"

pytestmark = pytest.mark.skipif(
    GPU == "cuda" and not torch.cuda.is_available(), reason="torch finds no CUDA GPU here"
)


def test_faces_lie_where_the_cpu_finds_them(tmp_path: Path) -> None:
    frames = np.concatenate(list(frames_of(FACE, tmp_path).batches(16)))
    cpu, gpu = (
        [f for _, f in make_detector(FacesSettings.model_validate({"device": d})).follow([frames])]
        for d in ("cpu", GPU)
    )
    assert len(cpu) == len(gpu) == len(frames)
    for one, other in zip(cpu, gpu, strict=True):
        np.testing.assert_allclose(other.boxes, one.boxes, atol=0.1)
        np.testing.assert_allclose(other.probabilities, one.probabilities, atol=1e-3)


def test_text_vectors_are_the_cpus() -> None:
    sentences = ["我真的受够了，你走吧。", "好", "今天是我最幸福的一天，" * 12]
    cpu, gpu = (TextExtractor(TextSettings(model="demo", device=d)) for d in ("cpu", GPU))  # type: ignore[arg-type]
    for one, other in zip(cpu.extract_batch(sentences), gpu.extract_batch(sentences), strict=True):
        assert not isinstance(one, Exception)
        assert not isinstance(other, Exception)
        np.testing.assert_allclose(other.arrays["text"], one.arrays["text"], atol=1e-3)


@pytest.mark.parametrize("kind", ["hubert", "wav2vec2-base", "data2vec-audio", "whisper"])
def test_speech_vectors_are_the_cpus_in_any_company(kind: str, tmp_path: Path) -> None:
    folder = write_speech_model(tmp_path / kind, kind)
    noise = np.random.default_rng(0).normal(0, 0.1, 24000).astype(np.float32)
    sounds = [Sound(noise[None, :n], 16000) for n in (24000, 9000, 16000, 24000)]
    cpu, gpu = (
        SpeechExtractor(SpeechSettings.model_validate({"model": str(folder), "device": d}))
        for d in ("cpu", GPU)
    )
    assert cpu.encoder.pads == gpu.encoder.pads
    together = gpu.extract_batch(sounds)
    for given, found in zip(sounds, together, strict=True):
        assert not isinstance(found, Exception)
        vectors = found.arrays["speech"]
        np.testing.assert_allclose(vectors, cpu.extract(given).arrays["speech"], atol=1e-3)
        np.testing.assert_allclose(vectors, gpu.extract(given).arrays["speech"], atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip", "vit", "dinov2", "resnet"])
def test_image_vectors_are_the_cpus_in_any_company(kind: str, tmp_path: Path) -> None:
    folder = write_image_model(tmp_path / kind, kind)
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 48, 48, 3), np.uint8))
    cpu, gpu = (
        load_image_encoder(
            ImageSettings.model_validate({"model": str(folder), "device": d}), image_files("image")
        )
        for d in ("cpu", GPU)
    )
    found = gpu.encode(pictures)
    np.testing.assert_allclose(found, cpu.encode(pictures), atol=1e-3)
    alone = np.concatenate([gpu.encode([picture]) for picture in pictures])
    np.testing.assert_allclose(found, alone, atol=1e-5)


# the published EF-LSTM is given sequences that were aligned when they were read
@pytest.mark.parametrize(
    ("name", "recipe"),
    [(n, PAPER) for n in MODELS] + [(n, PUBLISHED) for n in MODELS if n != "ef_lstm"],
)
def test_models_predict_and_learn_as_on_the_cpu(name: str, recipe: Recipe) -> None:
    found, batch = {}, batch_for(name, recipe)
    for device in map(torch.device, ("cpu", GPU)):
        model = make(name, recipe).to(device)
        output = model(batch.to(device))
        sum(p.sum() for p in output.predictions.values()).backward()
        slopes = {n: p.grad.cpu() for n, p in model.named_parameters() if p.grad is not None}
        found[device.type] = {k: v.detach().cpu() for k, v in output.predictions.items()}, slopes
    (predicted, slopes), (others, other_slopes) = found["cpu"], found[torch.device(GPU).type]
    assert slopes.keys() == other_slopes.keys()
    for task in predicted:
        torch.testing.assert_close(others[task], predicted[task], atol=1e-4, rtol=1e-3)
    for weight in slopes:
        torch.testing.assert_close(other_slopes[weight], slopes[weight], atol=1e-3, rtol=1e-2)
