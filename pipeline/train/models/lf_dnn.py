"""LF-DNN and its multi-task kin MLF-DNN: late fusion by concatenation."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SubnetModel, subnet_hyper
from pipeline.train.subnets import Head


class LfDnn(SubnetModel):
    """LF-DNN: the unimodal representations side by side, then a three-layer head.

    F_m = [F_a; F_v; F_t] and y_m = DNN(F_m) (paper, section 4).
    """

    title = "LF-DNN"

    def make_fusion(self, hyper: Hyper) -> None:
        """Build the head on the concatenation."""
        hyper = subnet_hyper(hyper)
        self.fusion = Head(sum(self.widths.values()), hyper.fusion_head, hyper.head_dropout)

    def fuse(self, t: Tensor, a: Tensor, v: Tensor) -> Tensor:
        """Concatenate and predict."""
        output: Tensor = self.fusion(torch.cat([a, v, t], dim=-1))
        return output
