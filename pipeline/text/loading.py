"""Loading a text model: every weight is the file's, every token the model's, or an error."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.text.demo_model import write_demo_model
from pipeline.text.settings import TextSettings
from pipeline.text.source import DEMO, NEEDS, TYPES, find_model, first_line

_NOT_READ = "pooler."
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
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = _load_model(folder, attention)
    return _load_tokenizer(folder, model.config), model


def _load_model(folder: Path, attention: str) -> Any:
    """Load the weights, from safetensors only, since a pickle could run code."""
    import torch
    from transformers import AutoConfig, AutoModel

    own: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **own)
        if takes_attention(config.model_type):
            own["attn_implementation"] = attention
        model, found = AutoModel.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # they are refused below, with what was found
            output_loading_info=True,
            **own,
        )
    except Exception as error:  # transformers, safetensors and torch each raise their own
        raise BuildError(
            f"text.model: cannot load a model from {folder} ({_why(folder, error)})", NEEDS
        ) from error
    _check_weights(folder, model, found)
    return model.eval()


def takes_attention(model_type: str) -> bool:
    """Tell whether a type's attention can be replaced; DeBERTa's knows the tokens' distance."""
    return not model_type.startswith("deberta")


def _why(folder: Path, error: Exception) -> str:
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            if stream.read(40).startswith(b"version https://git-lfs"):
                return f"{path.name} is a pointer of Git LFS, not the weights: run git lfs pull"
    return f"{type(error).__name__}: {first_line(error)}"


def _check_weights(folder: Path, model: Any, found: dict[str, Any]) -> None:
    """Refuse a model of which any weight that is read was not in the file, or is left over."""
    import torch

    missing = sorted(name for name in found["missing_keys"] if not name.startswith(_NOT_READ))
    left_over = _of_encoder(model, found["unexpected_keys"])
    shapes = sorted(found["mismatched_keys"])
    errors: list[str] = [str(words) for words in found.get("error_msgs") or ()]
    wrong = []
    if missing:
        wrong.append(f"{len(missing)} weights are missing from the file ({missing[0]}, ...)")
    if shapes:
        name, has, needs = shapes[0]
        wrong.append(
            f"{len(shapes)} weights have another shape ({name}: {list(has)} in the file, "
            f"{list(needs)} by config.json)"
        )
    if left_over:
        wrong.append(
            f"{len(left_over)} weights of the encoder would be left out ({left_over[0]}, ...)"
        )
    broken = [name for name, p in model.named_parameters() if not bool(torch.isfinite(p).all())]
    if broken and not (missing or shapes):
        wrong.append(f"{len(broken)} weights are not finite numbers ({broken[0]}, ...)")
    if wrong or errors:
        raise BuildError(
            f"text.model: {folder} does not hold the {_described(model.config)} that its "
            f"config.json describes and {type(model).__name__} would read: "
            f"{'; '.join([*wrong, *errors])}{_wrapping(missing, found['unexpected_keys'])}",
            "save the encoder itself, with model.save_pretrained(FOLDER) and "
            "tokenizer.save_pretrained(FOLDER), or name another folder",
        )


def _described(config: Any) -> str:
    return (
        f"{TYPES[config.model_type]} of {config.num_hidden_layers} layers and "
        f"{config.hidden_size} values"
    )


def _of_encoder(model: Any, names: Iterable[str]) -> list[str]:
    """Return those of the file's unread weights that belong to an encoder, not to a head on it.

    A head has names of its own (``cls.``, ``classifier.``). A weight belongs to the encoder if
    it lies in one of its parts (``encoder.layer.12...``, an adapter's), or is called like one of
    its weights behind whatever prefix: a second encoder, of which nobody knows which is meant.
    """
    parts = {name for name, _ in model.named_children()} - {_NOT_READ[:-1]}
    prefix = f"{model.base_model_prefix}."
    alike = {_without_numbers(name) for name, _ in model.named_parameters()}
    read = {name for name, _ in model.named_buffers()}  # e.g. position_ids in old files
    found = []
    for name in sorted(names):
        own = name.removeprefix(prefix)
        ends = own.split(".")
        tails = {_without_numbers(".".join(ends[i:])) for i in range(len(ends))}
        if own not in read and (ends[0] in parts or tails & alike):
            found.append(name)
    return found


def _without_numbers(name: str) -> str:
    return re.sub(r"\.\d+\.", ".N.", name)


def _wrapping(missing: list[str], names: Iterable[str]) -> str:
    """Name the prefix under which a file holds what was looked for, as a wrapper saves it."""
    for name in sorted(names):
        for wanted in missing[:1]:
            if name.endswith(f".{wanted}"):
                return f"; the file has weights under the prefix {name.removesuffix(wanted)!r}"
    return ""


def _load_tokenizer(folder: Path, config: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, **_spelling(folder)
        )
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
    name = TYPES[config.model_type]
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
