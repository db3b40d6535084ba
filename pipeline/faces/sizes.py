"""The size at which pictures are searched for faces, and the memory that a clip takes for it.

Up to full HD, a picture is searched as it is. A larger one is scaled at decoding to about the area
of full HD, and the crops are cut from the full pictures in a second pass, one picture at a time.
``exact: true`` never scales: it searches fewer pictures at once. Either way, memory depends on the
size of the pictures and of the crops that are stored, not on the number of pictures decoded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.faces.settings import FacesSettings
from pipeline.frames.stage import FRAMES, decoding_mb, held_mb
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config

FULL_HD = 1920 * 1088
"""Pixels of a picture that is searched as it is: full HD, with the lines that codecs pad."""


_FACTOR = 0.709
"""MTCNN's factor between the levels of its pyramid. Pictures are scaled by a power of it, so that
the levels of the scaled picture are levels of the full one, and faces get the same boxes."""
_STEP = 0.05
"""Part of a step by which a scaled picture may be too large: 4K takes two steps, 8K four."""

_BATCH_PIXELS = 4 * FULL_HD
"""Pixels decoded at once, unless a single picture has more."""

_NETS = 150
"""Bytes per pixel that the nets and the summed-area table take, also with ``exact``."""
_FULL = 55
"""Bytes per pixel of the full picture: as decoded, in RGB, and the copy in hand, with a margin."""


def searched_size(width: int, height: int, settings: FacesSettings) -> tuple[int, int]:
    """Return the width and height at which pictures of a size are searched.

    Examples
    --------
    >>> searched_size(1920, 1080, FacesSettings()), searched_size(7680, 4320, FacesSettings())
    ((1920, 1080), (1941, 1092))
    >>> searched_size(7680, 4320, FacesSettings(exact=True))
    (7680, 4320)
    """
    share = math.sqrt(FULL_HD / max(width * height, 1))
    if settings.exact or share >= 1:
        return width, height
    scale = _FACTOR ** math.ceil(math.log(share, _FACTOR) - _STEP)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def batch_size(width: int, height: int, settings: FacesSettings) -> int:
    """Return how many pictures of a size are decoded at once: fewer if they are large."""
    return max(1, min(settings.batch_frames, _BATCH_PIXELS // max(width * height, 1)))


def clips_mb(config: Config, clips: Sequence[Clip], threads: int) -> float:
    """Return the memory in MB that the clips of a job take, next to the libraries.

    A worker holds one clip. With A the pixels of its pictures and S those of a picture as it is
    searched (at most full HD, unless ``exact``), it takes

    - `_NETS` bytes for each of the S pixels of a picture (of a batch, if ``exact``),
    - 3 bytes for each pixel of the pictures that it holds: two batches, and a window between key
      frames,
    - `_FULL` bytes for each of the A pixels,
    - one byte per pixel of the crops that it stores: ``image_size`` squared for each frame,
    - the pictures that it holds in memory (`pipeline.frames.held`), unless frames are kept.

    Before that, ffmpeg takes memory to decode them.
    """
    return threads * max((_clip_mb(config, clip) for clip in clips), default=0.0)


def _clip_mb(config: Config, clip: Clip) -> float:
    settings, streams = config.faces, clip.streams
    if streams.video is None:
        return 0.0
    width, height = searched_size(streams.width, streams.height, settings)
    searched, batch = width * height, batch_size(width, height, settings)
    at_once, held = (batch, 0) if settings.exact else (1, settings.key_frames)
    nets, pictures = _NETS * searched * at_once, 3 * searched * (2 * batch + held)
    full = streams.width * streams.height
    crops = settings.image_size**2 * clip.seconds * config.frames.fps
    searching = (nets + pictures + _FULL * full + crops) / 1e6
    if not FRAMES.is_lent(config):
        return searching
    return held_mb(clip, config.frames.fps) + max(searching, decoding_mb(config, [clip], 1))


def clip_seconds(config: Config, clip: Clip) -> float:
    """Return the seconds that one core takes for a clip, by the pixels that are searched.

    docs/performance.md has 7 to 17 ms per frame for pictures of up to 720p, and 155 ms per 720p
    frame for the recipe, which searches every frame whole as ``exact`` does. Unless frames are
    kept, its jobs also decode them.
    """
    decoding = FRAMES.clip_seconds(config, clip) if FRAMES.is_lent(config) else 0.0
    width, height = searched_size(clip.streams.width, clip.streams.height, config.faces)
    frame = 0.01 + (0.17 if config.faces.exact else 0.03) * width * height / 1e6
    return decoding + clip.seconds * config.frames.fps * frame
