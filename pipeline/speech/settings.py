"""Settings of the speech stage."""

from __future__ import annotations

from pydantic import Field

from pipeline.encoders.settings import EncoderSettings
from pipeline.settings import operational


class SpeechSettings(EncoderSettings):
    """Which speech encoder turns a clip's sound into vectors."""

    model: str = Field("openai/whisper-small", min_length=1)
    """Name on the Hugging Face hub, or path of a folder with a model: HuBERT, wav2vec 2.0, WavLM,
    data2vec, UniSpeech-SAT, Whisper, or another speech encoder that transformers knows."""
    batch_seconds: float = operational(30.0, gt=0)
    """Seconds of sound that go through the model at once, of several clips; e.g. 600 on a GPU."""
