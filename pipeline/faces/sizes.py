"""The size at which pictures are searched for faces, and the memory that a clip takes for it.

Up to full HD, a picture is searched as it is. A larger one is scaled at decoding to the area of
full HD, and the crops are cut from the full pictures in a second pass, one picture at a time.
``exact: true`` never scales: it searches fewer pictures at once. Either way, memory depends on the
size of the pictures and of the crops that are stored, not on the number of pictures decoded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.faces.settings import FacesSettings
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config

FULL_HD = 1920 * 1088
"""Pixels of a picture that is searched as it is: full HD, with the lines that codecs pad."""

_NETS = 150
_EXACT_NETS = 100
_FULL = 55


def searched_size(width: int, height: int, settings: FacesSettings) -> tuple[int, int]:
    """Return the width and height at which pictures of a size are searched.

    Examples
    --------
    >>> searched_size(1920, 1080, FacesSettings()), searched_size(7680, 4320, FacesSettings())
    ((1920, 1080), (1927, 1084))
    >>> searched_size(7680, 4320, FacesSettings(exact=True))
    (7680, 4320)
    """
    share = math.sqrt(FULL_HD / max(width * height, 1))
    if settings.exact or share >= 1:
        return width, height
    return max(round(width * share), 1), max(round(height * share), 1)


def batch_size(width: int, height: int, settings: FacesSettings) -> int:
    """Return how many pictures of a size are decoded at once: fewer if they are large."""
    most = settings.batch_frames * FULL_HD // 16
    return max(1, min(settings.batch_frames, most // max(width * height, 1)))


def clips_mb(config: Config, clips: Sequence[Clip], threads: int) -> float:
    """Return the memory in MB that the clips of a job take, next to the libraries.

    A worker holds one clip. With A the pixels of its pictures and S those of a picture as it is
    searched (at most full HD, unless ``exact``), it takes

    - `_NETS` (`_EXACT_NETS`) bytes per pixel searched at once: S, or a batch if ``exact``,
    - 3 bytes for each of the pixels of the pictures it holds: two batches and a window between
      key frames,
    - `_FULL` bytes per pixel of A: ffmpeg decodes the video, and a crop is cut,
    - one byte per pixel of the crops that it stores, ``image_size`` squared for each frame.
    """
    return threads * max((_clip_mb(config, clip) for clip in clips), default=0.0)


def _clip_mb(config: Config, clip: Clip) -> float:
    settings, streams = config.faces, clip.streams
    if streams.video is None:
        return 0.0
    width, height = searched_size(streams.width, streams.height, settings)
    searched, batch = width * height, batch_size(width, height, settings)
    if settings.exact:
        nets, held = _EXACT_NETS * searched * batch, 2 * batch
    else:
        nets, held = _NETS * searched, 2 * batch + settings.key_frames
    full = streams.width * streams.height
    crops = settings.image_size**2 * clip.seconds * config.frames.fps
    return (nets + 3 * held * searched + _FULL * full + crops) / 1e6
