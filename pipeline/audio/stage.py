"""The audio stage: a clip's sound to 33 values a frame."""

from __future__ import annotations

from typing import Any

from pipeline.extractor import Extractor
from pipeline.stage import Build, Stage, decoder
from pipeline.store.shards import Clip


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.audio.extractor import Sound
    from pipeline.media import read_sound

    return Sound(*read_sound(build.media(clip)))


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.audio.extractor import AudioExtractor

    return AudioExtractor


AUDIO = Stage(
    name="audio",
    source="media",
    inputs=(),
    load=_load,
    extractor=_extractor,
    identity=decoder,
)
