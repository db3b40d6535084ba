"""Templates of the pages that this project writes or serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def page_templates(folder: Path) -> Environment:
    """Return a folder's Jinja2 templates: values are escaped, and an unknown one is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embed_json(value: Any) -> Any:
    """Return JSON that can stand inside a ``<script>`` element, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return trusted(text)


def trusted(text: str) -> Any:
    """Return text that templates do not escape."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  our script, style and drawings, or JSON that embed_json escaped
