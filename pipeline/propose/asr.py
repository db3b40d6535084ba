"""Transcripts by a speech recogniser: any speech-to-text model of Hugging Face's transformers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.encoders.files import EncoderFiles, first_line
from pipeline.encoders.loading import OFFLINE, load_config
from pipeline.encoders.names import type_name
from pipeline.errors import BuildError
from pipeline.extractor import pick_device
from pipeline.media.clip_sound import mono_at
from pipeline.propose.film import Film, Index, sound
from pipeline.propose.settings import AsrSettings

Wave = NDArray[np.float32]

VERSION = 1
"""Raised by hand when the same model and sound would give other words."""

_TOKENS_PER_SECOND = 25
"""A model that writes on and on is stopped: nobody speaks so fast."""

_PREPROCESSOR = ("preprocessor_config.json", "processor_config.json")
_VOCABULARY = ("tokenizer.json", "vocab.json", "tokenizer_config.json")


_BETWEEN_HAN = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")


def _check(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model that is of no type that writes what it hears."""
    from transformers.models.auto import modeling_auto as auto

    known = (auto.MODEL_FOR_CTC_MAPPING_NAMES, auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES)
    kind = str(config.get("model_type"))
    if not any(kind in names for names in known):
        raise BuildError(
            f"asr.model: {folder} holds a {type_name(kind)}, which is no speech recogniser",
            FILES.needs,
        )


FILES = EncoderFiles(
    stage="asr",
    needs="name a folder that holds config.json, model.safetensors, preprocessor_config.json and "
    "the tokenizer of one model, e.g. of Whisper or of wav2vec 2.0 with a CTC head",
    required={"preprocessor_config.json": _PREPROCESSOR, "tokenizer.json": _VOCABULARY},
    options=(*_PREPROCESSOR, *_VOCABULARY, "generation_config.json", "added_tokens.json"),
    check=_check,
)


def asr_key(settings: AsrSettings) -> list[Any]:
    """Return what the words of a clip depend on, apart from its sound.

    Raises
    ------
    BuildError
        If the model cannot be found or used.
    """
    return [VERSION, FILES.digest(_folder(settings)), settings.language]


@dataclass(frozen=True)
class _Named:
    """A model that is asked for by name."""

    model: str
    revision: str | None


def _folder(settings: AsrSettings) -> Path:
    assert settings.model is not None
    return FILES.find(_Named(settings.model, settings.revision)).folder


class Recogniser:
    """A model that writes what it hears.

    Parameters
    ----------
    settings : AsrSettings
        Which model, which language, and where it runs.

    Raises
    ------
    BuildError
        If its files cannot be read, or a weight is missing from them.
    """

    def __init__(self, settings: AsrSettings) -> None:
        from transformers import (
            AutoFeatureExtractor,
            AutoModelForCTC,
            AutoModelForSpeechSeq2Seq,
            AutoTokenizer,
        )
        from transformers.models.auto.modeling_auto import MODEL_FOR_CTC_MAPPING_NAMES
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.settings = settings
        folder = _folder(settings)
        config = load_config(FILES, folder)
        self.writes_tokens = config.model_type not in MODEL_FOR_CTC_MAPPING_NAMES
        kind = AutoModelForSpeechSeq2Seq if self.writes_tokens else AutoModelForCTC
        try:
            self.extractor = AutoFeatureExtractor.from_pretrained(folder, **OFFLINE)
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **OFFLINE)
            self.model = _loaded(kind, folder, config)
        except BuildError:
            raise
        except Exception as error:  # transformers, tokenizers and safetensors raise many kinds
            raise BuildError(
                f"asr.model: cannot load a speech recogniser from {folder} "
                f"({type(error).__name__}: {first_line(error)})",
                FILES.needs,
            ) from error
        self.device = pick_device(settings.device, "asr.device")
        self.model.to(self.device)
        self.rate = int(self.extractor.sampling_rate)

    def transcribe(self, film: Film, index: Index, begin: float, end: float) -> str:
        """Return the words between two moments of a film, in seconds."""
        heard = np.concatenate(list(sound(film, begin, end, index=index)))
        return self.hear(mono_at(heard.T, film.rate, self.rate))

    def hear(self, wave: Wave) -> str:
        """Return the words in a sound ``[n]`` at the model's own rate.

        Raises
        ------
        BuildError
            If the model cannot take it.
        """
        window = getattr(self.extractor, "n_samples", None) or len(wave)
        try:
            parts = [self._words(wave[at : at + window]) for at in range(0, len(wave), window)]
        except Exception as error:  # whatever a model of another kind does with sound
            raise BuildError(
                f"asr.model: the model of {self.settings.model} cannot transcribe "
                f"({type(error).__name__}: {first_line(error)})",
                "transcribe a clip with transformers itself; or leave asr.model out and type the "
                "transcripts",
            ) from error
        return _BETWEEN_HAN.sub("", " ".join(" ".join(parts).split()))

    def _words(self, wave: Wave) -> str:
        import torch

        given = self.extractor(wave, sampling_rate=self.rate, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            if self.writes_tokens:
                tokens = self.model.generate(**given, **self._options(len(wave)))
            else:
                tokens = self.model(**given).logits.argmax(-1)
        return str(self.tokenizer.batch_decode(tokens, skip_special_tokens=True)[0])

    def _options(self, samples: int) -> dict[str, Any]:
        options: dict[str, Any] = {
            "do_sample": False,
            "num_beams": 1,
            "max_new_tokens": self._most_tokens(samples),
        }
        generation = self.model.generation_config
        if self.settings.language and getattr(generation, "is_multilingual", False):
            options |= {"language": self.settings.language, "task": "transcribe"}
        return options

    def _most_tokens(self, samples: int) -> int:
        limit = getattr(self.model.config, "max_target_positions", None)
        wanted = round(samples / self.rate * _TOKENS_PER_SECOND) + 8
        return min(wanted, limit - 8) if limit else wanted


def _loaded(kind: Any, folder: Path, config: Any) -> Any:
    """Load a model from safetensors alone, all of its weights."""
    import torch

    model, found = kind.from_pretrained(
        folder,
        config=config,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
        **OFFLINE,
    )
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    missing = sorted(name for name in found["missing_keys"] if name not in tied)
    if missing or found["mismatched_keys"]:
        raise BuildError(
            f"asr.model: {folder} lacks {len(missing)} weights of a {type(model).__name__} "
            f"({', '.join(missing[:3]) or 'some have another shape'})",
            "save the whole recogniser with model.save_pretrained(FOLDER); an encoder alone "
            "writes no text",
        )
    return model.eval()
