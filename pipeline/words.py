"""YAML whose plain words mean what the settings' types say.

YAML 1.1, which PyYAML and Snakemake read, takes ``off``, ``no`` and ``yes`` for truth values,
``0010`` for 8, ``1_0`` for 10, ``1:30`` for 90 and ``2020-01-01`` for a date. Here an unquoted
word stays a word until the type of the setting is known: text where text is expected, else the
number, truth value or null of YAML 1.2.
"""

from __future__ import annotations

import re
import types
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"
)


class Plain(str):
    """A word of a YAML file that was not quoted, before its type is known."""


class Unread:
    """A value that no setting accepts, shown in errors as it was written."""

    def __init__(self, written: object) -> None:
        self.written = written

    def __repr__(self) -> str:
        return repr(self.written)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("<<"))]}  # noqa: RUF012

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice, of which YAML would keep the last."""
        keys = [key.value for key, _ in node.value]
        twice = next((key for key, _ in node.value if keys.count(key.value) > 1), None)
        if twice is not None and twice.value != "<<":
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice.value!r} stands twice", twice.start_mark
            )
        return super().construct_mapping(node, deep)


def _word(loader: _Loader, node: yaml.ScalarNode) -> str:
    text = str(node.value)
    return Plain(text) if node.style is None else text


_Loader.add_constructor("tag:yaml.org,2002:str", _word)


def load(text: str) -> Any:
    """Load YAML; words that are not quoted become `Plain`.

    Raises
    ------
    yaml.YAMLError
        If the text is not YAML, or a key stands twice in a mapping.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # what PyYAML raises at a tag such as !!float that does not fit its value
        raise yaml.YAMLError(str(error) or type(error).__name__) from error


def as_meant(value: Any, annotation: Any) -> Any:
    """Give every word in a value the type that its setting has.

    Parameters
    ----------
    value : object
        What YAML, JSON or Snakemake gave.
    annotation : type
        The type of the setting, or the model of a group of settings.

    Returns
    -------
    object
        The value with text for words, ``off`` where YAML 1.1 made a truth value of it, and
        `Unread` where pydantic would take a truth value or a text such as ``1_0`` for a number.
    """
    kinds = _kinds(annotation)
    if isinstance(value, Mapping):
        return {str(key): as_meant(item, _within(kinds, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_meant(item, _item(kinds, place)) for place, item in enumerate(value)]
    if isinstance(value, Plain):
        if _takes_text(kinds):
            return None if value in _NULLS else str(value)
        value = _core(value)
    if isinstance(value, bool):
        return _word_of(value, kinds)
    if isinstance(value, str) and kinds & {int, float} and not _takes_text(kinds):
        return value if _FLOAT.fullmatch(value) else Unread(value)
    return value


def _core(text: str) -> Any:
    """Resolve a word as YAML 1.2 does."""
    if text in _NULLS:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _INT.fullmatch(text):
        return int(text)
    return (
        float(text.replace(".inf", "inf").replace(".nan", "nan"))
        if _FLOAT.fullmatch(text)
        else str(text)
    )


def _word_of(value: bool, kinds: set[Any]) -> Any:
    """Return the word that YAML 1.1 took for a truth value, where the setting knows it."""
    if bool in kinds or Any in kinds:
        return value
    options = {option for kind in kinds if get_origin(kind) is Literal for option in get_args(kind)}
    meant = [word for word in (("on", "yes") if value else ("off", "no")) if word in options]
    if meant:
        return meant[0]
    return value if _takes_text(kinds) else Unread(value)


def _takes_text(kinds: set[Any]) -> bool:
    return bool(kinds & {str, Path}) or any(get_origin(kind) is Literal for kind in kinds)


def _kinds(annotation: Any) -> set[Any]:
    """Return the types that an annotation allows."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return set().union(*(_kinds(option) for option in get_args(annotation)))
    return {annotation}


def _within(kinds: set[Any], key: object) -> Any:
    """Return the type of a group's setting, or of a mapping's values."""
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(key))
            return Any if field is None else field.annotation
        if get_origin(kind) is dict:
            return get_args(kind)[1]
    return Any


def _item(kinds: set[Any], place: int) -> Any:
    """Return the type of a list's item."""
    for kind in kinds:
        if get_origin(kind) in (tuple, list):
            items = get_args(kind)
            if len(items) == 2 and items[1] is Ellipsis:
                return items[0]
            return items[place] if place < len(items) else Any
    return Any
