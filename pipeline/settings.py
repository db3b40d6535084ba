"""The base class of all settings: frozen, documented, strict about names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema


def known_device(name: str) -> str:
    """Return a device's name, or raise ValueError saying which names there are."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name):
        raise ValueError(f"give auto, cpu, cuda or cuda:N, the GPU of number N (found {name!r})")
    return name


Device = Annotated[
    str,
    AfterValidator(known_device),
    WithJsonSchema({"type": "string", "enum": ["auto", "cpu", "cuda", "cuda:N"]}),
]
"""Where torch computes; `pipeline.extractor.pick_device` makes a device of it."""


class Settings(BaseModel):
    """A frozen group of settings; the docstring under a field is its help text."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def defining(self) -> dict[str, Any]:
        """Return the values that affect the result, as plain JSON types.

        Settings declared with `operational` (batch sizes, devices, paths of caches) change how a
        result is computed, not the result, so they are not part of a key. A setting declared
        with `added_later` is left out while it has its default.
        """
        kept = {}
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("operational"):
                continue
            value = getattr(self, name)
            if isinstance(extra, dict) and extra.get("added_later") and value == field.default:
                continue
            kept[name] = value.defining() if isinstance(value, Settings) else value
        return {k: v if isinstance(v, dict) else _plain(self, k) for k, v in kept.items()}


def _plain(settings: Settings, name: str) -> Any:
    return settings.model_dump(mode="json", include={name})[name]


def operational(default: Any, **constraints: Any) -> Any:
    """Declare a setting that affects where or how fast a result is computed, never the result."""
    return Field(default, json_schema_extra={"operational": True}, **constraints)


def added_later(default: Any, **constraints: Any) -> Any:
    """Declare a setting that is newer than features that users have stored.

    With its default, the result is what it was before the setting existed. The default is
    therefore no part of a key, and the stored features stay valid.
    """
    return Field(default, json_schema_extra={"added_later": True}, **constraints)


def explain(error: Mapping[str, Any], known: Iterable[str]) -> str:
    """Explain in plain words what is wrong with one setting.

    Parameters
    ----------
    error : mapping
        One item of ``ValidationError.errors()``.
    known : iterable of str
        The dotted names of all settings, to suggest one in place of an unknown key.
    """
    key = ".".join(str(part) for part in error["loc"] if part != "[key]")
    found = error["input"]
    match error["type"]:
        case "extra_forbidden":
            return f"{key}: no such key{_did_you_mean(key, list(known))}"
        case "value_error":  # raised by our validators, whose messages say what was found
            return f"{key}: {error['ctx']['error']}"
        case "literal_error":
            allowed = re.findall("'([^']*)'", error["ctx"]["expected"])
            return f"{key}: {error['msg']} (found {found!r}{_did_you_mean(str(found), allowed)})"
        case "string_type" | "path_type" if not isinstance(found, (dict, list)):
            return (
                f"{key}: this is a text, but YAML reads what stands there as {found!r}: put it in "
                "quotation marks"
            )
        case "tuple_type":
            return f"{key}: give a list, e.g. [{found}] (found {found!r})"
        case "model_type" | "dict_type":
            return f"{key}: this is a group of settings, {{name: value}} (found {found!r})"
        case _:
            return f"{key}: {error['msg']} (found {found!r})"


def _did_you_mean(name: str, known: list[str]) -> str:
    """Suggest the most similar known name, compared as a whole or by its last part."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        last = {other.rsplit(".", 1)[-1]: other for other in known}
        near = [last[n] for n in difflib.get_close_matches(name.rsplit(".", 1)[-1], last, n=1)]
    return f"; did you mean {near[0]}?" if near else ""
