"""The content of a model's files, whatever folder they lie in."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.store.files import digest, file_digest

_OF_A_PLACE = {
    *("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file"),
    *("is_local", "local_files_only", "transformers_version", "dtype", "torch_dtype"),
}
"""Entries of JSON files that say where or by what a copy was saved, and decide no vector."""


@cache
def content_digest(files: tuple[tuple[Path, int, int], ...], options: tuple[str, ...]) -> str:
    """Return the SHA-256 over files by name, computed once while none of them changes.

    Parameters
    ----------
    files : tuple of (Path, int, int)
        Each with its size and its time of change.
    options : tuple of str
        Names of JSON files of which the values count, not how or where they were written.
    """
    return digest({path.name: _content(path, options) for path, *_ in files})


def _content(path: Path, options: tuple[str, ...]) -> Any:
    """Return what a file says: of settings in JSON not how they are written, nor where they lay."""
    if path.name in options:
        try:
            values = json.loads(path.read_text("utf-8"))
            return {k: v for k, v in values.items() if k not in _OF_A_PLACE}
        except (ValueError, AttributeError):
            pass  # not the JSON that it should be: loading it will say so
    return file_digest(path)
