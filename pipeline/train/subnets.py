"""The parts that models share: unimodal subnets, heads, and the reading of a sequence's end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from pipeline.train.data import Packed


class Output(NamedTuple):
    """What a model gives for a batch.

    Parameters
    ----------
    predictions : dict of str to Tensor ``[B]``
        One sentiment a task.
    representations : dict of str to Tensor ``[B, d]``
        The unimodal representations T, A, V (Fig. 4) where the model has them.
    extra : Tensor, optional
        A loss of the model's own (the CTC term of the alignment).
    """

    predictions: dict[str, Tensor]
    representations: dict[str, Tensor]
    extra: Tensor | None = None


class MeanSubnet(nn.Module):
    """Audio or vision: a network of three hidden layers on the time average (section 4).

    The batch normalisation of its inputs is the published code's; the paper does not have it.

    Parameters
    ----------
    size, hidden : int
        Input and layer width.
    dropout : float
        Before the first layer.
    """

    def __init__(self, size: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(size)
        self.drop = nn.Dropout(dropout)
        self.layer_1 = nn.Linear(size, hidden)
        self.layer_2 = nn.Linear(hidden, hidden)
        self.layer_3 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, d]`` to ``[B, hidden]``."""
        x = self.drop(self.norm(x))
        x = torch.relu(self.layer_1(x))
        x = torch.relu(self.layer_2(x))
        return torch.relu(self.layer_3(x))


class TextSubnet(nn.Module):
    """Text: an LSTM over the tokens, read at the last one (section 4), then a linear map.

    The linear map is the published code's; the paper does not have it.

    Parameters
    ----------
    size, hidden, out : int
        Input width, LSTM units, width of the representation.
    dropout : float
        Between LSTM and linear map.
    steps : int
        The text's padded length.
    to_last_token : bool
        Stop at each clip's last token; otherwise run on to the end of the padding.
    """

    def __init__(
        self, size: int, hidden: int, out: int, dropout: float, *, steps: int, to_last_token: bool
    ) -> None:
        super().__init__()
        self.rnn = nn.LSTM(size, hidden, batch_first=True)
        self.drop = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, out)
        self.steps = steps
        self.to_last_token = to_last_token

    def forward(self, text: Packed) -> Tensor:
        """Map a batch of texts to ``[B, out]``."""
        output: Tensor = self.linear(self.drop(self._last_state(text)))
        return output

    def _last_state(self, text: Packed) -> Tensor:
        """Run the LSTM over the tokens alone, or over the padding too."""
        sizes = torch.tensor(text.sizes)
        if self.to_last_token:
            inputs: Tensor | PackedSequence = PackedSequence(text.rows, sizes)
        else:
            clips = len(text.order)
            inside = torch.arange(clips) < sizes[:, None]  # [L, B]: step after step
            padded = text.rows.new_zeros(self.steps, clips, text.rows.shape[1])
            padded[: len(sizes)][inside.to(padded.device)] = text.rows
            inputs = padded.transpose(0, 1)
        _, (ends, _) = self.rnn(inputs)
        last: Tensor = ends[0][text.order.argsort()]
        return last


class Head(nn.Module):
    """One task's output: dropout and three layers (section 4).

    Parameters
    ----------
    size, hidden : int
        Input and layer width.
    dropout : float
        Before the first layer.
    slope : float
        Of the units below zero. With 0 (ReLU) a narrow head can be zero for every clip, and
        then no gradient ever brings it back.
    """

    def __init__(self, size: int, hidden: int, dropout: float, slope: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.layer_1 = nn.Linear(size, hidden)
        self.layer_2 = nn.Linear(hidden, hidden)
        self.layer_3 = nn.Linear(hidden, 1)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, d]`` to a sentiment ``[B]``."""
        return self.after_first(self.layer_1(self.drop(x)))

    def after_first(self, x: Tensor) -> Tensor:
        """Go on from the first layer's sums ``[B, hidden]``."""
        x = self._unit(self.layer_2(self._unit(x)))
        output: Tensor = self.layer_3(x)
        return output.squeeze(-1)

    def _unit(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(x, self.slope) if self.slope else torch.relu(x)


def keep_mask(like: Tensor, keep: float) -> Tensor:
    """Return a mask of `like`'s shape whose cells are true with probability `keep`.

    On a CPU the probability is a multiple of 1/65536 and four cells are drawn at once:
    torch's own mask took 44 % of a step of the tensor fusion.
    """
    if like.device.type != "cpu":
        return torch.rand_like(like) < keep
    seed = int(torch.randint(2**62, ()))  # from torch's state, so that seeding it decides
    words = np.random.Generator(np.random.SFC64(seed)).integers(
        0, 2**64, -(-like.numel() // 4), dtype=np.uint64
    )
    cells = words.view(np.uint16)[: like.numel()] < round(keep * 65536)
    return torch.from_numpy(cells).view(like.shape)


def true_steps(lengths: Tensor, steps: int, device: torch.device) -> Tensor:
    """Return a mask ``[B, steps]`` that is true inside each sequence."""
    return torch.arange(steps, device=device) < lengths.to(device)[:, None]


def at_end(x: Tensor, lengths: Tensor) -> Tensor:
    """Pick ``[B, d]`` at the last true step of ``[B, L, d]``."""
    rows = torch.arange(len(x), device=x.device)
    return x[rows, lengths.to(x.device) - 1]


def over_sequences(lstm: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """Return the last layer's states ``[B, L, h]`` of ``[B, L, d]``; zeros beyond the lengths."""
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=x.shape[1])
    return states
