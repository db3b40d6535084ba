"""The models: one table that rules, settings, reports and training read. It imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pipeline.train.hyper import (
    TASKS,
    Decay,
    EfLstmHyper,
    Hyper,
    MfnHyper,
    MultHyper,
    RankHyper,
    SubnetHyper,
    Weights,
)


@dataclass(frozen=True)
class ModelInfo:
    """What the pipeline knows about a model before torch is imported.

    Parameters
    ----------
    title : str
        The paper's name.
    network : str
        Module and class below ``pipeline.train.models``, e.g. ``lf_dnn:LfDnn``.
    hyper : Hyper
        Hyper-parameters of the published configuration; its class is the model's kind.
    paper : mapping
        What the preset `paper` changes in `hyper`; groups may be given in part.
    kin : str
        For a multi-task model, the single-task model that it extends by T, A and V.
    seed_mb : int
        Memory of a seed's process in MB, features not counted.
    weights_mb : int
        Size of a seed's weights on disk in MB, rounded up.
    epoch_seconds : float
        Seconds of one core for an epoch of a seed on 2,281 clips (docs/models.md, Speed).
    """

    title: str
    network: str
    hyper: Hyper
    paper: Mapping[str, Any] = field(default_factory=dict)
    kin: str = ""
    seed_mb: int = 200
    weights_mb: int = 8
    epoch_seconds: float = 2.0

    @property
    def multitask(self) -> bool:
        """Whether it learns T, A and V in addition to M."""
        return bool(self.kin)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it learns where all modalities are present."""
        return TASKS if self.multitask else ("M",)

    @property
    def large(self) -> bool:
        """Whether only as many seeds as cores fit into memory."""
        return self.seed_mb > 1000


def _equal(beta: float) -> Decay:
    return Decay(text=beta, audio=beta, vision=beta, rest=beta)


# in `paper` audio heads are as wide as text heads: 4 units learn nothing in some seeds
_AUDIO_HEAD = {"audio_head": 16}
# eq. 4 has L2 on the three subnets alone
_NO_DECAY_OF_THE_REST = {"decay": {"rest": 0.0}}

MODELS: dict[str, ModelInfo] = {
    "ef_lstm": ModelInfo(
        title="EF-LSTM",
        network="ef_lstm:EfLstm",
        hyper=EfLstmHyper(batch_size=128, learning_rate=5e-4, decay=_equal(1e-3)),
        seed_mb=500,
        epoch_seconds=13.0,
    ),
    "mfn": ModelInfo(
        title="MFN", network="mfn:Mfn", hyper=MfnHyper(), seed_mb=400, epoch_seconds=16.0
    ),
    "mult": ModelInfo(
        title="MULT",
        network="mult:Mult",
        hyper=MultHyper(batch_size=16, accumulate=8, learning_rate=2e-3, clip=0.6),
        seed_mb=3000,
        epoch_seconds=80.0,
    ),
    "lf_dnn": ModelInfo(
        title="LF-DNN",
        network="lf_dnn:LfDnn",
        hyper=SubnetHyper(batch_size=128, learning_rate=5e-3, decay=_equal(5e-3)),
        paper=_NO_DECAY_OF_THE_REST,
    ),
    "mlf_dnn": ModelInfo(
        title="MLF-DNN",
        network="lf_dnn:LfDnn",
        kin="lf_dnn",
        hyper=SubnetHyper(
            learning_rate=2e-3,
            decay=Decay(text=1e-4, audio=1e-3, vision=1e-4),
            alpha=Weights(M=0.6, T=0.2, A=0.8, V=0.8),
            text_hidden=64,
            vision_hidden=64,
            text_out=32,
        ),
        paper=_AUDIO_HEAD,
    ),
    "lmf": ModelInfo(
        title="LMF",
        network="lmf:Lmf",
        hyper=RankHyper(
            batch_size=64,
            learning_rate=2e-3,
            factor_rate=5e-4,
            decay=_equal(5e-3),
            text_hidden=64,
            audio_hidden=16,
            vision_hidden=64,
            text_out=32,
            text_dropout=0.2,
            audio_dropout=0.2,
            vision_dropout=0.2,
            head_dropout=0.2,
            rank=4,
        ),
        paper=_NO_DECAY_OF_THE_REST,
    ),
    "mlmf": ModelInfo(
        title="MLMF",
        network="lmf:Lmf",
        kin="lmf",
        hyper=RankHyper(
            batch_size=128,
            learning_rate=1e-3,
            factor_rate=1e-3,
            decay=Decay(text=1e-4, audio=0.0, vision=1e-4, rest=5e-3),
            alpha=Weights(M=0.2, T=1.0, A=0.4, V=0.8),
            text_hidden=256,
            vision_hidden=256,
            text_out=128,
            head_dropout=0.4,
            text_head=8,
            rank=3,
        ),
        paper={**_NO_DECAY_OF_THE_REST, **_AUDIO_HEAD},
    ),
    "tfn": ModelInfo(
        title="TFN",
        network="tfn:Tfn",
        hyper=SubnetHyper(
            learning_rate=5e-4,
            text_dropout=0.4,
            audio_dropout=0.4,
            vision_dropout=0.4,
            head_dropout=0.4,
        ),
        seed_mb=1500,
        weights_mb=143,
        epoch_seconds=12.0,
    ),
    "mtfn": ModelInfo(
        title="MTFN",
        network="tfn:Tfn",
        kin="tfn",
        hyper=SubnetHyper(
            batch_size=64,
            learning_rate=5e-3,
            decay=Decay(text=1e-3, audio=1e-4, vision=1e-5),
            alpha=Weights(M=0.6, T=0.4, A=0.0, V=1.0),
            text_hidden=256,
            vision_hidden=256,
            text_dropout=0.2,
            audio_dropout=0.2,
            vision_dropout=0.2,
            head_dropout=0.2,
            fusion_head=64,
            text_head=64,
            vision_head=8,
        ),
        paper={"alpha": {"A": 0.4}, **_AUDIO_HEAD},  # a task of weight 0 is not learned
        seed_mb=4500,
        weights_mb=564,
        epoch_seconds=43.0,
    ),
}
"""By the name that settings use, in the order of the paper's Table 2."""

if TYPE_CHECKING:
    ModelName = str
else:
    ModelName = Literal[tuple(MODELS)]


def kinships() -> list[tuple[str, str]]:
    """Return each single-task model with its multi-task kin, in the order of `MODELS`."""
    return [(info.kin, name) for name, info in MODELS.items() if info.kin]


def hyper_for(model: str, preset: str, overrides: Mapping[str, Any] | None = None) -> Hyper:
    """Return a model's hyper-parameters: the table, the preset's changes, then `overrides`.

    Parameters
    ----------
    model : str
        A model name, e.g. ``mlf_dnn``.
    preset : {"paper", "published"}
        The preset in force.
    overrides : mapping, optional
        Fields to replace; groups may be given in part, e.g. ``{"alpha": {"A": 0.1}}``.

    Raises
    ------
    pydantic.ValidationError
        For an unknown field or a value out of range.
    """
    info = MODELS[model]
    values = info.hyper.model_dump()
    for changes in (info.paper if preset == "paper" else {}, overrides or {}):
        for name, value in changes.items():
            old = values.get(name)
            values[name] = {**old, **value} if isinstance(old, dict) else value
    return type(info.hyper).model_validate(values)
