"""The vision stage: OpenFace's table to the 709-d feature."""

from __future__ import annotations

from typing import Any

from pipeline.extractor import Extractor
from pipeline.faces.stage import FACES
from pipeline.openface.stage import OPENFACE
from pipeline.stage import Build, Stage
from pipeline.store.shards import Clip


def _load(build: Build, clip: Clip) -> Any:
    import numpy as np

    from pipeline.vision.extractor import VisionInputs

    faces = build.store.read("faces", clip.clip)
    openface = build.store.read("openface", clip.clip)
    table = openface.arrays["table"]
    frames, fps = faces.info["frames"], faces.info["fps"]
    if openface.info["runtime"] == "import":
        return VisionInputs(table, openface.arrays["times"], frames, fps)
    # a row per frame; OpenFace saw those with a crop
    seen = np.diff(faces.arrays["crop_offsets"]) > 0
    return VisionInputs(table, np.arange(frames) / fps, frames, fps, seen)


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
