"""TFN and its kin MTFN: fusion by the outer product of the three representations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SubnetModel, subnet_hyper
from pipeline.train.subnets import keep_mask

_CELLS = 2**18  # of the product in one piece: 1 MB


class Tfn(SubnetModel):
    """TFN: z = [1; F_a] (x) [1; F_v] (x) [1; F_t], then a three-layer head (Zadeh et al. 2017).

    z has 10^6 cells a clip. Where nothing is dropped from it cell by cell it is never
    made: the head's first layer W z is W contracted with one factor after the other.
    """

    def make_fusion(self, hyper: Hyper) -> None:
        """Build the head on the product."""
        hyper = subnet_hyper(hyper)
        cells = math.prod(width + 1 for width in self.widths.values())
        self.fusion = self.head(cells, hyper.fusion_head, hyper)

    def fuse(self, representations: dict[str, Tensor]) -> Tensor:
        """Multiply out and predict."""
        layer, drop = self.fusion.layer_1, self.fusion.drop
        factors = [representations[task] for task in "AVT" if task in representations]
        if self.recipe.tensor_dropout == "factors":
            factors = [drop(factor) for factor in factors]
        *others, last = (nn.functional.pad(factor, (1, 0), value=1.0) for factor in factors)
        first = others[0]
        if len(others) == 2:
            first = (first[:, :, None] * others[1][:, None, :]).flatten(1)  # [B, A V]
        if self.training and self.recipe.tensor_dropout == "product" and drop.p:
            sums = _thinned(layer, first, last, drop.p)
        else:
            sums = _contracted(layer, first, last)
        output = self.fusion.after_first(sums)
        return output if self.recipe.tensor_output == "linear" else 6 * torch.sigmoid(output) - 3


def _contracted(layer: nn.Linear, av: Tensor, t: Tensor) -> Tensor:
    """Return W (av (x) t) + b ``[B, h]`` without the product."""
    hidden = layer.out_features
    over_t = layer.weight.view(-1, t.shape[1]) @ t.T  # [h A V, B]
    return torch.einsum("hcb,bc->bh", over_t.view(hidden, av.shape[1], len(av)), av) + layer.bias


def _thinned(layer: nn.Linear, av: Tensor, t: Tensor, p: float) -> Tensor:
    """Return W dropout(av (x) t) + b ``[B, h]``."""
    summed: Tensor = _ThinnedProduct.apply(av, t, layer.weight, 1 - p)
    return summed / (1 - p) + layer.bias


class _ThinnedProduct(torch.autograd.Function):
    """W (mask o (av (x) t)), piece by piece.

    A piece of the product stays in the processor's cache while it is masked and multiplied;
    the whole, 10^6 cells a clip, would go through memory at each of these steps. The
    masks are kept for the backward pass, the pieces are made again.
    """

    @staticmethod
    def forward(ctx: Any, av: Tensor, t: Tensor, weight: Tensor, keep: float) -> Tensor:
        summed = av.new_zeros(len(av), len(weight))
        masks = []
        for part, columns in _pieces(av, t):
            z = (av[:, part, None] * t[:, None]).flatten(1)
            masks.append(keep_mask(z, keep))
            summed.addmm_(z.mul_(masks[-1]), weight[:, columns].T)
        ctx.masks = masks
        ctx.save_for_backward(av, t, weight)
        return summed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        av, t, weight = ctx.saved_tensors
        to_av, to_t, to_weight = torch.empty_like(av), torch.zeros_like(t), torch.empty_like(weight)
        for (part, columns), mask in zip(_pieces(av, t), ctx.masks, strict=True):
            z = (av[:, part, None] * t[:, None]).flatten(1).mul_(mask)
            to_weight[:, columns] = slope.T @ z
            to_z = (slope @ weight[:, columns]).mul_(mask).view(len(t), -1, t.shape[1])
            to_av[:, part] = (to_z @ t[:, :, None]).squeeze(-1)
            to_t += (av[:, None, part] @ to_z).squeeze(1)
        return to_av, to_t, to_weight, None


def _pieces(av: Tensor, t: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield which cells of `av`, and which columns of the product, make a piece."""
    wide = t.shape[1]
    cells = _CELLS if av.device.type == "cpu" else av.numel() * wide
    step = max(1, cells // (len(av) * wide))
    for start in range(0, av.shape[1], step):
        stop = min(start + step, av.shape[1])
        yield slice(start, stop), slice(start * wide, stop * wide)
