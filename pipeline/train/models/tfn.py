"""TFN and its kin MTFN: fusion by the outer product of the three representations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SubnetModel, subnet_hyper
from pipeline.train.subnets import Head, keep_mask


class Tfn(SubnetModel):
    """TFN: z = [1; F_a] (x) [1; F_v] (x) [1; F_t], then a three-layer head (Zadeh et al. 2017).

    z has 10^6 cells a clip. Where nothing is dropped from it cell by cell it is never
    made: the head's first layer W z is W contracted with one factor after the other.
    """

    title = "TFN"

    def make_fusion(self, hyper: Hyper) -> None:
        """Build the head on the product."""
        hyper = subnet_hyper(hyper)
        self.sizes = tuple(self.widths[task] + 1 for task in "AVT")
        cells = self.sizes[0] * self.sizes[1] * self.sizes[2]
        self.fusion = Head(cells, hyper.fusion_head, hyper.head_dropout)

    def fuse(self, t: Tensor, a: Tensor, v: Tensor) -> Tensor:
        """Multiply out and predict."""
        layer, drop = self.fusion.layer_1, self.fusion.drop
        if self.recipe.tensor_dropout == "factors":
            a, v, t = drop(a), drop(v), drop(t)
        a, v, t = (nn.functional.pad(x, (1, 0), value=1.0) for x in (a, v, t))
        av = (a[:, :, None] * v[:, None, :]).flatten(1)  # [B, A V]
        if self.training and self.recipe.tensor_dropout == "product" and drop.p:
            first = _thinned(layer, av, t, drop.p)
        else:
            first = _contracted(layer, av, t)
        output = self.fusion.after_first(first)
        return output if self.recipe.tensor_output == "linear" else 6 * torch.sigmoid(output) - 3


def _contracted(layer: nn.Linear, av: Tensor, t: Tensor) -> Tensor:
    """Return W (av (x) t) + b ``[B, h]`` without the product."""
    hidden = layer.out_features
    over_t = layer.weight.view(-1, t.shape[1]) @ t.T  # [h A V, B]
    return torch.einsum("hcb,bc->bh", over_t.view(hidden, av.shape[1], len(av)), av) + layer.bias


def _thinned(layer: nn.Linear, av: Tensor, t: Tensor, p: float) -> Tensor:
    """Return W dropout(av (x) t) + b ``[B, h]``."""
    z = (av[:, :, None] * t[:, None, :]).flatten(1)  # [B, A V T]
    z = z * keep_mask(z, 1 - p)
    return nn.functional.linear(z, layer.weight) / (1 - p) + layer.bias
