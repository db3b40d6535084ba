"""Loading an encoder: every weight that is read is the file's, or an error says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.encoders.files import EncoderFiles, Wanted, first_line
from pipeline.encoders.layers import LAST, chosen, depth_of
from pipeline.encoders.names import type_name
from pipeline.encoders.settings import EncoderSettings
from pipeline.errors import BuildError

OFFLINE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""How every part of a model is loaded: nothing is fetched, no code of a model is run."""


def load_config(files: EncoderFiles, folder: Path) -> Any:
    """Load a model's configuration as transformers understands it.

    Raises
    ------
    BuildError
        If transformers does not know its type, or cannot read it.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, **OFFLINE)
    except Exception as error:  # transformers raises many kinds
        raise BuildError(
            f"{files.key}: cannot load a model from {folder} ({_why(folder, error)})", files.needs
        ) from error


def check_takes(files: EncoderFiles, settings: Wanted, inputs: tuple[str, ...]) -> None:
    """Check that a model is there and takes one of the inputs, without loading it.

    Raises
    ------
    BuildError
        If transformers has no model of its type, or a model of that type takes something else.
    """
    from transformers import AutoModel

    folder = files.find(settings).folder
    config = load_config(files, folder)
    name = type_name(config.model_type)
    try:
        known: Any = AutoModel._model_mapping[type(config)]
        taken = (known[0] if isinstance(known, tuple) else known).main_input_name
    except KeyError:
        taken = "nothing that AutoModel knows"
    if taken not in inputs and not ("pixel_values" in inputs and hasattr(config, "vision_config")):
        raise BuildError(
            f"{files.key}: {folder} holds a {name}, which takes {taken}, not {' or '.join(inputs)}",
            files.needs,
        )


def check_depth(files: EncoderFiles, settings: EncoderSettings) -> None:
    """Check that the model has the chosen layers, by its configuration and without loading it.

    Raises
    ------
    BuildError
        If its configuration tells how many layers it has, and they are too few.
    """
    if settings.layers == LAST:
        return
    config = load_config(files, files.find(settings).folder)
    depth = depth_of(config)
    if depth is not None:
        name = type_name(config.model_type)
        chosen(settings.layers, depth + 1, f"{files.stage}.layers", name)


def load_encoder(
    files: EncoderFiles,
    folder: Path,
    *,
    not_read: tuple[str, ...] = (),
    attention: str | None = None,
) -> tuple[Any, frozenset[str]]:
    """Load the whole model of a folder, from safetensors only, since a pickle could run code.

    Parameters
    ----------
    files : EncoderFiles
        Of which stage the model is.
    folder : Path
        A folder that `EncoderFiles.find` returned.
    not_read : tuple of str
        Ends or beginnings (with a final dot) of the names of weights on which no feature
        depends; they may be missing from the file.
    attention : str, optional
        Name of the attention function that transformers is to call.

    Returns
    -------
    model : PreTrainedModel
        In float32 and evaluation mode, on the CPU.
    missing : frozenset of str
        Weights that were not in the file, all of them covered by `not_read`.

    Raises
    ------
    BuildError
        If its files cannot be read, or the encoder would get weights that are not in the file
        or leave some of its own out.
    """
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    config = load_config(files, folder)
    own = OFFLINE if attention is None else {**OFFLINE, "attn_implementation": attention}
    try:
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
            f"{files.key}: cannot load a model from {folder} ({_why(folder, error)})", files.needs
        ) from error
    _check_weights(files, folder, model, found, not_read)
    return model.eval(), frozenset(found["missing_keys"])


def encoder_of(model: Any) -> Any:
    """Return the encoder of an encoder-decoder model (Whisper, BART), else the model itself."""
    return model.get_encoder() if getattr(model.config, "is_encoder_decoder", False) else model


def _why(folder: Path, error: Exception) -> str:
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            if stream.read(40).startswith(b"version https://git-lfs"):
                return f"{path.name} is a pointer of Git LFS, not the weights: run git lfs pull"
    return f"{type(error).__name__}: {first_line(error)}"


def _check_weights(
    files: EncoderFiles,
    folder: Path,
    model: Any,
    found: dict[str, Any],
    not_read: tuple[str, ...],
) -> None:
    """Refuse a model of which any weight that is read was not in the file, or is left over."""
    missing = sorted(name for name in found["missing_keys"] if not _is_any(name, not_read))
    left_over = _of_encoder(model, found["unexpected_keys"], not_read)
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
    broken = _not_finite(model)
    if broken and not (missing or shapes):
        wrong.append(f"{len(broken)} weights are not finite numbers ({broken[0]}, ...)")
    if wrong or errors:
        preprocessor = "tokenizer" if files.stage == "text" else "processor"
        raise BuildError(
            f"{files.key}: {folder} does not hold the {_described(model.config)} that its "
            f"config.json describes and {type(model).__name__} would read: "
            f"{'; '.join([*wrong, *errors])}{_wrapping(missing, found['unexpected_keys'])}",
            "save the encoder itself, with model.save_pretrained(FOLDER) and "
            f"{preprocessor}.save_pretrained(FOLDER), or name another folder",
        )


def _not_finite(model: Any) -> list[str]:
    import torch

    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [name for name, t in tensors if t.is_floating_point() and not torch.isfinite(t).all()]


def _is_any(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a weight's name begins with a pattern that ends in a dot, or ends with one."""
    return any(
        name.startswith(p) or f".{p}" in name if p.endswith(".") else name.endswith(p)
        for p in patterns
    )


def _described(config: Any) -> str:
    name = type_name(config.model_type)
    depth, width = depth_of(config), getattr(config, "hidden_size", None)
    return f"{name} of {depth} layers and {width} values" if depth and width else name


def _of_encoder(model: Any, names: Iterable[str], not_read: tuple[str, ...]) -> list[str]:
    """Return those of the file's unread weights that belong to an encoder, not to a head on it.

    A head has names of its own (``cls.``, ``classifier.``). A weight belongs to the encoder if
    it lies in one of its parts (``encoder.layer.12...``, an adapter's), or is called like one of
    its weights behind whatever prefix: a second encoder, of which nobody knows which is meant.
    """
    heads = {pattern[:-1] for pattern in not_read if pattern.endswith(".")}
    parts = {name for name, _ in model.named_children()} - heads
    prefix = f"{model.base_model_prefix}."
    alike = {_without_numbers(name) for name, _ in model.named_parameters()}
    read = {name for name, _ in model.named_buffers()}  # e.g. position_ids in old files
    found = []
    for name in sorted(names):
        own = name.removeprefix(prefix)
        ends = own.split(".")
        tails = {_without_numbers(".".join(ends[i:])) for i in range(len(ends))}
        unread = own in read or _is_any(own, not_read)
        if not unread and (ends[0] in parts or tails & alike):
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
