"""An image encoder as it was found to work: its tokens, and what of them makes a vector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.encoders.files import EncoderFiles, first_line
from pipeline.encoders.hidden import Encoder
from pipeline.encoders.layers import LAST
from pipeline.encoders.loading import OFFLINE, load_encoder
from pipeline.encoders.names import type_name
from pipeline.errors import BuildError
from pipeline.extractor import pick_device
from pipeline.image.settings import ImageSettings

Picture = NDArray[np.uint8]

NOT_READ = ("pooler.", "mask_token")
"""A pooler that a checkpoint lacks is not used (`ImageEncoder.encode`); only training masks."""

_CLASS = ("cls_token", "class_embedding", "class_token")
_SPECIAL = (*_CLASS, "distillation_token", "register_tokens")
"""Ends of the names of parameters that stand before the patches' tokens."""


@dataclass
class ImageEncoder:
    """A model with its image processor.

    Parameters
    ----------
    files : EncoderFiles
        Of which stage it is.
    encoder : Encoder
        The model, or the vision tower of one that also reads text; on its device.
    processor : BaseImageProcessor
        Of transformers; resizes and normalises.
    pool : {'token', 'mean'}
        What makes the vector of a picture.
    trained_pooler : bool
        Whether the pooler's weights, if it has any, were in the file.
    width : int
        Values per picture.
    """

    files: EncoderFiles
    encoder: Encoder
    processor: Any
    pool: str
    trained_pooler: bool = True
    width: int = 0

    def encode(self, pictures: Iterable[Picture]) -> NDArray[np.float32]:
        """Send pictures through the model at once.

        Parameters
        ----------
        pictures : iterable of ndarray, shape (height, width, 3)
            RGB, 8 bits; at least one. Each is brought to the model's size before the next one
            is taken, so memory does not depend on their size.

        Returns
        -------
        ndarray ``[pictures, width]`` float32

        Raises
        ------
        BuildError
            If the model has no such layer, or no token of the whole picture.
        """
        import torch

        pixels = torch.cat([self._prepared(picture) for picture in pictures])
        pixels = pixels.to(self.encoder.model.device)
        hidden, output = self.encoder.run(pixel_values=pixels)
        pooled = self._mean(hidden, pixels) if self.pool == "mean" else self._token(hidden, output)
        vectors: NDArray[np.float32] = pooled.float().cpu().numpy()
        return vectors

    def _prepared(self, picture: Picture) -> Any:
        """Return a picture as the model takes it: ``[1, 3, height, width]``."""
        from PIL import Image

        return self.processor(images=[Image.fromarray(picture)], return_tensors="pt")[
            "pixel_values"
        ]

    def _token(self, hidden: Any, output: Any) -> Any:
        """Return the pooled output of the last layer, or the class token."""
        pooled = getattr(output, "pooler_output", None)
        if self.encoder.layers == LAST and self.trained_pooler and pooled is not None:
            return pooled.flatten(1)
        if hidden.ndim == 3 and self._count(_CLASS):
            return hidden[:, 0]
        where = "" if self.encoder.layers == LAST else f" at layer {self.encoder.layers}"
        raise BuildError(
            f"{self.files.stage}.pool is token, but the {self.encoder.name} has no token for the "
            f"whole picture{where}",
            f"take the mean of the patches: --set {self.files.stage}.pool=mean",
        )

    def _mean(self, hidden: Any, pixels: Any) -> Any:
        """Return the mean of the patches: of a map, or of the tokens that are patches."""
        if hidden.ndim == 4:
            if hidden.shape[1] not in _numbers(self.encoder.model.config.to_dict()):
                raise self._unusable(f"it gives maps of shape {list(hidden.shape)}")
            return hidden.mean((2, 3))
        special = self._count(_SPECIAL)
        beyond = hidden.shape[1] - self._patches(pixels)
        if beyond > 0 and beyond != special:
            raise self._unusable(f"{beyond} of its tokens are no patches, {special} were expected")
        return hidden[:, special:].mean(1)

    def _patches(self, pixels: Any) -> int:
        """Return the most patches that a picture can have; more than all tokens if unknown."""
        config = self.encoder.model.config
        size = getattr(config, "patch_stride", None) or getattr(config, "patch_size", None)
        if size is None:
            return 1 << 30
        sides = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
        return prod(whole // side for whole, side in zip(pixels.shape[-2:], sides, strict=True))

    def _count(self, ends: tuple[str, ...]) -> int:
        """Count the tokens of which parameters have such names."""
        named = self.encoder.model.named_parameters()
        found = [p for name, p in named if name.endswith(ends)]
        return sum(p.shape[1] if p.ndim == 3 else 1 for p in found)

    def _unusable(self, why: str) -> BuildError:
        return BuildError(
            f"{self.files.key}: the {self.encoder.name} is no image encoder that can be used "
            f"({why})",
            self.files.needs,
        )


def load_image_encoder(settings: ImageSettings, files: EncoderFiles) -> ImageEncoder:
    """Load a model, or its vision tower, and send a grey picture through it.

    Raises
    ------
    BuildError
        If it cannot be loaded, or is no image encoder.
    """
    folder = files.find(settings).folder
    model, missing = load_encoder(files, folder, not_read=NOT_READ)
    device = pick_device(settings.device, f"{files.stage}.device")
    tower = getattr(model, "vision_model", model)
    own = "" if tower is model else "vision_model."
    found = ImageEncoder(
        files,
        Encoder(tower.to(device), settings.layers, files.stage),
        _load_processor(files, folder),
        settings.pool,
        trained_pooler=not any(name.startswith(f"{own}pooler.") for name in missing),
    )
    try:
        first = found.encode([np.full((64, 64, 3), 128, np.uint8)])
    except BuildError:
        raise
    except Exception as error:  # whatever a model of another kind does with a picture
        kind = type_name(model.config.model_type)
        raise BuildError(
            f"{files.key}: {folder} holds a {kind}, which is no image encoder that can be used "
            f"({type(error).__name__}: {first_line(error)})",
            files.needs,
        ) from error
    found.width = first.shape[1]
    return found


def _load_processor(files: EncoderFiles, folder: Path) -> Any:
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(folder, **OFFLINE)
    except Exception as error:  # of transformers, or a package that is not here
        raise BuildError(
            f"{files.key}: cannot load the image processor of {folder} "
            f"({type(error).__name__}: {first_line(error)})",
            "save it there with image_processor.save_pretrained(FOLDER), which writes "
            "preprocessor_config.json",
        ) from error


def _numbers(values: Any) -> set[int]:
    """Collect the whole numbers of a configuration, those in its lists included."""
    if isinstance(values, dict):
        return set().union(*(_numbers(value) for value in values.values()))
    if isinstance(values, (list, tuple)):
        return set().union(*(_numbers(value) for value in values))
    return {values} if type(values) is int else set()
