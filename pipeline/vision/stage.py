"""The vision stage: OpenFace's table to the 709-d feature."""

from __future__ import annotations

from typing import Any

from pipeline.extractor import Extractor
from pipeline.faces.stage import FACES
from pipeline.openface.stage import OPENFACE
from pipeline.stage import Build, Stage
from pipeline.store.shards import Clip


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.vision.extractor import VisionInputs

    faces = build.store.read("faces", clip.clip)
    openface = build.store.read("openface", clip.clip)
    return VisionInputs(
        openface.arrays["table"], faces.info["frames"], faces.info["fps"], openface.info["grid"]
    )


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.vision.extractor import VisionExtractor

    return VisionExtractor


VISION = Stage(
    name="vision",
    source="none",
    inputs=(OPENFACE, FACES),
    load=_load,
    extractor=_extractor,
)
