"""EF-LSTM: early fusion, one LSTM over the aligned modalities side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.train.data import Batch, Form, Inputs
from pipeline.train.hyper import EfLstmHyper, Hyper
from pipeline.train.models.aligned import AlignedModel
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import Output, at_end, over_sequences, true_steps


class EfLstm(AlignedModel):
    """EF-LSTM: x_i = [x_i^t; x_i^a; x_i^v] at each text step, an LSTM, two linear layers."""

    @classmethod
    def form(cls, recipe: Recipe) -> Form:
        """Sequences to align, or already aligned ones."""
        return "sequence" if recipe.alignment == "ctc" else "aligned"

    def __init__(
        self, hyper: Hyper, inputs: Inputs, tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__(hyper, inputs, tasks, recipe)
        assert isinstance(hyper, EfLstmHyper)
        width = sum(inputs.dims.values())
        if recipe.alignment == "ctc":
            self.add_aligners(inputs, hyper.ctc_weight)
        self.norm = nn.BatchNorm1d(width if recipe.ef_norm == "feature" else self.steps)
        between = hyper.dropout if hyper.layers > 1 else 0.0
        self.rnn = nn.LSTM(width, hyper.hidden, hyper.layers, dropout=between, batch_first=True)
        self.drop = nn.Dropout(hyper.dropout)
        self.linear = nn.Linear(hyper.hidden, hyper.hidden)
        self.out = nn.Linear(hyper.hidden, 1)

    def forward(self, batch: Batch) -> Output:
        """Predict a batch's sentiments."""
        streams, extra = self.in_lockstep(batch)
        n = batch.lengths[self.anchor]
        x = self._normed(torch.cat(list(streams.values()), dim=-1), n)
        whole = self.recipe.text_end == "last_step"
        lengths = torch.full_like(n, x.shape[1]) if whole else n
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
