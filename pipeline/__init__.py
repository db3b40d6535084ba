"""CH-SIMS from raw clips: features, dataset, multi-task models and a report.

Heavy libraries are imported where they are used, so that ``import pipeline`` and
``chsims-build --help`` stay quick.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.dataset.reader import open_dataset
    from pipeline.train.load import load_model

try:
    __version__ = version("chsims-build")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

_LAZY = {
    "open_dataset": "pipeline.dataset.reader",
    "load_model": "pipeline.train.load",
}

__all__ = ["__version__", "load_model", "open_dataset"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
