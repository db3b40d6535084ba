"""Which files make a speech encoder, and its steps per second. No torch, if its files tell."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from pipeline.encoders.files import EncoderFiles
from pipeline.speech.settings import SpeechSettings

PREPROCESSOR = ("preprocessor_config.json", "processor_config.json")

TYPES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech-sat", "whisper")
"""Types of encoders that are tested."""

FILES = EncoderFiles(
    stage="speech",
    needs="name a folder that holds config.json, model.safetensors and preprocessor_config.json of "
    f"one model; the types are {', '.join(TYPES)} and others that transformers knows as speech "
    "encoders",
    required={"preprocessor_config.json": PREPROCESSOR},
    options=PREPROCESSOR,
)


def steps_per_second(settings: SpeechSettings) -> float:
    """Return the rate of a model's steps.

    Computed from the strides in its configuration; of a model whose configuration does not tell,
    measured, for which the model is loaded once.

    Raises
    ------
    BuildError
        If the model is not on this machine, or its files cannot be read.
    """
    folder = FILES.present(settings).folder
    stride = stride_told(folder)
    if stride is not None:
        return float(sampling_rate(folder) / stride)
    return _measured(folder, FILES.digest(folder))


def stride_told(folder: Path) -> Fraction | None:
    """Return the samples from one step to the next, as a model's files tell; None if they do not.

    The strides of the convolutions multiply; an adapter's layers multiply them again. A model
    with windows of a fixed length (Whisper: 30 s) divides each into as many steps as it has
    positions.
    """
    config = FILES.config(folder)
    strides = config.get("conv_stride")
    if isinstance(strides, list) and all(isinstance(s, int) for s in strides):
        layers = config.get("num_adapter_layers") if config.get("add_adapter") else 0
        return Fraction(prod(strides) * int(config.get("adapter_stride") or 1) ** int(layers or 0))
    positions = config.get("max_source_positions")
    seconds = preprocessor(folder).get("chunk_length")
    if config.get("model_type") == "whisper" and positions and seconds:
        return Fraction(seconds * sampling_rate(folder), positions)
    return None


def shortest_told(folder: Path) -> int | None:
    """Return the samples that one step needs, its receptive field; None if they are not told."""
    config = FILES.config(folder)
    kernels, strides = config.get("conv_kernel"), config.get("conv_stride")
    if not (isinstance(kernels, list) and isinstance(strides, list)):
        return None
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return int(field)


def sampling_rate(folder: Path) -> int:
    """Return the sampling rate that a model takes, in Hz."""
    return int(preprocessor(folder).get("sampling_rate") or 16000)


def preprocessor(folder: Path) -> dict[str, Any]:
    """Return the settings of a model's feature extractor."""
    path = next(folder / name for name in PREPROCESSOR if (folder / name).is_file())
    values = FILES.read_json(path)
    inner = values.get("feature_extractor")
    return inner if isinstance(inner, dict) else values


@lru_cache
def _measured(folder: Path, digest: str) -> float:
    from pipeline.speech.encoder import load_speech_encoder

    return load_speech_encoder(SpeechSettings(model=str(folder), device="cpu")).rate
