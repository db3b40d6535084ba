"""Settings of training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings, operational

ModelName = Literal[
    "ef_lstm", "lf_dnn", "mfn", "lmf", "tfn", "mult", "mlf_dnn", "mlmf", "mtfn"
]


class TrainSettings(Settings):
    """Which models are trained, and how."""

    models: tuple[ModelName, ...] = ("lf_dnn", "mlf_dnn")
    """Models to train."""
    seeds: tuple[int, ...] = (1, 12, 123, 1234, 12345)
    """Seeds; results are mean and standard deviation over them (paper, section 5.2)."""
    max_epochs: int = Field(200, ge=1)
    """Upper limit of epochs."""
    patience: int = Field(8, ge=1)
    """Epochs without a better valid loss after which training stops."""
    device: Literal["auto", "cpu", "cuda"] = operational("auto")
    """Where training runs; auto takes CUDA when there is one."""
