"""Settings of the stages image and image_frames."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.encoders.settings import EncoderSettings
from pipeline.settings import operational


class ImageSettings(EncoderSettings):
    """Which image encoder turns pictures into vectors, and how many pictures it sees."""

    model: str = Field("openai/clip-vit-base-patch32", min_length=1)
    """Name on the Hugging Face hub, or path of a folder with a model: CLIP, SigLIP, ViT, DINOv2,
    ResNet, or another image encoder that transformers knows."""
    fps: float = Field(5.0, gt=0, le=240)
    """Pictures per second; for face crops, at most frames.fps."""
    pool: Literal["token", "mean"] = "token"
    """token: the model's pooled output, or its class token where it has no trained pooler or a
    layer is chosen; mean: the mean of the patches."""
    batch_frames: int = operational(32, ge=1)
    """Pictures that go through the model at once."""
