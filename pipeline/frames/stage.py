"""The frames stage: a clip's media file to 30 frames a second."""

from __future__ import annotations

from typing import Any

from pipeline.extractor import Extractor
from pipeline.frames.settings import FramesSettings
from pipeline.stage import Build, Stage
from pipeline.store.shards import Clip


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.frames.extractor import FrameInputs

    target = build.store.path("frames", clip.clip, ".mkv")
    target.parent.mkdir(parents=True, exist_ok=True)
    return FrameInputs(
        media=build.media(clip),
        target=target.with_suffix(".part.mkv"),
        stream=clip.streams.video,
        other=clip.streams.audio,
        size=(clip.streams.width, clip.streams.height),
        announced=clip.streams.announced,
        seconds=clip.seconds,
        origin=clip.streams.origin,
        ffmpeg=build.config.media.ffmpeg,
    )


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.frames.extractor import FrameExtractor

    return FrameExtractor


FRAMES = Stage(
    name="frames",
    settings_type=FramesSettings,
    source="media",
    inputs=(),
    load=_load,
    extractor=_extractor,
    transient=True,
    kept=lambda config: config.frames.keep_frames,
    attachments=(".mkv",),
    threads=4,
)
