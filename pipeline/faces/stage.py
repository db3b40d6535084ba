"""The faces stage: from frames to the face crops of one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.extractor import Extractor, check_device
from pipeline.faces.settings import FacesSettings
from pipeline.faces.sizes import clip_seconds, clips_mb, searched_size
from pipeline.frames.stage import FRAMES
from pipeline.stage import Build, Figure, Stage
from pipeline.store.features import Features
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.media.pictures import FrameSource

    frames = build.features("frames", clip)
    video = frames.file or build.store.attachment("frames", clip.clip, ".mkv")
    scratch = build.config.layout.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    return FrameSource.of(frames, video, scratch)


def _trims(config: Config) -> Mapping[str, Any] | None:
    from pipeline.faces.crops import trims

    return trims(config)


def _trimmed(features: Features, how: Mapping[str, Any]) -> Features:
    from pipeline.faces.crops import trimmed

    return trimmed(features, how)


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.faces.extractor import FaceExtractor

    return FaceExtractor


def _scaled(config: Config, clip: Clip) -> str:
    """Name the size at which larger pictures are searched; it is part of their keys alone."""
    size = clip.streams.width, clip.streams.height
    searched = searched_size(*size, config.faces)
    return "" if searched == size else f"searched at {searched[0]}x{searched[1]}"


FACES = Stage(
    name="faces",
    settings_type=FacesSettings,
    source="none",
    inputs=(FRAMES,),
    load=_load,
    extractor=_extractor,
    figures=(
        Figure("face_share", "face_share", "face", "%"),
        Figure("second_face_share", "second_face_share", "second face", "%"),
        Figure("face_probability", "mean_probability", "face probability"),
    ),
    decodes="video",
    external=_scaled,
    trims=_trims,
    trimmed=_trimmed,
    trimmed_by="faces.keep_crops",
    ready=lambda config: check_device(config.faces.device, "faces.device"),
    threads=4,
    memory_mb=lambda config, threads: 500 + 400 * threads,
    clips_mb=clips_mb,
    clip_seconds=clip_seconds,
    priority=2,  # the longest work first: audio fills the cores that the last of it leaves idle
)
