"""image: face crops or whole frames through an image encoder, one vector per picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.frames.extractor import FrameExtractor, FrameInputs
from pipeline.frames.settings import FramesSettings
from pipeline.image.encoder import Picture, load_image_encoder
from pipeline.image.settings import ImageSettings
from pipeline.image.source import image_files
from pipeline.media.pictures import FrameSource
from pipeline.store.features import Features


class _ImageExtractor(Extractor):
    """What both extractors share: the model, and the rows of a clip."""

    version: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ("transformers", "torch", "torchvision", "pillow")
    preload: ClassVar[tuple[str, ...]] = ("transformers.modeling_utils",)
    stage: ClassVar[str]

    def __init__(self, settings: ImageSettings) -> None:
        files = image_files(self.stage)
        self.settings = settings
        self.encoder = load_image_encoder(settings, files)
        self.label = files.label(settings)

    def _features(
        self, pictures: Iterable[Picture], valid: NDArray[np.bool_], errors: int
    ) -> Features:
        """Encode the pictures of the valid rows; the other rows are zeros.

        Raises
        ------
        ClipError
            If a vector holds values that are not finite numbers.
        """
        rows = np.zeros((len(valid), self.encoder.width), np.float32)
        places, following = np.flatnonzero(valid), iter(pictures)
        size = self.settings.batch_frames
        for first in range(0, len(places), size):
            batch = islice(following, size)
            rows[places[first : first + size]] = self.encoder.encode(batch)
        if not np.isfinite(rows).all():
            raise ClipError(
                f"the {self.encoder.encoder.name} gives values that are not finite numbers for it",
                f"leave the clip out or choose another {self.stage}.model",
            )
        info = {
            "frames": len(valid),
            "rate": self.settings.fps,
            "pictured_share": round(float(valid.mean()), 6) if len(valid) else 0.0,
            "errors": errors,
            "model": self.label,
        }
        return Features(arrays={"image": rows, "valid": valid.astype(np.uint8)}, info=info)


@dataclass(frozen=True)
class CropInputs:
    """The speaker's face in the pictures of one clip.

    Parameters
    ----------
    crops : sequence of bytes or None
        A JPEG per picture at the chosen rate; None where the face was not found.
    errors : int
        Errors that ffmpeg met when the clip was decoded.
    """

    crops: Sequence[bytes | None]
    errors: int = 0


class FaceImageExtractor(_ImageExtractor):
    """Vectors of the speaker's face crops.

    Parameters
    ----------
    settings : ImageSettings
        Which model, which of its layers, what makes a vector, how many pictures per second.

    Raises
    ------
    BuildError
        If the model is not available, is no image encoder or not what it says, or
        ``image.device`` names a GPU that is not here.

    Examples
    --------
    >>> import chsims
    >>> features = {"text": "none", "audio": "none", "vision": "image"}
    >>> settings = {"features": features, "image": {"model": "models/clip", "fps": 5}}
    >>> clip = chsims.extract("clip.mp4", config=settings)  # doctest: +SKIP
    """

    packages: ClassVar[tuple[str, ...]] = (*_ImageExtractor.packages, "opencv-python-headless")
    stage: ClassVar[str] = "image"

    def extract(self, inputs: CropInputs) -> Features:
        """Encode a clip's face crops.

        Parameters
        ----------
        inputs : CropInputs
            The crops at the chosen rate.

        Returns
        -------
        Features
            ``image [T, width]`` float32, row k at k / fps seconds on the clip's clock, and
            ``valid [T]`` uint8: 0 where the speaker's face was not found, which is a row of
            zeros. ``info`` holds ``frames`` (rows), ``rate``, ``pictured_share``, ``errors``
            and ``model``.
        """
        valid = np.array([crop is not None for crop in inputs.crops], np.bool_)
        decoded = (_decoded(crop) for crop in inputs.crops if crop is not None)
        return self._features(decoded, valid, inputs.errors)


class WholeImageExtractor(_ImageExtractor):
    """Vectors of whole frames, decoded at the chosen rate; no faces are needed.

    Parameters and errors are those of `FaceImageExtractor`.

    Examples
    --------
    >>> import chsims
    >>> features = {"text": "none", "audio": "none", "vision": "image_frames"}
    >>> settings = {"features": features, "image_frames": {"model": "models/clip", "fps": 5}}
    >>> clip = chsims.extract("clip.mp4", config=settings)  # doctest: +SKIP
    """

    packages: ClassVar[tuple[str, ...]] = (*_ImageExtractor.packages, *FrameExtractor.packages)
    stage: ClassVar[str] = "image_frames"

    def extract(self, inputs: FrameInputs) -> Features:
        """Decode and encode a clip's frames.

        Parameters
        ----------
        inputs : FrameInputs
            The media file.

        Returns
        -------
        Features
            As `FaceImageExtractor.extract`; ``valid`` is 0 where the clip has no picture.

        Raises
        ------
        ClipError
            As `FrameExtractor.extract`.
        """
        decoder = FrameExtractor(FramesSettings(fps=self.settings.fps))
        with decoder.lend(inputs) as frames:
            source = FrameSource.of(frames, frames.file or inputs.target)
            return self._features(_each(source), source.shown >= 0, source.errors)


def _each(source: FrameSource) -> Iterator[Picture]:
    for batch in source.batches(1):
        yield from batch


def _decoded(jpeg: bytes) -> Picture:
    import cv2

    picture: Any = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ClipError(
            "one of its face crops is no JPEG picture", "build its faces again with --force"
        )
    return np.asarray(picture, np.uint8)
