"""The base of every settings model: frozen, documented, strict about names."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """A frozen group of settings; the docstring under a field is its help text."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def defining(self) -> dict[str, Any]:
        """Return the values that decide the result, as plain JSON types.

        Settings made with `operational` (batch sizes, devices, paths of caches) change
        how a result is reached, not the result, so they are no part of a key.
        """
        kept = {}
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("operational"):
                continue
            value = getattr(self, name)
            kept[name] = value.defining() if isinstance(value, Settings) else value
        return {k: v if isinstance(v, dict) else _plain(self, k) for k, v in kept.items()}


def _plain(settings: Settings, name: str) -> Any:
    return settings.model_dump(mode="json", include={name})[name]


def operational(default: Any, **constraints: Any) -> Any:
    """Declare a setting that changes speed or place, never the result."""
    return Field(default, json_schema_extra={"operational": True}, **constraints)
