"""MFN: an LSTM per modality in lockstep, and a memory that attends to their cells."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from pipeline.train.data import Batch, Form, Inputs
from pipeline.train.hyper import Hyper, MfnHyper
from pipeline.train.models.aligned import AlignedModel
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import Output, at_end


class Mfn(AlignedModel):
    """Memory fusion network (Zadeh et al. 2018).

    With c_t the cells of all modalities side by side: a_t = softmax(D_a([c_t-1; c_t])),
    ĉ_t = a_t o [c_t-1; c_t], û_t = D_u(ĉ_t), gates γ1, γ2 = D_γ([ĉ_t; u_t-1]),
    u_t = γ1 o u_t-1 + γ2 o tanh(û_t). Only u depends on u, so all else is computed for
    every step at once.
    """

    @classmethod
    def form(cls, recipe: Recipe) -> Form:
        """Sequences to align, aligned ones, or the means that the published code repeats."""
        if not recipe.mfn_dynamics:
            return "repeated"
        return "sequence" if recipe.alignment == "ctc" else "aligned"

    def __init__(
        self, hyper: Hyper, inputs: Inputs, tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__(hyper, inputs, tasks, recipe)
        assert isinstance(hyper, MfnHyper)
        widths = {
            "text": hyper.text_hidden,
            "audio": hyper.audio_hidden,
            "vision": hyper.vision_hidden,
        }
        for modality, dim in inputs.dims.items():
            self.add_module(f"{modality}_cell", nn.LSTMCell(dim, widths[modality]))
        width = sum(widths[modality] for modality in inputs.dims)
        attended, hidden = 2 * width, hyper.attention_hidden
        self.attention = _net(attended, hidden, attended, hyper.attention_dropout)
        self.proposal = _net(attended, hidden, hyper.memory, hyper.proposal_dropout)
        gate, memory = attended + hyper.memory, hyper.memory
        self.retain = _net(gate, hyper.gate_hidden, memory, hyper.retain_dropout)
        self.update = _net(gate, hyper.gate_hidden, memory, hyper.update_dropout)
        self.out = _net(width + memory, hyper.gate_hidden, 1, hyper.out_dropout)
        if type(self).form(recipe) == "sequence":
            self.add_aligners(inputs, hyper.ctc_weight)

    def forward(self, batch: Batch) -> Output:
        """Predict a batch's sentiments."""
        streams, extra = self.in_lockstep(batch)
        h, c = self._run_cells(streams)  # [B, L, width] each
        before = torch.cat([torch.zeros_like(c[:, :1]), c[:, :-1]], dim=1)
        both = torch.cat([before, c], dim=-1)
        attended = torch.softmax(self.attention(both), dim=-1) * both
        memory = self._run_memory(attended, torch.tanh(self.proposal(attended)))
        states = torch.cat([h, memory], dim=-1)
        whole = self.recipe.text_end == "last_step"
        end = states[:, -1] if whole else at_end(states, batch.lengths[self.anchor])
        return Output({"M": self.out(end).squeeze(-1)}, {}, extra)

    def _run_cells(self, streams: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Step the LSTMs in lockstep; a mean ``[B, d]`` is the same at each step.

        `torch.nn.LSTM` gives no cell but the last, and the memory attends to all of them.
        """
        steps = streams[self.anchor].shape[1]
        by_modality = []
        for modality, x in streams.items():
            cell = cast(nn.LSTMCell, self.get_submodule(f"{modality}_cell"))
            inputs = x.unbind(1) if x.ndim == 3 else [x] * steps
            state, states = None, []
            for row in inputs:
                state = cell(row, state)
                states.append(torch.stack(state))
            by_modality.append(torch.stack(states, dim=2))  # [2, B, L, width]
        h, c = torch.cat(by_modality, dim=-1)
        return h, c

    def _run_memory(self, attended: Tensor, proposed: Tensor) -> Tensor:
        """Gate the memory step by step; the gates' share of `attended` is known beforehand."""
        known, nets = attended.shape[-1], (self.retain, self.update)
        entries = [next(net.children()) for net in nets]
        first = torch.cat([cast(nn.Linear, entry).weight for entry in entries])
        bias = torch.cat([cast(nn.Linear, entry).bias for entry in entries])
        inputs = nn.functional.linear(attended, first[:, :known], bias).unbind(1)
        recurrence = first[:, known:].T
        memory = torch.zeros_like(proposed[:, 0])
        states = []
        for x, new in zip(inputs, proposed.unbind(1), strict=True):
            hidden = torch.addmm(x, memory, recurrence).chunk(2, dim=-1)
            gates = [torch.sigmoid(net[1:](y)) for net, y in zip(nets, hidden, strict=True)]
            memory = gates[0] * memory + gates[1] * new
            states.append(memory)
        return torch.stack(states, dim=1)


def _net(size: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(size, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out)
    )
