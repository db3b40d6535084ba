"""Which hidden states of an encoder make the feature: the last layer, one layer, or a mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from pipeline.errors import BuildError

LAST = "last"

_RANGE = re.compile(r"(-?\d+)(?:\s*-\s*(-?\d+))?")
_FORMS = "last, a number (0: the embeddings, -1: from the end) or a range such as 9-12"


def canonical(value: Any) -> str:
    """Return one spelling of a choice of layers, or raise ValueError with the forms there are.

    Examples
    --------
    >>> [canonical(value) for value in ("last", 12, "9 - 12", [-4, -1], "7-7")]
    ['last', '12', '9-12', '-4--1', '7']
    """
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(v) is int for v in value):
        value = f"{value[0]}-{value[1]}"
    text = str(value).strip() if isinstance(value, (int, str)) else ""
    if text == LAST:
        return LAST
    try:
        first, end = ends(text)
    except ValueError:
        raise ValueError(f"give {_FORMS} (found {value!r})") from None
    return str(first) if first == end else f"{first}-{end}"


Layers = Annotated[
    str,
    BeforeValidator(canonical),
    WithJsonSchema({"type": "string", "enum": ["last", "N", "N-M"]}),
]
"""A setting: ``last``, a number, or a range; `canonical` gives its spelling."""


def ends(layers: str) -> tuple[int, int]:
    """Return the first and the last number of a choice, which is not ``last``.

    Raises
    ------
    ValueError
        If it is no canonical choice of numbers.
    """
    found = _RANGE.fullmatch(layers)
    if found is None:
        raise ValueError(f"give {_FORMS} (found {layers!r})")
    return int(found[1]), int(found[2] or found[1])


def chosen(layers: str, states: int, key: str, model: str) -> list[int]:
    """Return the numbers of the hidden states that a choice names.

    Parameters
    ----------
    layers : str
        A canonical choice, not ``last``.
    states : int
        How many hidden states the model gives: its layers and, before them, the embeddings.
    key : str
        The setting's name, for the error: ``text.layers``.
    model : str
        The model's name, for the error.

    Raises
    ------
    BuildError
        If the model has no such layer, or the range runs backwards.

    Examples
    --------
    >>> chosen("-4--1", 13, "text.layers", "BERT")
    [9, 10, 11, 12]
    """
    first, end = (number + states if number < 0 else number for number in ends(layers))
    depth = states - 1
    if not 0 <= first <= end <= depth:
        raise BuildError(
            f"{key} is {layers}, but the {model} has {depth} layers",
            f"use last, a number from 0 (the embeddings) to {depth} or from -{states} to -1, or a "
            f"rising range of them, e.g. {max(depth - 3, 0)}-{depth}",
        )
    return list(range(first, end + 1))


def mean_of(states: Sequence[Any], numbers: Sequence[int], key: str) -> Any:
    """Return the mean of hidden states of the same shape; one alone is returned as it is.

    Raises
    ------
    BuildError
        If their shapes differ, as those of a ResNet's stages do.
    """
    import torch

    picked = [states[number] for number in numbers]
    if len(picked) == 1:
        return picked[0]
    if len({tuple(state.shape) for state in picked}) > 1:
        shapes = ", ".join(str(list(state.shape[1:])) for state in picked)
        raise BuildError(
            f"{key}: the layers {numbers[0]} to {numbers[-1]} have no common shape ({shapes}), so "
            "they have no mean",
            f"choose one of them: --set {key}={numbers[-1]}",
        )
    return torch.stack([state.float() for state in picked]).mean(0)


def depth_of(config: Any) -> int | None:
    """Return a model's number of layers as its configuration tells it, or None.

    Parameters
    ----------
    config : PretrainedConfig
        Of a whole model; that of its vision tower counts, where it has one.
    """
    part = getattr(config, "vision_config", None) or config
    layers = getattr(part, "num_hidden_layers", None)
    if isinstance(layers, int):
        return layers
    depths = getattr(part, "depths", None)
    return len(depths) if isinstance(depths, (list, tuple)) else None
