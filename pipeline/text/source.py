"""Where a text model lies and what identifies it: its content, never its place. No torch here."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError, NotHereError
from pipeline.store.files import digest, file_digest
from pipeline.text.demo_model import DEMO_VERSION, LABEL
from pipeline.text.settings import DEFAULT_MODEL, DEFAULT_REVISION, TextSettings

DEMO = "demo"

TYPES = {
    "albert": "ALBERT",
    "bert": "BERT",
    "deberta": "DeBERTa",
    "deberta-v2": "DeBERTa v2",
    "distilbert": "DistilBERT",
    "electra": "ELECTRA",
    "ernie": "ERNIE",
    "roberta": "RoBERTa",
    "xlm-roberta": "XLM-RoBERTa",
}
"""Encoders that are supported, by the ``model_type`` of their configuration."""

UNKNOWN_LIMIT = 0.05
"""Share of a corpus's tokens that the model may not know before the dataset warns of it; the demo
model does not know 0.3 % of the demo's, an English BERT most of what is Chinese."""

CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
_VOCABULARY = (
    *("vocab.txt", "vocab.json", "merges.txt", "tokenizer.json"),
    *("spm.model", "spiece.model", "sentencepiece.bpe.model"),
)
_TOKENIZER = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
READ = (CONFIG, *_WEIGHTS, *_VOCABULARY, *_TOKENIZER)
"""Names of the files that decide a model's vectors."""

_OF_A_PLACE = {
    *("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file"),
    *("is_local", "local_files_only", "transformers_version", "dtype", "torch_dtype"),
}
"""Entries of JSON files that say where or by what a copy was saved, and decide no vector."""

NEEDS = (
    "name a folder that holds config.json, model.safetensors, and vocab.txt or tokenizer.json of "
    f"one model; the types are {', '.join(TYPES)}"
)


@dataclass(frozen=True)
class Source:
    """A text model on this machine.

    Parameters
    ----------
    folder : Path
        Where its files lie.
    name, revision : str or None
        Repository and commit on the hub that it came from; None where this is not known.
    """

    folder: Path
    name: str | None = None
    revision: str | None = None


def wanted_revision(settings: TextSettings) -> str | None:
    """Return the revision to ask the hub for; the pinned one belongs to the default model alone."""
    if settings.revision is None and settings.model == DEFAULT_MODEL:
        return DEFAULT_REVISION
    return settings.revision


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
        If there is no such model, with the commands that fetch it, or if its folder lacks a
        file or holds a model of a type that is not supported.
    """
    source = model_here(settings)
    if source is None or (source.name and _lacking(source.folder)):
        source = _download(settings)
    _check_folder(source.folder)
    return source


def model_here(settings: TextSettings) -> Source | None:
    """Return the model if it is on this machine, whole or not; nothing is downloaded."""
    folder = Path(settings.model).expanduser()
    if folder.is_dir():
        return Source(folder)
    if folder.is_file():
        raise BuildError(f"text.model: {folder} is a file, not a folder", NEEDS)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return _of_hub(settings.model, snapshot_download(**_asked(settings), local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError):
        return None
    except ValueError as error:
        raise BuildError(
            f"text.model: there is no folder {settings.model!r} here, and it is no name on the hub "
            f"({first_line(error)})",
            NEEDS,
        ) from error


def _download(settings: TextSettings) -> Source:
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import HfHubHTTPError

    try:
        urllib.request.urlopen(ENDPOINT, timeout=10).close()  # noqa: S310 - fixed https address
        return _of_hub(settings.model, snapshot_download(**_asked(settings)))
    except (OSError, HfHubHTTPError) as error:
        revision = wanted_revision(settings)
        option = f" --revision {revision}" if revision else ""
        place = settings.model.rsplit("/", 1)[-1]
        raise BuildError(
            f"text.model: {settings.model}{f' at revision {revision[:12]}' if revision else ''} is "
            "neither a folder here, nor in the Hugging Face cache, nor to be downloaded "
            f"({first_line(error)})",
            f"on a machine with network run: hf download {settings.model}{option} --local-dir "
            f"{place}; copy the folder here and build with --set text.model={place}",
        ) from error


def _asked(settings: TextSettings) -> dict[str, Any]:
    return {
        "repo_id": settings.model,
        "revision": wanted_revision(settings),
        "allow_patterns": list(READ),
    }


def _of_hub(name: str, folder: str) -> Source:
    """Take the commit from the name that the cache gives to a snapshot's folder."""
    commit = Path(folder).name
    return Source(Path(folder), name, commit if re.fullmatch("[0-9a-f]{40}", commit) else None)


