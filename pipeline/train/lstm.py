"""A long short-term memory over sequences of different lengths, without their padding.

On a CPU torch's own spends more on bookkeeping than on arithmetic at the sizes of this corpus:
an autograd node for each operation of each step. There all of a step but its matrix product is
one compiled function, and the derivatives are written out; elsewhere torch finds them.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pipeline.runner.numba_cache import claim_numba_cache


class States(NamedTuple):
    """What an LSTM passes through.

    Parameters
    ----------
    h, c : Tensor ``[R, h]``
        State and cell after each step.
    ends : Tensor ``[B, h]``
        Each sequence's last state; sequences in the order of the first step.
    """

    h: Tensor
    c: Tensor
    ends: Tensor


def run_lstm(
    gates: Tensor,
    recurrence: Tensor,
    sizes: list[int],
    padding: Tensor | None = None,
    steps: int = 0,
) -> States:
    """Run an LSTM (Hochreiter and Schmidhuber 1997) from h = c = 0.

    Parameters
    ----------
    gates : Tensor ``[R, 4 h]``
        The inputs' share of input, forget, cell and output gate, biases included; step
        after step, as in `pipeline.train.data.Packed`.
    recurrence : Tensor ``[4 h, h]``
        The weights of the state before.
    sizes : list of int
        Sequences that have each step; they never grow, and sum to R.
    padding : Tensor ``[4 h]``, optional
        What a row of padding adds to the gates. With it every sequence goes on to the end.
    steps : int
        With `padding`, where the end is; the states then have ``steps * sizes[0]`` rows.
    """
    if padding is not None and steps < len(sizes):
        raise ValueError(f"sequences of {len(sizes)} steps cannot be padded to {steps}")
    if gates.device.type == "cpu" and gates.dtype == torch.float32:
        return States(*_Lstm.apply(gates, recurrence, padding, sizes, steps))
    return run_by_torch(gates, recurrence, sizes, padding, steps)


def run_by_torch(
    gates: Tensor,
    recurrence: Tensor,
    sizes: list[int],
    padding: Tensor | None = None,
    steps: int = 0,
) -> States:
    """Do the same by torch's operations, on any device and in any precision."""
    if padding is not None:
        inside = torch.arange(sizes[0]) < torch.tensor(sizes)[:, None]
        tokens = inside.flatten().nonzero()[:, 0].to(gates.device)
        gates = padding.expand(steps * sizes[0], -1).index_copy(0, tokens, gates)
        sizes = sizes[:1] * steps
    h = c = gates.new_zeros(sizes[0], recurrence.shape[1])
    all_h, all_c, ends = [], [], []
    for step in torch.split(gates, sizes):
        ends.append(h[len(step) :])
        h, c = h[: len(step)], c[: len(step)]
        i, f, g, o = torch.addmm(step, h, recurrence.T).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        all_h.append(h)
        all_c.append(c)
    return States(torch.cat(all_h), torch.cat(all_c), torch.cat([h, *reversed(ends)]))


@cache
def load_kernel() -> ModuleType:
    """Import the compiled step, before processes are forked that are to share it."""
    claim_numba_cache()
    from pipeline.train import lstm_kernel

    return lstm_kernel


