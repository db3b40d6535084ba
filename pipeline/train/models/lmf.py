"""LMF and its kin MLMF: low-rank fusion, the outer product's map in factors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.train.hyper import Hyper, RankHyper
from pipeline.train.models.base import SubnetModel
from pipeline.train.subnets import Head


class Lmf(SubnetModel):
    """LMF: f = sum_r w_r (W_a^r [1; F_a]) o (W_v^r [1; F_v]) o (W_t^r [1; F_t]) + b.

    o is the elementwise product (Liu et al. 2018). In the paper preset f is the fused
    representation and a three-layer head follows (section 4); in the published one f is
    a single number, y_m itself.
    """

    title = "LMF"

    def make_fusion(self, hyper: Hyper) -> None:
        """Build factors, rank weights and, in the paper preset, the head."""
        assert isinstance(hyper, RankHyper)
        direct = self.recipe.rank_output == "direct"
        out = 1 if direct else hyper.fusion_out
        shape = {task: (hyper.rank, self.widths[task] + 1, out) for task in "AVT"}
        self.audio_factor = nn.Parameter(torch.empty(shape["A"]))
        self.vision_factor = nn.Parameter(torch.empty(shape["V"]))
        self.text_factor = nn.Parameter(torch.empty(shape["T"]))
        self.rank_weights = nn.Parameter(torch.empty(1, hyper.rank))
        self.fusion_bias = nn.Parameter(torch.zeros(out))
        for parameter in (*self.factors(), self.rank_weights):
            if direct:
                nn.init.xavier_normal_(parameter)
            else:  # Xavier's fans are wrong for a stack of ranks: products of three would vanish
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        if self.recipe.rank_weights == "frozen":
            self.rank_weights.requires_grad_(False)
            self.fusion_bias.requires_grad_(False)
        self.fusion = None if direct else Head(out, hyper.fusion_head, hyper.head_dropout)

    def factors(self) -> list[nn.Parameter]:
        """Return W_a, W_v, W_t."""
        if "M" not in self.tasks:
            return []
        return [self.audio_factor, self.vision_factor, self.text_factor]

    def fuse(self, t: Tensor, a: Tensor, v: Tensor) -> Tensor:
        """Fuse and predict."""
        a, v, t = (nn.functional.pad(x, (1, 0), value=1.0) for x in (a, v, t))
        product = (a @ self.audio_factor) * (v @ self.vision_factor) * (t @ self.text_factor)
        fused = torch.einsum("kr,rbo->bo", self.rank_weights, product) + self.fusion_bias
        if self.fusion is None:
            return fused.squeeze(-1)
        output: Tensor = self.fusion(fused)
        return output
