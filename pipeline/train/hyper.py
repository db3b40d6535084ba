"""Kinds of hyper-parameters; `pipeline.train.registry` holds each model's values."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from pipeline.corpus import LABELS, Label
from pipeline.settings import Settings

Task = Label
TASKS = LABELS
"""A task is to predict one label."""


class Weights(Settings):
    """One number for each task: alpha_m, alpha_t, alpha_a, alpha_v of eq. 4."""

    M: float = Field(1.0, ge=0)
    """Multimodal task."""
    T: float = Field(0.0, ge=0)
    """Text task."""
    A: float = Field(0.0, ge=0)
    """Audio task."""
    V: float = Field(0.0, ge=0)
    """Vision task."""


class Decay(Settings):
    """L2 strengths: beta_t, beta_a, beta_v of eq. 4, and of all other weights."""

    text: float = Field(0.0, ge=0)
    """Text subnet."""
    audio: float = Field(0.0, ge=0)
    """Audio subnet."""
    vision: float = Field(0.0, ge=0)
    """Vision subnet."""
    rest: float = Field(0.0, ge=0)
    """Fusion and heads; 0 in the paper preset where there are subnets, as in eq. 4."""


class Hyper(Settings):
    """What every model has."""

    batch_size: int = Field(32, ge=2)
    """Clips in a batch."""
    accumulate: int = Field(1, ge=1)
    """Batches before a step: their gradients' mean over clips (paper preset), or their sum."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's step size."""
    decay: Decay = Decay()
    """L2 strengths."""
    alpha: Weights = Weights()
    """Weights of the tasks in the loss."""
    clip: float = Field(5.0, gt=0)
    """Largest gradient norm (paper preset) or value (published MulT)."""


class SubnetHyper(Hyper):
    """Models of unimodal subnets and a fusion (LF-DNN, TFN, LMF and their multi-task kin)."""

    text_hidden: int = Field(128, ge=1)
    """Units of the text LSTM."""
    audio_hidden: int = Field(32, ge=1)
    """Width of the audio subnet's three layers."""
    vision_hidden: int = Field(128, ge=1)
    """Width of the vision subnet's three layers."""
    text_out: int = Field(256, ge=1)
    """Width of the text representation."""
    text_dropout: float = Field(0.3, ge=0, lt=1)
    """Dropout in the text subnet (applied in the paper preset only)."""
    audio_dropout: float = Field(0.3, ge=0, lt=1)
    """Dropout in the audio subnet."""
    vision_dropout: float = Field(0.3, ge=0, lt=1)
    """Dropout in the vision subnet."""
    head_dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout before each head."""
    fusion_head: int = Field(32, ge=1)
    """Width of the M head."""
    text_head: int = Field(16, ge=1)
    """Width of the T head."""
    audio_head: int = Field(4, ge=1)
    """Width of the A head."""
    vision_head: int = Field(32, ge=1)
    """Width of the V head."""


class RankHyper(SubnetHyper):
    """LMF and MLMF."""

    rank: int = Field(4, ge=1)
    """Rank of the factors."""
    fusion_out: int = Field(32, ge=1)
    """Width of the fused representation (paper preset)."""
    factor_rate: float = Field(1e-3, gt=0)
    """Adam's step size of the factors."""


class EfLstmHyper(Hyper):
    """EF-LSTM."""

    hidden: int = Field(32, ge=1)
    """Units of each LSTM layer."""
    layers: int = Field(3, ge=1)
    """LSTM layers."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Between the layers and before each linear layer but the last."""
    ctc_weight: float = Field(0.1, ge=0)
    """Weight of the alignment's CTC losses."""
    aligner_rate: float = Field(1e-2, gt=0)
    """Adam's step size of the CTC aligners."""


class MfnHyper(Hyper):
    """Memory fusion network."""

    text_hidden: int = Field(64, ge=1)
    """Units of the text LSTM."""
    audio_hidden: int = Field(16, ge=1)
    """Units of the audio LSTM."""
    vision_hidden: int = Field(64, ge=1)
    """Units of the vision LSTM."""
    memory: int = Field(64, ge=1)
    """Size of the multi-view memory."""
    attention_hidden: int = Field(128, ge=1)
    """Width of the delta-memory attention and of the memory proposal."""
    gate_hidden: int = Field(64, ge=1)
    """Width of both gates and of the output layer."""
    attention_dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout in the attention."""
    proposal_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in the memory proposal."""
    retain_dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout in the retain gate gamma_1."""
    update_dropout: float = Field(0.7, ge=0, lt=1)
    """Dropout in the update gate gamma_2."""
    out_dropout: float = Field(0.7, ge=0, lt=1)
    """Dropout before the output."""
    ctc_weight: float = Field(0.1, ge=0)
    """Weight of the alignment's CTC losses."""
    aligner_rate: float = Field(1e-2, gt=0)
    """Adam's step size of the CTC aligners."""


class MultHyper(Hyper):
    """Multimodal transformer."""

    width: int = Field(50, ge=1)
    """Channels of each stream."""
    heads: int = Field(10, ge=1)
    """Attention heads."""
    levels: int = Field(2, ge=1)
    """Layers of each cross-modal encoder; the self encoders have at least 3."""
    text_kernel: int = Field(5, ge=1)
    """Kernel of the text convolution; audio and vision have 1."""
    text_dropout: float = Field(0.3, ge=0, lt=1)
    """Dropout on the text features."""
    attention_dropout: float = Field(0.2, ge=0, lt=1)
    """Attention dropout of the text and self encoders."""
    audio_attention_dropout: float = Field(0.1, ge=0, lt=1)
    """Attention dropout where audio is attended to."""
    vision_attention_dropout: float = Field(0.0, ge=0, lt=1)
    """Attention dropout where vision is attended to."""
    embed_dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout on the inputs of each encoder."""
    residual_dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout before each residual sum."""
    out_dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the output block."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self


def overlay(overrides: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    """Add dotted names to nested overrides: ``alpha.T`` becomes ``{"alpha": {"T": ...}}``."""
    result = {k: dict(v) if isinstance(v, dict) else v for k, v in overrides.items()}
    for name, value in choice.items():
        group, dot, field = name.partition(".")
        if dot:
            result[group] = {**result.get(group, {}), field: value}
        else:
            result[group] = value
    return result
