"""What EF-LSTM and MFN share: streams with one row per step of the anchor."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.train.align import CtcAlignment
from pipeline.train.data import Batch, Inputs
from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SentimentModel
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import true_steps


class AlignedModel(SentimentModel):
    """A model that reads all modalities in lockstep.

    The anchor (`Inputs.anchor`) keeps its own steps: text if the dataset has it. In the paper
    preset the others are aligned to it by CTC; in the published one they are block means over
    the padded clip, made when the corpus is read. A feature of whole clips, with one step, is
    the same at every step of the anchor.
    """

    def __init__(
        self, hyper: Hyper, inputs: Inputs, tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__(hyper, inputs, tasks, recipe)
        self.modalities = tuple(inputs.dims)
        self.anchor = inputs.anchor
        self.steps = inputs.steps[inputs.anchor]
        self.followers: tuple[str, ...] = ()
        self.whole: tuple[str, ...] = ()
        self.ctc_weight = 0.0

    def add_aligners(self, inputs: Inputs, ctc_weight: float) -> None:
        """Give every other modality that is a sequence a CTC alignment to the anchor."""
        self.whole = tuple(m for m in inputs.followers if inputs.steps[m] == 1)
        self.followers = tuple(m for m in inputs.followers if m not in self.whole)
        self.ctc_weight = ctc_weight
        for modality in self.followers:
            self.add_module(f"align_{modality}", CtcAlignment(inputs.dims[modality], self.steps))

    def apart(self) -> dict[str, list[nn.Parameter]]:
        """Return the aligners: learning CTC takes larger steps than the rest of the model."""
        return {"aligner_rate": self.undecayed()} if self.followers else {}

    def undecayed(self) -> list[nn.Parameter]:
        """Return the aligners, which are no part of what eq. 4 regularises."""
        aligners = [self.get_submodule(f"align_{modality}") for modality in self.followers]
        return [parameter for aligner in aligners for parameter in aligner.parameters()]

    def in_lockstep(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return each modality ``[B, L, d]`` over the anchor's steps, and the weighted CTC losses.

        Averages stay ``[B, d]``.
        """
        streams = {modality: batch.padded(modality) for modality in self.modalities}
        n, steps = batch.lengths[self.anchor], streams[self.anchor].shape[1]
        inside = true_steps(n, steps, streams[self.anchor].device)[:, :, None]
        for modality in self.whole:
            streams[modality] = streams[modality] * inside
        losses = []
        for modality in self.followers:
            align = self.get_submodule(f"align_{modality}")
            lengths = batch.lengths[modality]
            streams[modality], loss = align(streams[modality], lengths, n, steps)
            losses.append(loss)
        return streams, self.ctc_weight * sum(losses) if losses else None
