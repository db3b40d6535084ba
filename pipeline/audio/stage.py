"""The audio stage: a clip's sound to 33 values a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.audio.settings import AudioSettings
from pipeline.extractor import Extractor
from pipeline.stage import Build, Feature, Figure, Stage
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.media.clip_sound import sound_of

    return sound_of(build, clip)


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.audio.extractor import AudioExtractor

    return AudioExtractor


def _names(settings: AudioSettings, width: int) -> Sequence[str]:
    from pipeline.audio.extractor import feature_names

    return feature_names(settings)


def _rate(config: Config) -> float:
    return config.audio.sample_rate / config.audio.hop_length


_MB_PER_SECOND = 12.0
"""Memory for a second of sound: up to six channels at 96 kHz, decoded, and the features' work."""


def _clips_mb(config: Config, clips: Sequence[Clip], threads: int) -> float:
    """Return the memory in MB of the longest clip; none is longer than ten minutes."""
    return threads * _MB_PER_SECOND * max((clip.seconds for clip in clips), default=0.0)


AUDIO = Stage(
    name="audio",
    settings_type=AudioSettings,
    source="media",
    inputs=(),
    load=_load,
    extractor=_extractor,
    about="log F0, 20 MFCC and a CQT chromagram, as in the paper (librosa)",
    feature=Feature("audio", "librosa", _names, _rate, step="frame", array="audio"),
    figures=(
        Figure("voiced_share", "voiced_share", "voiced", "%"),
        Figure("loudness_db", "loudness_db", "loudness", "dB"),
    ),
    decodes="sound",
    # one process per shard: next to text's jobs, and the libraries are loaded once
    threads=1,
    memory_mb=lambda config, threads: 500,
    clips_mb=_clips_mb,
    clip_seconds=lambda config, clip: 0.1 * clip.seconds,
)
