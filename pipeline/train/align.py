"""Alignment of a stream to the steps of another by connectionist temporal classification."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.train.subnets import over_sequences, true_steps


class CtcAlignment(nn.Module):
    """Bring a stream to one row per anchor step (Graves et al. 2006; section 5.1 of the paper).

    The anchor is the text if the dataset has text. A bidirectional LSTM gives each row t a
    distribution p(i | t) over anchor steps i = 1..n and a blank. Anchor step i becomes the mean
    of the stream's rows weighted by p(i | .). The CTC loss of the sequence 1, 2, ..., n teaches
    p to be monotonic and to visit every step.

    The LSTM also reads where in the clip a row lies, from -1 to 1. Features are divided by
    the square root of their number, so that 709 columns do not drown that one.

    Parameters
    ----------
    size : int
        Width of the stream.
    steps : int
        The anchor's padded length.
    hidden : int
        Units of the LSTM in each direction.
    """

    def __init__(self, size: int, steps: int, hidden: int = 32) -> None:
        super().__init__()
        self.scale = size**-0.5
        self.rnn = nn.LSTM(size + 1, hidden, batch_first=True, bidirectional=True)
        self.position = nn.Linear(2 * hidden, steps + 1)  # position 0 is the blank

    def forward(
        self, x: Tensor, lengths: Tensor, anchor_lengths: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Align ``[B, L, d]`` to the anchor.

        Parameters
        ----------
        x : Tensor ``[B, L, d]``
            The stream, zeros at the back.
        lengths, anchor_lengths : Tensor ``[B]``
            True lengths of the stream and of the anchor.
        steps : int
            The anchor's padded length n in this batch.

        Returns
        -------
        aligned : Tensor ``[B, n, d]``
            One row per step of the anchor; zeros beyond its end.
        loss : Tensor
            CTC loss as torch takes its mean: each clip's by its anchor's length, then over clips.
            Clips whose stream is shorter than their anchor cannot be aligned and add nothing.
        """
        share, loss = self.shares(x, lengths, anchor_lengths, steps)
        return share.transpose(1, 2) @ x, loss

    def shares(
        self, x: Tensor, lengths: Tensor, anchor_lengths: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Return each row's share in each step ``[B, L, n]``, which sum to 1 over rows; the loss.

        Parameters are those of `forward`.
        """
        logits = self.position(self._states(x, lengths))[:, :, : steps + 1]
        beyond = ~true_steps(anchor_lengths + 1, steps + 1, x.device)  # [B, n + 1]
        logs = logits.masked_fill(beyond[:, None], -1e4).log_softmax(-1)
        share = logs[:, :, 1:].exp() * true_steps(lengths, x.shape[1], x.device)[:, :, None]
        targets = torch.arange(1, steps + 1).repeat(len(x), 1)
        loss = nn.functional.ctc_loss(
            logs.transpose(0, 1), targets, lengths, anchor_lengths, zero_infinity=True
        )
        return share / share.sum(1, keepdim=True).clamp_min(1e-6), loss

    def _states(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return the LSTM's states ``[B, L, 2 h]``; zeros beyond the lengths."""
        middle = torch.arange(x.shape[1], device=x.device) + 0.5
        places = 2 * middle / lengths.to(x.device)[:, None] - 1
        inputs = torch.cat([self.scale * x, places[:, :, None]], dim=-1)
        return over_sequences(self.rnn, inputs, lengths)
