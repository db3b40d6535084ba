"""The faces stage: from frames to the face crops of one person."""

from __future__ import annotations

from typing import Any

from pipeline.extractor import Extractor, check_device
from pipeline.faces.settings import FacesSettings
from pipeline.frames.stage import FRAMES
from pipeline.stage import Build, Figure, Stage
from pipeline.store.shards import Clip


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.media.pictures import FrameSource

    frames = build.store.read("frames", clip.clip)
    return FrameSource(
        path=build.store.path("frames", clip.clip, ".mkv"),
        height=frames.info["height"],
        width=frames.info["width"],
        fps=frames.info["fps"],
        shown=frames.arrays["shown"],
        source=frames.arrays["source"],
        times=frames.arrays["times"],
        errors=frames.info["errors"],
        ffmpeg=build.config.media.ffmpeg,
    )


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.faces.extractor import FaceExtractor

    return FaceExtractor


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
    ready=lambda config: check_device(config.faces.device, "faces.device"),
    threads=4,
    memory_mb=lambda config, threads: 2000 * threads,
)
