"""LF-DNN and its multi-task kin MLF-DNN: late fusion by concatenation (Fig. 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SubnetModel, subnet_hyper


class LfDnn(SubnetModel):
    """LF-DNN: the unimodal representations side by side, then a three-layer head.

    F_m = [F_a; F_v; F_t] and y_m = DNN(F_m) (paper, section 4). In MLF-DNN the subnets also
    feed y_s = DNN_s(F_s) for s in {t, a, v}.
    """

    def make_fusion(self, hyper: Hyper) -> None:
        """Build the head on the concatenation."""
        hyper = subnet_hyper(hyper)
        self.fusion = self.head(sum(self.widths.values()), hyper.fusion_head, hyper)

    def fuse(self, representations: dict[str, Tensor]) -> Tensor:
        """Concatenate and predict."""
        present = [representations[task] for task in "AVT" if task in representations]
        output: Tensor = self.fusion(torch.cat(present, dim=-1))
        return output
