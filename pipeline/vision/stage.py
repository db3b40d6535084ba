"""The vision stage: OpenFace's table to the vision feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.extractor import Extractor
from pipeline.faces.stage import FACES
from pipeline.openface.stage import OPENFACE
from pipeline.stage import Build, Feature, Figure, Stage
from pipeline.store.shards import Clip
from pipeline.vision.settings import VisionSettings

if TYPE_CHECKING:
    from pipeline.config import Config


def _load(build: Build, clip: Clip) -> Any:
    import numpy as np

    from pipeline.vision.extractor import VisionInputs

    faces = build.store.read("faces", clip.clip)
    openface = build.store.read("openface", clip.clip)
    table = openface.arrays["table"]
    frames, fps = faces.info["frames"], faces.info["fps"]
    if openface.info["runtime"] == "import":
        pictured = faces.arrays["source"] >= 0
        return VisionInputs(table, openface.arrays["times"], frames, fps, pictured=pictured)
    # a row per frame; OpenFace saw those with a face, whose crops may be gone by now
    seen = np.isfinite(faces.arrays["box"]).all(axis=1)
    return VisionInputs(table, np.arange(frames) / fps, frames, fps, seen)


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.vision.extractor import VisionExtractor

    return VisionExtractor


def _names(settings: VisionSettings, width: int) -> Sequence[str]:
    from pipeline.vision.extractor import feature_names

    return feature_names(settings)


def _rate(config: Config) -> float:
    return config.frames.fps / config.vision.pool


VISION = Stage(
    name="vision",
    settings_type=VisionSettings,
    source="none",
    inputs=(OPENFACE, FACES),
    load=_load,
    extractor=_extractor,
    about="OpenFace's gaze, landmarks, head pose, shape and action units, or some of them",
    feature=Feature(
        "vision", "openface", _names, _rate, step="frame", array="vision", mask="valid"
    ),
    spares=lambda config: frozenset({FACES.name}),
    figures=(
        Figure("success_share", "success_share", "tracked", "%"),
        Figure("mean_confidence", "mean_confidence", "confidence"),
    ),
    threads=2,
    clip_seconds=lambda config, clip: 0.1,
)
