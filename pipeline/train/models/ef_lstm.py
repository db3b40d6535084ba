"""EF-LSTM: early fusion, one LSTM over the three aligned streams side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.train.align import CtcAlignment
from pipeline.train.data import Batch, Form
from pipeline.train.hyper import EfLstmHyper, Hyper
from pipeline.train.lstm import over_sequences
from pipeline.train.models.base import SentimentModel, padded_text
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import Output, at_end, true_steps


class EfLstm(SentimentModel):
    """EF-LSTM: x_i = [x_i^t; x_i^a; x_i^v] at each text step, an LSTM, two linear layers.

    Audio and vision are aligned to the text by CTC in the paper preset; in the published
    one they are block means over the padded clip, made when the corpus is read.
    """

    title = "EF-LSTM"

    @classmethod
    def form(cls, recipe: Recipe) -> Form:
        """Sequences to align, or already aligned ones."""
        return "sequence" if recipe.alignment == "ctc" else "aligned"

    def __init__(
        self, hyper: Hyper, dims: dict[str, int], tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__(hyper, dims, tasks, recipe)
        assert isinstance(hyper, EfLstmHyper)
        width = dims["text"] + dims["audio"] + dims["vision"]
        self.ctc_weight = hyper.ctc_weight
        if recipe.alignment == "ctc":
            self.align_audio = CtcAlignment(dims["audio"], dims["text_steps"])
            self.align_vision = CtcAlignment(dims["vision"], dims["text_steps"])
        self.norm = nn.BatchNorm1d(width if recipe.ef_norm == "feature" else dims["text_steps"])
        between = hyper.dropout if hyper.layers > 1 else 0.0
        self.rnn = nn.LSTM(width, hyper.hidden, hyper.layers, dropout=between, batch_first=True)
        self.drop = nn.Dropout(hyper.dropout)
        self.linear = nn.Linear(hyper.hidden, hyper.hidden)
        self.out = nn.Linear(hyper.hidden, 1)

    def forward(self, batch: Batch) -> Output:
        """Predict a batch's sentiments."""
        extra = None
        text, audio, vision = padded_text(batch), batch.audio, batch.vision
        if self.recipe.alignment == "ctc":
            n, steps = batch.text_lengths, text.shape[1]
            audio, audio_loss = self.align_audio(audio, batch.audio_lengths, n, steps)
            vision, vision_loss = self.align_vision(vision, batch.vision_lengths, n, steps)
            extra = self.ctc_weight * (audio_loss + vision_loss)
        x = self._normed(torch.cat([text, audio, vision], dim=-1), batch.text_lengths)
        whole = self.recipe.text_end == "last_step"
        lengths = torch.full_like(batch.text_lengths, x.shape[1]) if whole else batch.text_lengths
        end = at_end(over_sequences(self.rnn, x, lengths), lengths)
        hidden = torch.relu(self.linear(self.drop(end)))
        return Output({"M": self.out(self.drop(hidden)).squeeze(-1)}, {}, extra)

    def _normed(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Normalise each feature over true steps, or each time step over everything."""
        if self.recipe.ef_norm == "step":
            normed: Tensor = self.norm(x)
            return normed
        inside = true_steps(lengths, x.shape[1], x.device)
        filled = torch.zeros_like(x)
        filled[inside] = self.norm(x[inside])
        return filled
