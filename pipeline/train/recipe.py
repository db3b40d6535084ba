"""The named differences between what the paper says and what the published code computes."""

from __future__ import annotations

from typing import Literal

from pipeline.settings import Settings


class Recipe(Settings):
    """One setting for each place where the published code departs; the defaults are `paper`."""

    scaling: Literal["train", "none"] = "train"
    """Features standardised per dimension by the train part's valid rows, or as they are."""
    pooling: Literal["valid", "padded"] = "valid"
    """Time average of audio and vision: over a clip's valid rows, or over the whole padded axis."""
    text_end: Literal["last_token", "last_step"] = "last_token"
    """Where the text LSTM is read: at the last token, or after it ran over the padding too."""
    text_dropout: bool = True
    """Apply the configured text dropout; the published code sets it to 0 for one LSTM layer."""
    alignment: Literal["ctc", "blocks", "interleaved"] = "ctc"
    """EF-LSTM and MFN: learned CTC alignment, means of consecutive rows (published, 2025), or
    means of rows that lie far apart (published, 2.2.1)."""
    mfn_dynamics: bool = True
    """MFN sees audio and vision over time; the published code repeats their mean at each step."""
    ef_norm: Literal["feature", "step"] = "feature"
    """EF-LSTM's batch normalisation: for each feature over true steps, or for each time step."""
    mult_mask: Literal["padding", "future"] = "padding"
    """MulT: padding is masked and streams are read at their last true step; or padding is attended
    to, later steps are masked, and streams are read at the end of their padding."""
    mult_positions: bool = True
    """MulT adds sinusoidal positions, as its own paper does."""
    tensor_output: Literal["linear", "squashed"] = "linear"
    """TFN, MTFN: M as the head gives it, or squashed by 6 sigmoid(x) - 3 (a range of MOSI)."""
    tensor_dropout: Literal["factors", "product"] = "factors"
    """TFN, MTFN: dropout on the three representations, or on each cell of their product."""
    rank_output: Literal["head", "direct"] = "head"
    """LMF, MLMF: the low-rank fusion feeds a three-layer head (section 4), or is itself M."""
    rank_weights: Literal["trained", "frozen"] = "trained"
    """LMF, MLMF: the weights over ranks learn, or stay at their random start."""
    head_units: Literal["leaky", "relu"] = "leaky"
    """Units of the three-layer heads: leaky (slope 0.1 below zero), or ReLU, with which all units
    of a narrow head can die."""
    decay: Literal["loss", "adam"] = "loss"
    """L2 as a term of the loss on weights (eq. 4), or Adam's decay, biases and norms included."""
    clipping: Literal["norm", "model"] = "norm"
    """Gradient clipping: by norm for each model, or only as the published model does (MulT)."""
    last_group: Literal["kept", "dropped"] = "kept"
    """What accumulated gradients of an epoch's last, smaller group of batches do."""
    selection: Literal["main_task", "weighted_batches"] = "main_task"
    """Early stopping watches the first task's L1 over valid clips, or the weighted sum over tasks
    averaged over shuffled batches and rounded to four decimals."""
    scored_on: Literal["own", "M"] = "own"
    """Labels that the unimodal tasks are scored on: their own, or M."""
    rounding: bool = False
    """Round each seed's metrics to four decimals before averaging."""

    @property
    def head_slope(self) -> float:
        """The slope of the heads' units below zero."""
        return 0.1 if self.head_units == "leaky" else 0.0

    @property
    def full_text(self) -> bool:
        """Whether texts are padded to the file's length rather than to the batch's longest."""
        return (
            self.text_end == "last_step"
            or self.ef_norm == "step"
            or self.alignment != "ctc"
            or self.mult_mask == "future"
        )


PAPER = Recipe()
PUBLISHED = Recipe(
    scaling="none",
    pooling="padded",
    text_end="last_step",
    text_dropout=False,
    alignment="blocks",
    mfn_dynamics=False,
    ef_norm="step",
    mult_mask="future",
    mult_positions=False,
    tensor_output="squashed",
    tensor_dropout="product",
    rank_output="direct",
    rank_weights="frozen",
    head_units="relu",
    decay="adam",
    clipping="model",
    last_group="dropped",
    selection="weighted_batches",
    scored_on="M",
    rounding=True,
)
