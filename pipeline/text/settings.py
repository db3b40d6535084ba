"""Settings of the text stage."""

from __future__ import annotations

from pydantic import Field

from pipeline.encoders.settings import EncoderSettings
from pipeline.settings import operational

DEFAULT_MODEL = "google-bert/bert-base-chinese"
DEFAULT_REVISION = "8f23c25b06e129b6c986331a13d8d025a92cf0ea"


class TextSettings(EncoderSettings):
    """Which text model turns transcripts into token vectors."""

    model: str = Field(DEFAULT_MODEL, min_length=1)
    """Name on the Hugging Face hub, path of a folder with a model, or demo: an untrained BERT."""
    revision: str | None = Field(None, min_length=1)
    """Commit, tag or branch of the hub's repository; null takes 8f23c25 for bert-base-chinese, and
    of other models the newest. The dataset says which commit it was."""
    max_tokens: int = Field(512, ge=8, le=512)
    """Longest transcript in tokens, [CLS] and [SEP] included; longer ones are truncated."""
    batch_tokens: int = operational(128, ge=8)
    """Tokens that go through the model at once, of several transcripts; e.g. 4096 on a GPU."""
