"""A speech encoder as it was found to work: its input, its steps, and which clips it may pad."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.encoders.files import first_line
from pipeline.encoders.hidden import Encoder
from pipeline.encoders.loading import OFFLINE, encoder_of, load_encoder
from pipeline.encoders.names import type_name
from pipeline.errors import BuildError
from pipeline.extractor import pick_device
from pipeline.speech.settings import SpeechSettings
from pipeline.speech.source import FILES, sampling_rate, shortest_told, stride_told

Wave = NDArray[np.float32]

NOT_READ = ("masked_spec_embed",)
"""A weight that only training reads."""

_MOST_STEPS_NEEDED = 10
"""A model that needs more steps than this at once is given at least a second of sound."""

_PADDING_ERROR = 1e-5
"""A model whose vectors change by more than this, relative to the largest, when a clip is padded
cannot take clips of different lengths together."""


@dataclass
class SpeechEncoder:
    """A model with its feature extractor.

    Parameters
    ----------
    encoder : Encoder
        The model, on its device.
    extractor : SequenceFeatureExtractor
        Of transformers; normalises, or computes a spectrogram.
    rate_hz : int
        Sampling rate of the sound that the model takes.
    window : int or None
        Samples of each window, of a model that takes windows of one length (Whisper); a longer
        sound is cut into several, and the last one is filled up with silence.
    stride : Fraction
        Samples from one step to the next.
    shortest : int
        Samples that give a first step.
    pads : bool
        Whether clips of different lengths may be batched.
    width : int
        Values per step.
    """

    encoder: Encoder
    extractor: Any
    rate_hz: int
    window: int | None = None
    stride: Fraction = Fraction(1)
    shortest: int = 1
    pads: bool = False
    width: int = 0

    @property
    def rate(self) -> float:
        """Steps per second."""
        return float(self.rate_hz / self.stride)

    def encode(self, waves: Sequence[Wave]) -> list[NDArray[np.float32]]:
        """Send sounds through the model at once.

        Parameters
        ----------
        waves : sequence of ndarray, shape (n,)
            Samples at `rate_hz`: of equal length, unless `pads`; no longer than `window`.

        Returns
        -------
        list of ndarray ``[steps, width]`` float32
        """
        several = len({len(wave) for wave in waves}) > 1
        assert self.pads or self.window or not several, "clips of different lengths"
        more = {"return_attention_mask": True} if several and self.pads else {}
        if several and self.pads:
            more["padding"] = True
        given = self.extractor(
            [np.asarray(w) for w in waves],
            sampling_rate=self.rate_hz,
            return_tensors="pt",
            **more,
        )
        kept = {k: v.to(self.encoder.model.device) for k, v in given.items() if k in _TAKEN}
        hidden, _ = self.encoder.run(**kept)
        steps = [self._steps(len(wave), hidden.shape[1]) for wave in waves]
        vectors = hidden.float().cpu().numpy()
        return [np.ascontiguousarray(v[:n]) for v, n in zip(vectors, steps, strict=True)]

    def _steps(self, samples: int, found: int) -> int:
        """Return the steps that belong to a sound of so many samples."""
        if self.window:
            return min(found, -(-samples // self.stride))
        if self.pads:
            import torch

            lengths = torch.tensor([samples])
            return int(self.encoder.model._get_feat_extract_output_lengths(lengths)[0])
        return found


_TAKEN = ("input_values", "input_features", "attention_mask")


def load_speech_encoder(settings: SpeechSettings) -> SpeechEncoder:
    """Load a model and find out how it works, by sending noise through it.

    Raises
    ------
    BuildError
        If it cannot be loaded, is no speech encoder, or its steps do not follow its input.
    """
    folder = FILES.find(settings).folder
    model, _ = load_encoder(FILES, folder, not_read=NOT_READ)
    device = pick_device(settings.device, "speech.device")
    found = SpeechEncoder(
        Encoder(encoder_of(model).to(device), settings.layers, "speech"),
        _load_extractor(folder),
        sampling_rate(folder),
    )
    second = _noise(found.rate_hz)
    try:
        found.window = _window(found, second)
        first = found.encode([second])[0]
    except BuildError:
        raise
    except Exception as error:  # whatever a model of another kind does with sound
        raise _unusable(folder, found, f"{type(error).__name__}: {first_line(error)}") from error
    if first.ndim != 2:
        raise _unusable(folder, found, f"it gives an array of shape {[1, *first.shape]}")
    found.width = first.shape[1]
    found.stride = _stride(folder, found, len(first))
    found.shortest = _shortest(folder, found)
    found.pads = _may_pad(found, second)
    return found


def _load_extractor(folder: Path) -> Any:
    from transformers import AutoFeatureExtractor

    try:
        return AutoFeatureExtractor.from_pretrained(folder, **OFFLINE)
    except Exception as error:  # of transformers, or a package that is not here
        raise BuildError(
            f"speech.model: cannot load the feature extractor of {folder} "
            f"({type(error).__name__}: {first_line(error)})",
            "save it there with feature_extractor.save_pretrained(FOLDER), which writes "
            "preprocessor_config.json",
        ) from error


def _window(found: SpeechEncoder, second: Wave) -> int | None:
    """Return the length to which a feature extractor brings every sound; None if to none."""
    shapes = [
        {k: tuple(v.shape) for k, v in given.items() if k in _TAKEN[:2]}
        for given in (
            found.extractor(w, sampling_rate=found.rate_hz, return_tensors="pt")
            for w in (second, second[: len(second) // 2])
        )
    ]
    if not shapes[0]:
        raise ValueError("its feature extractor gives neither input_values nor input_features")
    if shapes[0] != shapes[1]:
        return None
    window = getattr(found.extractor, "n_samples", None)
    if not window:
        raise ValueError("it brings every sound to one length, and does not tell which")
    return int(window)


def _stride(folder: Path, found: SpeechEncoder, steps: int) -> Fraction:
    """Return the samples per step: as told, if one second shows it, else as measured."""
    told = stride_told(folder)
    if found.window:  # filled up, whatever the sound's length
        return Fraction(found.window, steps)
    if told is not None and abs(steps - found.rate_hz / told) <= 2:
        return told
    more = 10 * found.rate_hz
    gained = len(found.encode([_noise(found.rate_hz + more)])[0]) - steps
    if gained < 2:
        raise _unusable(folder, found, "its steps do not become more when the sound is longer")
    return Fraction(_roundest(more / (gained + 1), more / (gained - 1)))


def _roundest(low: float, high: float) -> int:
    """Return the whole number between two bounds that the largest power of ten and two divides."""
    for unit in (160, 80, 40, 20, 10, 5, 2, 1):
        number = int(high // unit) * unit
        if low < number < high:
            return number
    return round((low + high) / 2)


def _shortest(folder: Path, found: SpeechEncoder) -> int:
    """Return the samples of the shortest sound that gives a step: as told, or more if need be."""
    if found.window:
        return 1
    least = shortest_told(folder) or round(found.stride)
    for more in range(_MOST_STEPS_NEEDED):
        samples = round(least + more * found.stride)
        with suppress(Exception), warnings.catch_warnings(action="ignore"):  # with too little
            vectors = found.encode([_noise(samples)])[0]
            if len(vectors) and np.isfinite(vectors).all():
                return samples
    return found.rate_hz  # a second was encoded above


def _may_pad(found: SpeechEncoder, second: Wave) -> bool:
    """Tell whether a clip's vectors stay the same next to a longer one.

    Not where a layer normalises over time (wav2vec 2.0 base, HuBERT base), whose feature
    extractors give no mask, nor where convolutions see the padding (data2vec).
    """
    model = found.encoder.model
    masks = getattr(found.extractor, "return_attention_mask", False)
    if found.window or not masks or not hasattr(model, "_get_feat_extract_output_lengths"):
        return False
    short = second[: len(second) * 3 // 5]
    alone = found.encode([short])[0]
    found.pads = True
    try:
        together = found.encode([second, short])[1]
    except Exception:  # a model that takes no mask
        return False
    finally:
        found.pads = False
    return together.shape == alone.shape and bool(
        np.abs(together - alone).max() <= _PADDING_ERROR * max(1.0, float(np.abs(alone).max()))
    )


def _noise(samples: int) -> Wave:
    return np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)


def _unusable(folder: Path, found: SpeechEncoder, why: str) -> BuildError:
    kind = type_name(found.encoder.model.config.model_type)
    return BuildError(
        f"speech.model: {folder} holds a {kind}, which is no speech encoder that can be used "
        f"({why})",
        FILES.needs,
    )
