"""The opensmile stage: a clip's sound to openSMILE's features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.extractor import Extractor
from pipeline.opensmile.settings import OpenSmileSettings
from pipeline.stage import Build, Feature, Figure, Stage
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.media.clip_sound import sound_of

    return sound_of(build, clip)


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.opensmile.extractor import OpenSmileExtractor

    return OpenSmileExtractor


def _names(settings: OpenSmileSettings, width: int) -> Sequence[str]:
    from pipeline.opensmile.extractor import feature_names

    return feature_names(settings)


def _rate(config: Config) -> float | None:
    from pipeline.opensmile.extractor import ROWS_PER_SECOND

    return ROWS_PER_SECOND if config.opensmile.level == "lld" else None


def _step(settings: OpenSmileSettings) -> str:
    return "frame" if settings.level == "lld" else "clip"


OPENSMILE = Stage(
    name="opensmile",
    settings_type=OpenSmileSettings,
    source="media",
    inputs=(),
    load=_load,
    extractor=_extractor,
    about="descriptors or functionals of openSMILE: eGeMAPS, ComParE and others",
    feature=Feature("audio", "opensmile", _names, _rate, step=_step, array="audio"),
    figures=(
        Figure("voiced_share", "voiced_share", "voiced", "%"),
        Figure("loudness_db", "loudness_db", "loudness", "dB"),
    ),
    decodes="sound",
    memory_mb=lambda config, threads: 1500,
)
