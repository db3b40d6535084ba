"""What ``chsims-build encoders`` lists of an encoder, from its configuration alone."""

from __future__ import annotations

from pipeline.encoders.files import EncoderFiles, Wanted
from pipeline.encoders.layers import LAST
from pipeline.encoders.loading import load_config
from pipeline.stage import Need


def needed(files: EncoderFiles, settings: Wanted) -> list[Need]:
    """Return the model that the settings name."""
    return [Need(f"{files.key}: {settings.model}", lambda: files.present(settings))]


def width_of(files: EncoderFiles, settings: Wanted) -> int | None:
    """Return the number of values in a vector; None if the configuration does not say.

    Raises
    ------
    BuildError
        If the model is not on this machine, or cannot be used.
    """
    config = load_config(files, files.present(settings).folder)
    config = getattr(config, "vision_config", config)  # CLIP and its kin: two encoders in one
    sizes = getattr(config, "hidden_sizes", None)  # ResNet and its kin: one for each layer
    if sizes and getattr(settings, "layers", LAST) != LAST:
        return None
    width = sizes[-1] if sizes else getattr(config, "hidden_size", None)
    return int(width) if width else None
