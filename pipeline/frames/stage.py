"""The frames stage: a clip's media file to 30 frames a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.extractor import Extractor
from pipeline.frames.held import held_bytes
from pipeline.frames.settings import FramesSettings
from pipeline.stage import Build, Stage
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config

_PIXEL = 60
"""Bytes that ffmpeg takes for each pixel of a picture: the pictures on which the next ones depend
(16 at most in H.264), and those on their way to be written."""


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.frames.extractor import FrameInputs

    target = build.store.path("frames", clip.clip, ".part.mkv")
    return FrameInputs.of(build, clip, target)


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.frames.extractor import FrameExtractor

    return FrameExtractor


def decoding_mb(config: Config, clips: Sequence[Clip], threads: int) -> float:
    """Return the memory in MB that ffmpeg takes to decode the largest clips of a job."""
    pixels = max((clip.streams.width * clip.streams.height for clip in clips), default=0)
    return threads * _PIXEL * pixels / 1e6


def held_mb(clip: Clip, fps: float) -> float:
    """Return the memory in MB that the pictures of a clip take while another stage reads them."""
    length = max(clip.seconds, clip.streams.announced)
    return held_bytes((clip.streams.width, clip.streams.height), length, fps) / 1e6


def padded(config: Config, clip: Clip) -> str:
    """Name the way in which odd sizes become even; it is part of the keys of such clips alone."""
    return "padded in 4:4:4" if clip.streams.width % 2 or clip.streams.height % 2 else ""


def _clip_seconds(config: Config, clip: Clip) -> float:
    megapixels = clip.streams.width * clip.streams.height / 1e6
    return clip.seconds * config.frames.fps * 0.004 * max(megapixels, 0.25)


FRAMES = Stage(
    name="frames",
    settings_type=FramesSettings,
    source="media",
    inputs=(),
    load=_load,
    extractor=_extractor,
    external=padded,
    transient=True,
    kept=lambda config: config.frames.keep_frames,
    attachments=(".mkv",),
    threads=4,
    memory_mb=lambda config, threads: 300 + 150 * threads,
    clips_mb=decoding_mb,
    clip_seconds=_clip_seconds,
    priority=1,
)