def over_sequences(lstm: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """Return the last layer's states ``[B, L, h]`` of ``[B, L, d]``; zeros beyond the lengths."""
    lengths, order = lengths.sort(descending=True, stable=True)
    inside = torch.arange(x.shape[1])[:, None] < lengths  # [L, B]: step after step
    step, place = inside.nonzero(as_tuple=True)
    clip = order[place]
    sizes = inside.sum(1)
    rows = x[clip, step]
    for number, (into, recurrence, *biases) in enumerate(lstm.all_weights):
        if number:
            rows = nn.functional.dropout(rows, lstm.dropout, lstm.training)
        gates = nn.functional.linear(rows, into, biases[0] + biases[1])
        rows = run_lstm(gates, recurrence, sizes[sizes > 0].tolist()).h
    states = x.new_zeros(*x.shape[:2], lstm.hidden_size)
    return states.index_put((clip.to(x.device), step.to(x.device)), rows)


class _Lstm(torch.autograd.Function):
    """Forward and backward pass: torch's matrix products, the rest of each step compiled."""

    @staticmethod
    def forward(
        ctx: Any,
        packed: Tensor,
        recurrence: Tensor,
        padding: Tensor | None,
        packed_sizes: list[int],
        steps: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        kernel = load_kernel()
        if padding is None:
            sizes, gates = packed_sizes, packed.clone(memory_format=torch.contiguous_format)
        else:
            sizes = packed_sizes[:1] * steps
            gates = packed.new_empty(sum(sizes), packed.shape[1])
            inputs = [x.contiguous().numpy() for x in (packed, padding)]
            kernel.spread(*inputs, np.array(packed_sizes), gates.numpy())
        h = gates.new_empty(len(gates), recurrence.shape[1])
        c, tanh_c = torch.empty_like(h), torch.empty_like(h)
        arrays = [x.numpy() for x in (gates, h, c, tanh_c)]
        start, before = 0, -1
        states = torch.split(h, sizes)
        for number, (step, size) in enumerate(zip(torch.split(gates, sizes), sizes, strict=True)):
            if number:
                step.addmm_(states[number - 1][:size], recurrence.T)
            kernel.step_forward(*arrays, start, size, before)
            start, before = start + size, start
        ctx.sizes, ctx.packed_sizes, ctx.padded = sizes, packed_sizes, padding is not None
        ctx.save_for_backward(gates, recurrence, h, c, tanh_c)
        ctx.spent = False
        return h, c, h.index_select(0, _ends_of(sizes))

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, from_h: Tensor | None, from_c: Tensor | None, from_ends: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None, None, None]:
        if ctx.spent:
            raise RuntimeError("backward() goes through this LSTM only once: it reuses its memory")
        ctx.spent = True
        gates, recurrence, h, c, tanh_c = ctx.saved_tensors
        kernel, sizes, first = load_kernel(), ctx.sizes, ctx.sizes[0]
        # a sequence's rows are not touched before its own last step
        along_h, along_c = h.new_zeros(first, h.shape[1]), h.new_zeros(first, h.shape[1])
        if from_ends is not None:
            along_h += from_ends
        arrays = [x.numpy() for x in (gates, c, tanh_c, along_h, along_c)]
        by_step = torch.split(gates, sizes)
        start = len(gates)
        for number in reversed(range(len(sizes))):
            size, end, start = sizes[number], start, start - sizes[number]
            if from_h is not None:
                along_h[:size] += from_h[start:end]
            if from_c is not None:
                along_c[:size] += from_c[start:end]
            before = start - sizes[number - 1] if number else -1
            kernel.step_backward(*arrays, start, size, before)
            if number:
                torch.mm(by_step[number], recurrence, out=along_h[:size])
        to_recurrence = gates[first:].T @ h[_rows_before(sizes)]
        if not ctx.padded:
            return gates, to_recurrence, None, None, None
        to_packed = gates.new_empty(sum(ctx.packed_sizes), gates.shape[1])
        to_padding = np.zeros(gates.shape[1])
        kernel.gather(gates.numpy(), np.array(ctx.packed_sizes), to_packed.numpy(), to_padding)
        return to_packed, to_recurrence, torch.from_numpy(to_padding).to(gates), None, None


def _ends_of(sizes: list[int]) -> Tensor:
    """Return where each sequence's last step lies among packed rows, ``[sizes[0]]``."""
    following = [*sizes[1:], 0]
    ends, start = [0] * sizes[0], 0
    for size, after in zip(sizes, following, strict=True):
        ends[after:size] = range(start + after, start + size)
        start += size
    return torch.tensor(ends)


def _rows_before(sizes: list[int]) -> slice | Tensor:
    """Return the row of the step before, for all rows but the first step's."""
    if sizes[-1] == sizes[0]:
        return slice(-sizes[0])
    steps = torch.tensor(sizes)
    return torch.arange(sum(sizes[1:])) + (sizes[0] - steps[:-1]).repeat_interleave(steps[1:])
