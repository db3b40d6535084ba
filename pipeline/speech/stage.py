"""The speech stage: a clip's sound to the vectors of a speech encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.encoders.account import encoded
from pipeline.encoders.listed import needed, width_of
from pipeline.encoders.loading import check_depth, check_takes
from pipeline.encoders.memory import memory_of
from pipeline.encoders.names import dimension_names
from pipeline.extractor import Extractor, check_device
from pipeline.speech.settings import SpeechSettings
from pipeline.speech.source import FILES, steps_per_second
from pipeline.stage import Account, Build, Feature, Figure, Stage
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.media.clip_sound import sound_of

    return sound_of(build, clip)


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.speech.extractor import SpeechExtractor

    return SpeechExtractor


def _names(settings: SpeechSettings, width: int) -> Sequence[str]:
    return dimension_names(FILES.kind(settings), width)


def _ready(config: Config) -> None:
    check_device(config.speech.device, "speech.device")
    check_takes(FILES, config.speech, ("input_values", "input_features"))
    check_depth(FILES, config.speech)


def _account(account: Account) -> tuple[str, list[str]]:
    step = "step"
    if account.rate:
        step = f"step, {account.rate:g} steps per second"
    return encoded("The clips' sound was", account, account.tool, step), []


SPEECH = Stage(
    name="speech",
    settings_type=SpeechSettings,
    source="media",
    inputs=(),
    load=_load,
    extractor=_extractor,
    about="vectors of a speech encoder: wav2vec 2.0, HuBERT, WavLM, Whisper and others",
    needs=lambda settings: needed(FILES, settings),
    identity=FILES.identity,
    batch=lambda settings: 16,
    feature=Feature(
        "audio",
        "speech",
        _names,
        lambda config: steps_per_second(config.speech),
        step="step",
        array="speech",
        width=lambda settings: width_of(FILES, settings),
    ),
    figures=(Figure("loudness_db", "loudness_db", "loudness", "dB"),),
    decodes="sound",
    sources={"speech_models": "model"},
    model=FILES.label,
    account=_account,
    ready=_ready,
    job_shards=4,
    memory_mb=lambda config, threads: memory_of(FILES, config.speech),
    clip_seconds=lambda config, clip: clip.seconds,
    priority=5,  # before hours of faces: a model that cannot be used is known early
)
