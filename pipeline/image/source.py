"""Which files make an image encoder. No torch here."""

from __future__ import annotations

from pipeline.encoders.files import EncoderFiles

PREPROCESSOR = ("preprocessor_config.json", "processor_config.json")

TYPES = ("clip", "siglip", "vit", "dinov2", "resnet")
"""Types of encoders that are tested."""


def image_files(stage: str) -> EncoderFiles:
    """Return the files of the encoders of a stage, ``image`` or ``image_frames``."""
    return EncoderFiles(
        stage=stage,
        needs="name a folder that holds config.json, model.safetensors and "
        f"preprocessor_config.json of one model; the types are {', '.join(TYPES)} and others that "
        "transformers knows as image encoders",
        required={"preprocessor_config.json": PREPROCESSOR},
        options=PREPROCESSOR,
    )
