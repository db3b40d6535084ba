"""The faces stage: from frames to the face crops of one person."""

from __future__ import annotations

from typing import Any

from pipeline.extractor import Extractor
from pipeline.frames.stage import FRAMES
from pipeline.stage import Build, Stage
from pipeline.store.shards import Clip


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.media import FrameSource

    info = build.store.read("frames", clip.clip).info
    video = build.store.path("frames", clip.clip, ".mkv")
    shape = (info["frames"], info["height"], info["width"], info["fps"], info["errors"])
    return FrameSource(video, *shape)


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.faces.extractor import FaceExtractor

    return FaceExtractor


FACES = Stage(
    name="faces",
    source="none",
    inputs=(FRAMES,),
    load=_load,
    extractor=_extractor,
)
