"""MLMF: LMF that also learns the unimodal tasks."""

from __future__ import annotations

from pipeline.train.models.lmf import Lmf


class Mlmf(Lmf):
    """MLMF: y_s = DNN_s(F_s) for s in {t, a, v} beside LMF's y_m; the subnets are shared."""

    title = "MLMF"
    multitask = True
