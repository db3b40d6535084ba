"""The text stage: a clip's transcript to one vector per token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.encoders.account import encoded
from pipeline.encoders.listed import needed, width_of
from pipeline.encoders.loading import check_depth
from pipeline.encoders.names import dimension_names
from pipeline.extractor import Extractor, check_device
from pipeline.stage import Account, Build, Feature, Figure, Need, Overview, Stage
from pipeline.store.shards import Clip
from pipeline.text.demo_model import LABEL
from pipeline.text.demo_model import WIDTH as DEMO_WIDTH
from pipeline.text.settings import TextSettings
from pipeline.text.source import DEMO, FILES, UNKNOWN_LIMIT, have_model, identity, label, prefix

if TYPE_CHECKING:
    from pipeline.config import Config


def _load(build: Build, clip: Clip) -> Any:
    return clip.text


def _extractor(settings: Any) -> type[Extractor]:
    from pipeline.text.extractor import TextExtractor

    return TextExtractor


def _batch(settings: TextSettings) -> int:
    return settings.batch_tokens  # of a handful of tokens each: many packs, so that they fill up


def _names(settings: TextSettings, width: int) -> Sequence[str]:
    return dimension_names(prefix(settings), width)


def _needs(settings: TextSettings) -> Sequence[Need]:
    return [] if settings.model == DEMO else needed(FILES, settings)


def _width(settings: TextSettings) -> int | None:
    return DEMO_WIDTH if settings.model == DEMO else width_of(FILES, settings)


def _ready(config: Config) -> None:
    check_device(config.text.device, "text.device")
    have_model(config.text)
    if config.text.model != DEMO:
        check_depth(FILES, config.text)


def _remarks(settings: TextSettings, overview: Overview) -> Iterable[str]:
    if LABEL in overview.sources:
        yield LABEL
    unknown = overview.totals["unknown_tokens"] / max(overview.steps, 1)
    if unknown > UNKNOWN_LIMIT:  # never of NaN: features without this figure
        yield (
            f"{unknown:.0%} of the transcripts' tokens are unknown to the text model: is its "
            "vocabulary that of Chinese?"
        )


def _account(account: Account) -> tuple[str, list[str]]:
    if LABEL in account.models:
        return (
            "Transcripts were passed through a small untrained text model, for demonstration "
            "only; its features carry no meaning.",
            [],
        )
    is_bert = any(re.search(r"\bBERT\b", model) for model in account.models)
    source = f"Devlin et al., 2019; {account.tool}" if is_bert else account.tool
    sentence = encoded("Transcripts were", account, source, "token, start and end token kept")
    return sentence, ["devlin2019bert"] if is_bert else []


TEXT = Stage(
    name="text",
    settings_type=TextSettings,
    source="text",
    inputs=(),
    load=_load,
    extractor=_extractor,
    about="vectors of tokens by a text encoder: BERT, RoBERTa, MacBERT, ELECTRA and others",
    needs=_needs,
    identity=identity,
    batch=_batch,
    feature=Feature(
        "text", "bert", _names, lambda config: None, step="token", array="text", width=_width
    ),
    figures=(Figure("unknown_tokens", "unknown", "unknown tokens"),),
    sources={"text_models": "model"},
    model=label,
    account=_account,
    remarks=_remarks,
    ready=_ready,
    job_shards=8,
    memory_mb=lambda config, threads: 4000,
    clip_seconds=lambda config, clip: 0.1,
    # first of all stages, so that a missing model is known before hours of faces
    priority=10,
)
