"""What the settings of all encoders share."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipeline.encoders.layers import LAST, Layers
from pipeline.settings import Device, Settings, operational


class EncoderSettings(Settings):
    """Which encoder, which of its layers, and where it runs."""

    model: str = Field(min_length=1)
    """Name on the Hugging Face hub, or path of a folder with a model."""
    revision: str | None = Field(None, min_length=1)
    """Commit, tag or branch of the hub's repository; null takes the newest. The dataset says
    which commit it was."""
    layers: Layers = LAST
    """last: the model's output; a number: that hidden state (0: the embeddings, -1: counted from
    the end); a range such as 9-12: the mean of these hidden states."""
    device: Device = operational("auto")
    """Where the model runs; auto uses CUDA if it is available."""

    def defining(self) -> dict[str, Any]:
        """Return what decides the result, but not where the model lies.

        Its content does (`pipeline.encoders.files.EncoderFiles.identity`): the same model under
        another name or in another folder gives the same key and the same dataset. The layers
        count where they are not the last, so that older keys stay valid.
        """
        values = {k: v for k, v in super().defining().items() if k not in ("model", "revision")}
        if values["layers"] == LAST:
            del values["layers"]
        return values
