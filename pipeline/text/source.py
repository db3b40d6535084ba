"""Which files make a text model, and which models can be used. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.encoders.files import EncoderFiles, Source
from pipeline.encoders.names import type_name
from pipeline.errors import BuildError
from pipeline.text.demo_model import DEMO_VERSION, LABEL
from pipeline.text.settings import DEFAULT_MODEL, DEFAULT_REVISION, TextSettings

DEMO = "demo"

TYPES = (
    *("albert", "bert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "roberta"),
    "xlm-roberta",
)
"""Types of encoders that are tested, and whose transcripts are packed (all but DeBERTa's)."""

UNKNOWN_LIMIT = 0.05
"""Share of a corpus's tokens that the model may not know before the dataset warns of it; the demo
model does not know 0.3 % of the demo's, an English BERT most of what is Chinese."""

NEEDS = (
    "name a folder that holds config.json, model.safetensors, and vocab.txt or tokenizer.json of "
    f"one model; the types are {', '.join(TYPES)} and others that transformers knows as text "
    "encoders"
)


def _check(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model that is no text encoder, by its configuration."""
    kind = config.get("model_type")
    if kind not in TYPES and kind not in _other_types():
        classes = config.get("architectures")
        raise BuildError(
            f"text.model: {folder} holds a model of the type {kind!r}"
            f"{f' ({classes[0]})' if isinstance(classes, list) and classes else ''}, which is not "
            "a text encoder that is supported",
            NEEDS,
        )
    if config.get("is_decoder"):
        raise BuildError(
            f"text.model: {folder} holds a {type_name(kind)} that is a decoder; a plain encoder is "
            "read",
            NEEDS,
        )


@cache
def _other_types() -> frozenset[str]:
    """Return all types that fill masked tokens or encode text: they read both ways."""
    from transformers.models.auto import modeling_auto as known

    return frozenset(known.MODEL_FOR_MASKED_LM_MAPPING_NAMES) | frozenset(
        known.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
    )


FILES = EncoderFiles(
    stage="text",
    needs=NEEDS,
    required={
        "vocab.txt or tokenizer.json": (
            *("vocab.txt", "vocab.json", "merges.txt", "tokenizer.json"),
            *("spm.model", "spiece.model", "sentencepiece.bpe.model"),
        )
    },
    options=("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    check=_check,
    pinned={DEFAULT_MODEL: DEFAULT_REVISION},
)


def have_model(settings: TextSettings) -> None:
    """Make sure that the model is on this machine: in its folder, cached, or downloaded now.

    Raises
    ------
    BuildError
        As `find_model`.
    """
    if settings.model != DEMO:
        find_model(settings)


def find_model(settings: TextSettings) -> Source:
    """Return the model: of the named folder, of the Hugging Face cache, or downloaded.

    Raises
    ------
    BuildError
        As `EncoderFiles.find`, and for a type of model that is no text encoder.
    """
    return FILES.find(settings)


def identity(settings: TextSettings) -> dict[str, object]:
    """Return what identifies the model in a key: its content, not where it lies.

    Raises
    ------
    NotHereError
        If the model of this name is not on this machine; a build then calls `have_model`.
    BuildError
        If its folder lacks a file, or holds a model of a type that is not supported.
    """
    return {"demo": DEMO_VERSION} if settings.model == DEMO else FILES.identity(settings)


def label(settings: TextSettings) -> str:
    """Say which model it is: name and commit where they are known, and the digest.

    Examples
    --------
    >>> label(TextSettings(model="demo"))
    'untrained text model: demo only'
    """
    return LABEL if settings.model == DEMO else FILES.label(settings)


def prefix(settings: TextSettings) -> str:
    """Return what the names of the dimensions begin with: the type of the model.

    Raises
    ------
    NotHereError
        If the model is not on this machine.
    """
    if settings.model in (DEMO, DEFAULT_MODEL):
        return "bert"
    return FILES.kind(settings)
