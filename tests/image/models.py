"""Small real image encoders of several types, each with its own image processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers as hf

from tests.encoders.models import write_encoder

SIZE: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
TEXT: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 64,
}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1]}
SIDES = {"size": {"height": 32, "width": 32}}
CROPPED = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
KINDS: dict[str, tuple[type[Any], dict[str, Any], type[Any], dict[str, Any]]] = {
    "clip": (
        hf.CLIPConfig,
        {"vision_config": SIZE, "text_config": TEXT, "projection_dim": 16},
        hf.CLIPImageProcessor,
        CROPPED,
    ),
    "clip_vision_model": (hf.CLIPVisionConfig, SIZE, hf.CLIPImageProcessor, CROPPED),
    "siglip": (
        hf.SiglipConfig,
        {"vision_config": SIZE, "text_config": TEXT},
        hf.SiglipImageProcessor,
        SIDES,
    ),
    "vit": (hf.ViTConfig, SIZE, hf.ViTImageProcessor, SIDES),
    "dinov2": (hf.Dinov2Config, SIZE, hf.BitImageProcessor, CROPPED),
    "resnet": (
        hf.ResNetConfig,
        {**STAGES, "embedding_size": 8, "layer_type": "basic"},
        hf.ConvNextImageProcessor,
        {"size": {"shortest_edge": 32}},
    ),
    # types that nobody listed
    "dinov2_with_registers": (
        hf.Dinov2WithRegistersConfig,
        SIZE,
        hf.BitImageProcessor,
        CROPPED,
    ),
    "deit": (hf.DeiTConfig, SIZE, hf.DeiTImageProcessor, CROPPED),
    "swin": (
        hf.SwinConfig,
        {
            "image_size": 32,
            "patch_size": 4,
            "embed_dim": 8,
            "depths": [1, 1],
            "num_heads": [2, 2],
            "window_size": 4,
        },
        hf.ViTImageProcessor,
        SIDES,
    ),
    "convnext": (
        hf.ConvNextConfig,
        {**STAGES, "num_stages": 2},
        hf.ConvNextImageProcessor,
        {"size": {"shortest_edge": 32}},
    ),
}


def write_image_model(
    folder: Path, kind: str = "vit", head: type[Any] | None = None, **options: Any
) -> Path:
    """Save a model of one of `KINDS` and its image processor; see `write_encoder`."""
    return write_encoder(folder, KINDS[kind], head, **options)
