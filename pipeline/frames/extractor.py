"""frames: a clip of any rate as a lossless video at a constant 30 Hz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.frames.settings import FramesSettings
from pipeline.media import write_constant_rate
from pipeline.store.features import Features

SHORTEST_SHARE = 0.9
"""A clip that gives fewer of its announced frames than this is taken for a truncated file."""


@dataclass(frozen=True)
class FrameInputs:
    """One clip to resample.

    Parameters
    ----------
    media : Path
        The clip's media file.
    seconds : float
        The length that the file announces.
    target : Path
        Where to write the video (Matroska).
    """

    media: Path
    seconds: float
    target: Path


class FrameExtractor(Extractor):
    """Resample a clip to the common grid (paper, section 3.2: 30 Hz).

    Parameters
    ----------
    settings : FramesSettings
        The frame rate, in Hz.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "0001.mkv"
    >>> clip = FrameInputs(Path("raw/demo/video_0001/0001.mp4"), 4.2, target)
    >>> info = FrameExtractor(FramesSettings()).extract(clip).info
    >>> info["height"], info["width"], info["fps"], info["errors"]
    (240, 320, 30.0, 0)
    """

    version: ClassVar[int] = 2
    packages: ClassVar[tuple[str, ...]] = ("ffmpeg-python",)

    def __init__(self, settings: FramesSettings) -> None:
        self.settings = settings

    def extract(self, inputs: FrameInputs) -> Features:
        """Write the clip as a lossless video at a constant rate.

        Parameters
        ----------
        inputs : FrameInputs
            The media file and where to write the video.

        Returns
        -------
        Features
            ``file``, the video; ``info`` with ``frames``, ``height`` and ``width`` (pixels),
            ``fps`` (Hz) and ``errors`` (how many errors ffmpeg reported while decoding).

        Raises
        ------
        ClipError
            If nothing can be decoded, or much less than the file announces.
        """
        try:
            return self._written(inputs)
        except BaseException:
            inputs.target.unlink(missing_ok=True)
            raise

    def _written(self, inputs: FrameInputs) -> Features:
        frames, height, width, errors = write_constant_rate(
            inputs.media, inputs.target, self.settings.fps
        )
        announced = inputs.seconds * self.settings.fps
        if frames < SHORTEST_SHARE * announced - 2:
            raise ClipError(
                f"{inputs.media.name}: truncated: {frames} frames could be decoded, but its "
                f"header announces {inputs.seconds:.2f} s ({announced:.0f} frames)",
                "replace the file with a complete copy and build again",
            )
        info = {
            "frames": frames,
            "height": height,
            "width": width,
            "fps": self.settings.fps,
            "errors": errors,
        }
        return Features(info=info, file=inputs.target)
