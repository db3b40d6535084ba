"""The text stage: a clip's transcript to one vector per token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.extractor import Extractor
from pipeline.stage import Build, Stage
from pipeline.store.shards import Clip
from pipeline.text.settings import TextSettings


def _load(build: Build, clip: Clip) -> Any:
    return clip.text


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.text.extractor import TextExtractor

    return TextExtractor


def _identity(settings: TextSettings) -> Mapping[str, Any]:
    from pipeline.text.source import identity

    return identity(settings)


def _batch(settings: TextSettings) -> int:
    return settings.batch_tokens  # of a handful of tokens each: many packs, so that they fill up


TEXT = Stage(
    name="text",
    source="text",
    inputs=(),
    load=_load,
    extractor=_extractor,
    identity=_identity,
    batch=_batch,
    job_shards=8,
)
