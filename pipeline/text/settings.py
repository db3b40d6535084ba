"""Settings of the text stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings, operational


class TextSettings(Settings):
    """Which BERT turns transcripts into token vectors."""

    model: str = "google-bert/bert-base-chinese"
    """Name on the Hugging Face hub, path of a folder with a BERT, or demo: an untrained one."""
    revision: str = "8f23c25b06e129b6c986331a13d8d025a92cf0ea"
    """Commit of the repository on the hub, so that the weights cannot change."""
    max_tokens: int = Field(512, ge=8, le=512)
    """Longest transcript in tokens, [CLS] and [SEP] included; longer ones are truncated."""
    batch_tokens: int = operational(128, ge=8)
    """Number of tokens per batch, from several transcripts; use more on a GPU, e.g. 4096."""
    device: Literal["auto", "cpu", "cuda"] = operational("auto")
    """Where BERT runs; auto uses CUDA if it is available."""