def _lacking(folder: Path) -> list[str]:
    """Name what a folder lacks of a model: configuration, weights, vocabulary."""
    wanted: dict[str, Iterable[str]] = {
        CONFIG: (CONFIG,),
        "model.safetensors": _WEIGHTS[:2],
        "vocab.txt or tokenizer.json": _VOCABULARY,
    }
    return [
        words
        for words, names in wanted.items()
        if not any((folder / name).is_file() for name in names)
    ]


def _check_folder(folder: Path) -> None:
    """Refuse what can be seen without loading: files that are missing, a foreign type."""
    lacking = _lacking(folder)
    if lacking:
        raise BuildError(
            f"text.model: the folder {folder} lacks {', '.join(lacking)}{_instead(folder)}", NEEDS
        )
    config = read_config(folder)
    kind = config.get("model_type")
    if kind not in TYPES:
        classes = config.get("architectures")
        raise BuildError(
            f"text.model: {folder} holds a model of the type {kind!r}"
            f"{f' ({classes[0]})' if isinstance(classes, list) and classes else ''}, which is not "
            "a text encoder that is supported",
            NEEDS,
        )
    if config.get("is_decoder") or config.get("quantization_config"):
        raise BuildError(
            f"text.model: {folder} holds a {TYPES[kind]} that is "
            f"{'a decoder' if config.get('is_decoder') else 'quantized'}; a plain encoder is read",
            NEEDS,
        )
    if (folder / "adapter_config.json").is_file():
        raise BuildError(
            f"text.model: {folder} holds an adapter (adapter_config.json), which would not be read",
            "merge it into its model (peft: merge_and_unload), save that and name its folder",
        )


def _instead(folder: Path) -> str:
    """Say what a folder without safetensors holds in their place."""
    pickled = sorted(p.name for p in folder.glob("*") if p.suffix in (".bin", ".pt", ".ckpt"))
    if not pickled or any((folder / name).is_file() for name in _WEIGHTS[:2]):
        return ""
    return f"; {pickled[0]} is a pickle, which could run code and is not read"


def read_config(folder: Path) -> dict[str, Any]:
    """Return a model's configuration.

    Raises
    ------
    BuildError
        If it is not a JSON object.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"text.model: cannot read {path} ({first_line(error)})", NEEDS) from error
    if not isinstance(config, dict):
        raise BuildError(f"text.model: {path} does not hold a JSON object", NEEDS)
    return config


def identity(settings: TextSettings) -> dict[str, object]:
    """Return what identifies the model in a key: its content, not where it lies.

    Raises
    ------
    NotHereError
        If the model of this name is not on this machine; a build then calls `have_model`.
    BuildError
        If its folder lacks a file, or holds a model of a type that is not supported.
    """
    if settings.model == DEMO:
        return {"demo": DEMO_VERSION}
    source = model_here(settings)
    if source is None or (source.name and _lacking(source.folder)):
        raise NotHereError(
            f"text.model: {settings.model} is not on this machine (yet)",
            "a build downloads it where it can: chsims-build --stage text; chsims-build doctor "
            "says more",
        )
    _check_folder(source.folder)
    return {"model": model_digest(source.folder)}


def label(settings: TextSettings) -> str:
    """Say which model it is: name and commit where they are known, and the digest.

    Examples
    --------
    >>> label(TextSettings(model="demo"))
    'untrained text model: demo only'
    """
    if settings.model == DEMO:
        return LABEL
    source = find_model(settings)
    name = TYPES[read_config(source.folder)["model_type"]]
    if source.name:
        name = f"{source.name} ({name}) at revision {source.revision or 'unknown'}"
    return f"{name}, SHA-256 {model_digest(source.folder)}"


def is_stored(settings: TextSettings, labels: Iterable[str]) -> bool:
    """Tell whether the model is the one that labels name, wherever it lay then."""
    own = label(settings)
    return any(own == each or own[-64:] == each[-64:] for each in labels)


def model_digest(folder: Path) -> str:
    """Return the SHA-256 over a model's weights, vocabulary and configuration.

    Parameters
    ----------
    folder : Path
        Where they lie; further files (a README, pickled weights) do not matter.
    """
    files = sorted({path for name in READ for path in folder.glob(name) if path.is_file()})
    status = [(path, path.stat()) for path in files]
    return _digest(tuple((path, s.st_size, s.st_mtime_ns) for path, s in status))


@cache
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    return digest({path.name: _content(path) for path, *_ in files})


def _content(path: Path) -> Any:
    """Return what a file says: of settings in JSON not how they are written, nor where they lay."""
    if path.name in (CONFIG, *_TOKENIZER):
        try:
            values = json.loads(path.read_text("utf-8"))
            return {k: v for k, v in values.items() if k not in _OF_A_PLACE}
        except (ValueError, AttributeError):
            pass  # not the JSON that it should be: loading it will say so
    return file_digest(path)


def first_line(error: Exception) -> str:
    """Return the first line of an error's words, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
