"""The transformer of MulT: stacks of attention from a stream to itself or from another to it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pipeline.train.hyper import MultHyper
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import keep_mask


class Encoder(nn.Module):
    """A stack of attention layers, from a stream to itself or from another to it.

    Parameters
    ----------
    width, layers : int
        Channels and depth.
    attention_dropout : float
        On the attention weights.
    hyper : MultHyper
        Heads and the other dropouts.
    recipe : Recipe
        Masks and positions.
    """

    def __init__(
        self, width: int, layers: int, attention_dropout: float, hyper: MultHyper, recipe: Recipe
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(width)
        self.future = recipe.mult_mask == "future"
        self.positions = recipe.mult_positions
        self.drop = nn.Dropout(hyper.embed_dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(width, hyper.heads, attention_dropout, hyper.residual_dropout)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, other: Tensor | None, inside: Tensor | None) -> Tensor:
        """Map ``[B, L, d]``, attending to `other` ``[B, K, d]`` or to itself.

        Parameters
        ----------
        x, other : Tensor
            Queries; keys and values.
        inside : Tensor ``[B, K]``, optional
            True steps of what is attended to.
        """
        mask = self._mask(x, x if other is None else other, inside)
        x = self._embedded(x)
        # keys and values are dropped from each on its own
        pair = None if other is None else (self._embedded(other), self._embedded(other))
        for layer in self.layers:
            x = layer(x, pair, mask)
        output: Tensor = self.norm(x)
        return output

    def _embedded(self, x: Tensor) -> Tensor:
        x = self.scale * x
        if self.positions:
            x = x + sinusoids(x.shape[1], x.shape[2], x.device)
        embedded: Tensor = self.drop(x)
        return embedded

    def _mask(self, x: Tensor, keys: Tensor, inside: Tensor | None) -> Tensor | None:
        """Return what may be attended to, ``[L, K]`` or ``[B, 1, 1, K]``."""
        if self.future:
            shape = (x.shape[1], keys.shape[1])
            return torch.ones(shape, dtype=torch.bool, device=x.device).tril(
                abs(shape[0] - shape[1])
            )
        return None if inside is None else inside[:, None, None, :]


class EncoderLayer(nn.Module):
    """Pre-norm attention and feed-forward, each with a residual.

    Parameters
    ----------
    width, heads : int
        Channels and attention heads.
    attention_dropout, residual_dropout : float
        On attention weights; before each residual sum.
    """

    def __init__(
        self, width: int, heads: int, attention_dropout: float, residual_dropout: float
    ) -> None:
        super().__init__()
        self.heads, self.attention_dropout = heads, attention_dropout
        self.into = nn.Linear(width, 3 * width)  # query, key and value
        self.back = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.norm_1 = nn.LayerNorm(width)
        self.norm_2 = nn.LayerNorm(width)
        self.drop = nn.Dropout(residual_dropout)
        for layer in (self.into, self.back, self.widen, self.narrow):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, x: Tensor, other: tuple[Tensor, Tensor] | None, mask: Tensor | None
    ) -> Tensor:
        """Map ``[B, L, d]``, attending to itself or to `other`'s keys and values ``[B, K, d]``.

        Keys and values are normed by the same layer norm as queries.
        """
        queries = self.norm_1(x)
        keys, values = (queries, queries) if other is None else map(self.norm_1, other)
        x = x + self.drop(self._attend(queries, keys, values, mask))
        output: Tensor = x + self.drop(self.narrow(torch.relu(self.widen(self.norm_2(x)))))
        return output

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        width = queries.shape[-1]
        weight, bias = self.into.weight, self.into.bias
        parts = zip(
            (queries, keys, values),
            torch.split(weight, width),
            torch.split(bias, width),
            strict=True,
        )
        through = [nn.functional.linear(y, w, b) for y, w, b in parts]
        q, k, v = (y.reshape(*y.shape[:2], self.heads, -1).transpose(1, 2) for y in through)
        mixed = attend(q, k, v, mask, self.attention_dropout if self.training else 0.0)
        output: Tensor = self.back(mixed.transpose(1, 2).flatten(2))
        return output


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """Return softmax(q k' / sqrt d) v ``[B, heads, L, d]``, with dropout on the attention weights.

    Torch's own, but for dropout on a CPU, where drawing its mask takes a third of training.
    """
    if not dropout or q.device.type != "cpu":
        return nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout
        )
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores + torch.where(mask, 0.0, -torch.inf)
    weights = torch.softmax(scores, dim=-1)
    kept = weights * keep_mask(weights, 1 - dropout)
    mixed: Tensor = kept @ v
    return mixed / (1 - dropout)


def sinusoids(steps: int, width: int, device: torch.device) -> Tensor:
    """Return sine and cosine positions ``[steps, width]`` (Vaswani et al. 2017)."""
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(1e4) / width))
    angle = torch.arange(steps, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]
