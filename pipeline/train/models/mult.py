"""MulT: each stream attends to the others, then to itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.corpus import MODALITY_OF
from pipeline.train.data import Batch, Form, Inputs
from pipeline.train.hyper import Hyper, MultHyper
from pipeline.train.models.base import SentimentModel
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import Output, at_end, true_steps
from pipeline.train.transformer import Encoder


class Mult(SentimentModel):
    """Multimodal transformer (Tsai et al. 2019).

    Z_s = Conv(X_s); for each stream s and other stream r, Z_r->s is a stack of cross-modal
    attentions with queries of s and keys and values of r; [Z_r->s; Z_q->s] goes through a
    self-attention stack, whose last step is h_s; y = W (MLP([h_t; h_a; h_v]) + [h_t; h_a; h_v]).
    """

    clips_by_value = True
    free_batches = True

    @classmethod
    def form(cls, recipe: Recipe) -> Form:
        """Sequences, unaligned."""
        return "sequence" if recipe.mult_mask == "padding" else "padded"

    def __init__(
        self, hyper: Hyper, inputs: Inputs, tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__(hyper, inputs, tasks, recipe)
        assert isinstance(hyper, MultHyper)
        self.masked = recipe.mult_mask == "padding"
        self.kernel = hyper.text_kernel
        width = hyper.width
        self.text_drop = nn.Dropout(hyper.text_dropout)
        self.project = nn.ModuleDict(
            {
                stream: nn.Conv1d(dim, width, self.kernel if stream == "text" else 1, bias=False)
                for stream, dim in inputs.dims.items()
            }
        )
        attention = {
            "text": hyper.attention_dropout,
            "audio": hyper.audio_attention_dropout,
            "vision": hyper.vision_attention_dropout,
        }
        self.cross = nn.ModuleDict(
            {
                f"{stream}_from_{other}": Encoder(
                    width, hyper.levels, attention[other], hyper, recipe
                )
                for stream in self.project
                for other in self.project
                if other != stream
            }
        )
        layers, others = max(hyper.levels, 3), len(inputs.dims) - 1
        self.own = nn.ModuleDict(
            {
                stream: Encoder(others * width, layers, hyper.attention_dropout, hyper, recipe)
                for stream in self.project
            }
        )
        whole = len(inputs.dims) * others * width
        self.layer_1 = nn.Linear(whole, whole)
        self.layer_2 = nn.Linear(whole, whole)
        self.out_drop = nn.Dropout(hyper.out_dropout)
        self.out = nn.Linear(whole, 1)

    def forward(self, batch: Batch) -> Output:
        """Predict a batch's sentiments."""
        streams = {stream: batch.padded(stream) for stream in self.project}
        lengths = dict(batch.lengths)
        if "text" in streams:
            text, lengths["text"] = self._room_for_kernel(streams["text"], lengths["text"])
            streams["text"] = self.text_drop(text)
        z = {s: self.project[s](x.transpose(1, 2)).transpose(1, 2) for s, x in streams.items()}
        inside = {
            s: true_steps(lengths[s], z[s].shape[1], z[s].device) if self.masked else None
            for s in z
        }
        ends = {}
        for stream in z:
            others = [other for other in z if other != stream]
            crossed = [
                self.cross[f"{stream}_from_{other}"](z[stream], z[other], inside[other])
                for other in others
            ]
            h = self.own[stream](torch.cat(crossed, dim=-1), None, inside[stream])
            ends[stream] = at_end(h, lengths[stream]) if self.masked else h[:, -1]
        last = torch.cat(list(ends.values()), dim=-1)
        hidden = self.layer_2(self.out_drop(torch.relu(self.layer_1(last))))
        representations = {task: ends[m] for task, m in MODALITY_OF.items() if m in ends}
        return Output({"M": self.out(hidden + last).squeeze(-1)}, representations)

    def _room_for_kernel(self, text: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Lengthen texts that are shorter than the kernel, and count the steps it leaves."""
        short = self.kernel - text.shape[1]
        if short > 0:
            text = nn.functional.pad(text, (0, 0, 0, short))
        return text, (lengths - self.kernel + 1).clamp_min(1)
