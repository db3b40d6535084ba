"""A long short-term memory over sequences of different lengths, without their padding.

torch's own spends more on bookkeeping than on arithmetic at the sizes of this corpus: an
autograd node for each operation of each step. Here the derivatives are written out, most
of them for all steps at once, and what must go step by step works in place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def run_lstm(gates: Tensor, recurrence: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
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

    Returns
    -------
    h, c : Tensor ``[R, h]``
        State and cell after each step.
    """
    h, c = _Lstm.apply(gates, recurrence, sizes)
    return h, c


def ends_of(sizes: list[int]) -> Tensor:
    """Return where each sequence's last step lies among packed rows, ``[sizes[0]]``."""
    following = [*sizes[1:], 0]
    ends, start = [0] * sizes[0], 0
    for size, after in zip(sizes, following, strict=True):
        ends[after:size] = range(start + after, start + size)
        start += size
    return torch.tensor(ends)


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
        rows, _ = run_lstm(gates, recurrence, sizes[sizes > 0].tolist())
    states = x.new_zeros(*x.shape[:2], lstm.hidden_size)
    return states.index_put((clip.to(x.device), step.to(x.device)), rows)


class _Lstm(torch.autograd.Function):
    """Forward and backward pass; the latter by the chain rule through

    c' = f c + i g,  h' = o tanh(c'),  with i, f, o sigmoids and g a hyperbolic tangent.
    """

    @staticmethod
    def forward(
        ctx: Any, gates: Tensor, recurrence: Tensor, sizes: list[int]
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        width = recurrence.shape[1]
        # tanh(x) = 2 sigmoid(2 x) - 1: torch's sigmoid is three times as fast as its tanh,
        # and all four gates go through it together
        doubled = gates.new_ones(4, width)
        doubled[2] = 2
        gates = gates * doubled.flatten()
        weights = (recurrence * doubled.view(-1, 1)).T
        h = gates.new_empty(len(gates), width)
        c, tanh_c = torch.empty_like(h), torch.empty_like(h)
        # numbers as tensors, made once: torch makes one of a Python number at each call
        two, minus_one = gates.new_tensor(2.0), gates.new_tensor(-1.0)
        before_h = before_c = None
        columns = (gates, *torch.split(gates, width, dim=1), h, c, tanh_c)
        for step, i, f, g, o, step_h, step_c, step_tanh in zip(
            *(torch.split(x, sizes) for x in columns), strict=True
        ):
            if before_h is not None:
                step.addmm_(before_h[: len(step)], weights)
            step.sigmoid_()
            torch.add(minus_one, g, alpha=2, out=g)
            torch.mul(i, g, out=step_c)
            if before_c is not None:
                step_c.addcmul_(f, before_c[: len(step)])
            torch.mul(step_c, two, out=step_tanh)
            torch.add(minus_one, step_tanh.sigmoid_(), alpha=2, out=step_tanh)
            torch.mul(o, step_tanh, out=step_h)
            before_h, before_c = step_h, step_c
        ctx.sizes = sizes
        ctx.save_for_backward(gates, recurrence, h, c, tanh_c)
        return h, c

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, from_h: Tensor | None, from_c: Tensor | None
    ) -> tuple[Tensor, Tensor, None]:
        gates, recurrence, h, c, tanh_c = ctx.saved_tensors
        sizes, width = ctx.sizes, recurrence.shape[1]
        first = sizes[0]
        before = _rows_before(sizes, h.device)
        i, f, g, o = gates.split(width, dim=1)
        # what each gate's sum adds to the loss, but for the factors that come step by step
        slopes = torch.empty_like(gates).view(-1, 4, width)
        torch.mul(i * g, 1 - i, out=slopes[:, 0])
        slopes[:first, 1] = 0
        torch.mul(c[before], (f * (1 - f))[first:], out=slopes[first:, 1])
        torch.mul(i, 1 - g * g, out=slopes[:, 2])
        torch.mul(tanh_c * o, 1 - o, out=slopes[:, 3])
        to_cell = o * (1 - tanh_c * tanh_c)
        carried_h, carried_c = h.new_zeros(first, width), h.new_zeros(first, width)
        nothing = (None,) * len(sizes)
        steps = zip(
            torch.split(slopes.flatten(1), sizes),
            torch.split(slopes[:, :3], sizes),
            torch.split(slopes[:, 3], sizes),
            torch.split(to_cell, sizes),
            torch.split(f, sizes),
            nothing if from_h is None else torch.split(from_h, sizes),
            nothing if from_c is None else torch.split(from_c, sizes),
            strict=True,
        )
        for slope, to_ifg, to_o, step_to_cell, forget, step_h, step_c in reversed(list(steps)):
            along_h, along_c = carried_h[: len(slope)], carried_c[: len(slope)]
            if step_h is not None:
                along_h += step_h
            if step_c is not None:
                along_c += step_c
            along_c.addcmul_(along_h, step_to_cell)
            to_ifg *= along_c[:, None]
            to_o *= along_h
            along_c *= forget
            torch.mm(slope, recurrence, out=along_h)
        by_gate = slopes.flatten(1)
        return by_gate, by_gate[first:].T @ h[before], None


def _rows_before(sizes: list[int], device: torch.device) -> slice | Tensor:
    """Return the row of the step before, for all rows but the first step's."""
    if sizes[-1] == sizes[0]:
        return slice(-sizes[0])
    steps = torch.tensor(sizes)
    rows = torch.arange(sum(sizes[1:])) + (sizes[0] - steps[:-1]).repeat_interleave(steps[1:])
    return rows.to(device)
