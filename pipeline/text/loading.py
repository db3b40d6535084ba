"""Loading a text model: every weight is the file's, every token the model's, or an error."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from pipeline.encoders.files import first_line
from pipeline.encoders.loading import OFFLINE, encoder_of, load_encoder
from pipeline.encoders.names import type_name
from pipeline.errors import BuildError
from pipeline.text.demo_model import write_demo_model
from pipeline.text.settings import TextSettings
from pipeline.text.source import DEMO, FILES, TYPES, find_model

_NOT_READ = ("pooler.",)
"""Weights above the last hidden layer, which no feature depends on."""


def load_text_model(settings: TextSettings, attention: str = "eager") -> tuple[Any, Any]:
    """Load tokenizer and model: the demo's, or those of a folder, the cache or the hub.

    Parameters
    ----------
    settings : TextSettings
        Which model.
    attention : str
        Name of the attention function that transformers is to call, where the type lets it.

    Returns
    -------
    tokenizer, model
        A tokenizer and an encoder of transformers, in float32 and evaluation mode.

    Raises
    ------
    BuildError
        If there is no such model, its type is not supported, its files cannot be read, the
        encoder would get weights that are not in the file or leave some of its own out, or
        the tokenizer is not this model's.
    """
    if settings.model == DEMO:
        with tempfile.TemporaryDirectory(prefix="demo-bert-") as folder:
            write_demo_model(Path(folder))
            return load_folder(Path(folder), attention)
    return load_folder(find_model(settings).folder, attention)


def load_folder(folder: Path, attention: str = "eager") -> tuple[Any, Any]:
    """Load tokenizer and model from a folder; see `load_text_model`."""
    packed = is_packed(FILES.config(folder).get("model_type"))
    model, _ = load_encoder(
        FILES, folder, not_read=_NOT_READ, attention=attention if packed else None
    )
    return _load_tokenizer(folder, model.config), encoder_of(model)


def is_packed(model_type: Any) -> bool:
    """Tell whether a type's transcripts are packed: those whose attention can be replaced.

    DeBERTa's attention knows the tokens' distance; that of types outside `TYPES` is not known.
    """
    return model_type in TYPES and not str(model_type).startswith("deberta")


def _load_tokenizer(folder: Path, config: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **OFFLINE, **_spelling(folder))
        start_to_end = tokenizer("好")["input_ids"]
    except Exception as error:  # of transformers, tokenizers, or a package that is not here
        raise BuildError(
            f"text.model: cannot load the tokenizer of {folder} "
            f"({type(error).__name__}: {first_line(error)})",
            "save it there with tokenizer.save_pretrained(FOLDER), which writes tokenizer.json",
        ) from error
    _check_vocabulary(folder, tokenizer, config)
    special = set(tokenizer.all_special_ids)
    if len(start_to_end) < 3 or not {start_to_end[0], start_to_end[-1]} <= special:
        raise BuildError(
            f"text.model: the tokenizer of {folder} puts no start and end token around a "
            f"transcript ({tokenizer.convert_ids_to_tokens(start_to_end)} for 好)",
            "name a folder whose tokenizer is that of its encoder",
        )
    return tokenizer


def _spelling(folder: Path) -> dict[str, Any]:
    """Read from tokenizer.json how it treats letters, where no other file says so.

    Without tokenizer_config.json transformers takes its own defaults, and lower-cases all.
    """
    path = folder / "tokenizer.json"
    if not path.is_file() or (folder / "tokenizer_config.json").is_file():
        return {}
    normalizer = json.loads(path.read_text("utf-8")).get("normalizer") or {}
    if normalizer.get("type") != "BertNormalizer":
        return {}
    return {
        "do_lower_case": normalizer["lowercase"],
        "strip_accents": normalizer["strip_accents"],
        "tokenize_chinese_chars": normalizer["handle_chinese_chars"],
    }


def _check_vocabulary(folder: Path, tokenizer: Any, config: Any) -> None:
    """Refuse a vocabulary that is not the model's."""
    vocabulary = tokenizer.get_vocab()
    name = type_name(config.model_type)
    if not set(vocabulary) - set(tokenizer.all_special_tokens):
        files = sorted(path.name for path in folder.iterdir())
        raise BuildError(
            f"text.model: {folder} holds no vocabulary that a {name} reads "
            f"({type(tokenizer).__name__}; it holds {', '.join(files)})",
            "save its tokenizer there: tokenizer.save_pretrained(FOLDER) writes tokenizer.json",
        )
    if max(vocabulary.values()) >= config.vocab_size:
        raise BuildError(
            f"text.model: the vocabulary in {folder} has {max(vocabulary.values()) + 1:,} tokens, "
            f"its {name} knows {config.vocab_size:,}: they are of two models",
            "put the vocabulary and the tokenizer's files of the same model there",
        )
    words = folder / "vocab.txt"
    if not words.is_file() or not (folder / "tokenizer.json").is_file():
        return
    lines = words.read_text("utf-8").rstrip("\n").split("\n")
    other = next((i for i, word in enumerate(lines) if vocabulary.get(word.strip()) != i), None)
    if other is not None:
        raise BuildError(
            f"text.model: tokenizer.json and vocab.txt in {folder} disagree, first in line "
            f"{other + 1} of vocab.txt ({lines[other]!r})",
            "leave only the tokenizer's files of this model there",
        )
