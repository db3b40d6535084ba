"""The name to import: ``import chsims``. Everything is defined in `pipeline`.

Examples
--------
>>> import chsims
>>> train = chsims.open_dataset("processed/dataset.h5", part="train")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pipeline
from pipeline import __version__

if TYPE_CHECKING:
    from pipeline import load_model, open_dataset

__all__ = ["__version__", "load_model", "open_dataset"]


def __getattr__(name: str) -> Any:
    return getattr(pipeline, name)
