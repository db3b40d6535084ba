"""The name to import: ``import chsims``. Everything is defined in `pipeline`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pipeline
from pipeline import __version__

if TYPE_CHECKING:
    from pipeline import ExtractedClip, collate, extract, load_model, open_dataset, predict

__all__ = [
    "ExtractedClip",
    "__version__",
    "collate",
    "extract",
    "load_model",
    "open_dataset",
    "predict",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # not every name: "import chsims.x" must not find a module of pipeline
        return getattr(pipeline, name)
    raise AttributeError(f"module 'chsims' has no attribute {name!r}")
