"""LMF and its kin MLMF: low-rank fusion, the outer product's map in factors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.corpus import MODALITY_OF
from pipeline.train.hyper import Hyper, RankHyper
from pipeline.train.models.base import SubnetModel


class Lmf(SubnetModel):
    """LMF: f = sum_r w_r (W_a^r [1; F_a]) o (W_v^r [1; F_v]) o (W_t^r [1; F_t]) + b.

    o is the elementwise product (Liu et al. 2018). In the paper preset f is the fused
    representation and a three-layer head follows (section 4); in the published one f is
    a single number, y_m itself.
    """

    def make_fusion(self, hyper: Hyper) -> None:
        """Build factors, rank weights and, in the paper preset, the head."""
        assert isinstance(hyper, RankHyper)
        direct = self.recipe.rank_output == "direct"
        out = 1 if direct else hyper.fusion_out
        self.fused = [task for task in "AVT" if task in self.widths]
        for task in self.fused:
            factor = torch.empty(hyper.rank, self.widths[task] + 1, out)
            self.register_parameter(f"{MODALITY_OF[task]}_factor", nn.Parameter(factor))
        self.rank_weights = nn.Parameter(torch.empty(1, hyper.rank))
        self.fusion_bias = nn.Parameter(torch.zeros(out))
        for parameter in (*self._factors(), self.rank_weights):
            if direct:
                nn.init.xavier_normal_(parameter)
            else:  # Xavier's fans are wrong for a stack of ranks: their product would vanish
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        if self.recipe.rank_weights == "frozen":
            self.rank_weights.requires_grad_(False)
            self.fusion_bias.requires_grad_(False)
        self.fusion = None if direct else self.head(out, hyper.fusion_head, hyper)

    def apart(self) -> dict[str, list[nn.Parameter]]:
        """Return the factors, which have a rate of their own as in the published code."""
        return {"factor_rate": self._factors()} if "M" in self.tasks else {}

    def _factors(self) -> list[nn.Parameter]:
        """Return W_a, W_v, W_t of the modalities that are fused."""
        return [self.get_parameter(f"{MODALITY_OF[task]}_factor") for task in self.fused]

    def fuse(self, representations: dict[str, Tensor]) -> Tensor:
        """Fuse and predict."""
        product = torch.ones(())
        for task, factor in zip(self.fused, self._factors(), strict=True):
            mapped = nn.functional.pad(representations[task], (1, 0), value=1.0) @ factor
            product = mapped if product.ndim == 0 else product * mapped
        fused = torch.einsum("kr,rbo->bo", self.rank_weights, product) + self.fusion_bias
        if self.fusion is None:
            return fused.squeeze(-1)
        output: Tensor = self.fusion(fused)
        return output
