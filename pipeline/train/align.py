"""Alignment of a stream to the steps of another by connectionist temporal classification."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.train.lstm import over_sequences
from pipeline.train.subnets import true_steps


class CtcAlignment(nn.Module):
    """Bring a stream to one row a text step (Graves et al. 2006; section 5.1 of the paper).

    An LSTM gives each row t a distribution p(i | t) over text steps i = 1..n and a blank.
    Text step i becomes the mean of the stream's rows weighted by p(i | .). The CTC loss of
    the sequence 1, 2, ..., n teaches p to be monotonic and to visit every step.

    Parameters
    ----------
    size : int
        Width of the stream.
    steps : int
        The text's padded length.
    hidden : int
        Units of the LSTM.
    """

    def __init__(self, size: int, steps: int, hidden: int = 32) -> None:
        super().__init__()
        self.rnn = nn.LSTM(size, hidden, batch_first=True)
        self.position = nn.Linear(hidden, steps + 1)  # position 0 is the blank

    def forward(
        self, x: Tensor, lengths: Tensor, text_lengths: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Align ``[B, L, d]`` to the text.

        Parameters
        ----------
        x : Tensor ``[B, L, d]``
            The stream, zeros at the back.
        lengths, text_lengths : Tensor ``[B]``
            True lengths of the stream and of the text.
        steps : int
            The batch's padded text length n.

        Returns
        -------
        aligned : Tensor ``[B, n, d]``
            One row a text step; zeros beyond a text's end.
        loss : Tensor
            CTC loss as torch takes its mean: each clip's by its text length, then over clips. Clips
            whose stream is shorter than their text cannot be aligned and add nothing.
        """
        logits = self.position(over_sequences(self.rnn, x, lengths))[:, :, : steps + 1]
        beyond = ~true_steps(text_lengths + 1, steps + 1, x.device)  # [B, n + 1]
        logs = logits.masked_fill(beyond[:, None], -1e4).log_softmax(-1)
        share = logs[:, :, 1:].exp() * true_steps(lengths, x.shape[1], x.device)[:, :, None]
        share = share / share.sum(1, keepdim=True).clamp_min(1e-6)  # over the stream's rows
        targets = torch.arange(1, steps + 1).repeat(len(x), 1)
        loss = nn.functional.ctc_loss(
            logs.transpose(0, 1), targets, lengths, text_lengths, zero_infinity=True
        )
        return share.transpose(1, 2) @ x, loss
