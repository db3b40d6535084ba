"""Models with random weights, as folders that an encoder stage loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers as hf

Kind = tuple[type[Any], dict[str, Any], type[Any], dict[str, Any]]
"""Configuration and its values, preprocessor and its values."""


def write_encoder(folder: Path, kind: Kind, head: type[Any] | None = None, **options: Any) -> Path:
    """Save a model and its preprocessor.

    Parameters
    ----------
    folder : Path
        Made here.
    kind : Kind
        Which model.
    head : type, optional
        A class with a head (``ViTForImageClassification``); without it the encoder alone.
    **options
        Of its configuration.
    """
    configuration, values, preprocessor, preprocessing = kind
    torch.manual_seed(0)
    config = configuration(**{**values, **options})
    model = head(config) if head else hf.AutoModel.from_config(config)
    model.save_pretrained(folder)
    preprocessor(**preprocessing).save_pretrained(folder)
    return folder
