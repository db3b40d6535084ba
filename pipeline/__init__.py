"""CH-SIMS from raw clips: features, dataset, multi-task models and a report.

Heavy libraries are imported where they are used, so that ``import pipeline`` and
``chsims-build --help`` stay quick.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.dataset.batches import collate
    from pipeline.dataset.reader import open_dataset
    from pipeline.one_clip import ExtractedClip, extract
    from pipeline.train.load import load_model
    from pipeline.train.load import predict_features as predict

try:
    __version__ = version("chsims-build")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

_LAZY = {
    "ExtractedClip": "pipeline.one_clip:ExtractedClip",
    "collate": "pipeline.dataset.batches:collate",
    "extract": "pipeline.one_clip:extract",
    "load_model": "pipeline.train.load:load_model",
    "open_dataset": "pipeline.dataset.reader:open_dataset",
    "predict": "pipeline.train.load:predict_features",
}

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
    if name in _LAZY:
        from importlib import import_module

        module, _, own_name = _LAZY[name].partition(":")
        return getattr(import_module(module), own_name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
