"""MTFN: TFN that also learns the unimodal tasks."""

from __future__ import annotations

from pipeline.train.models.tfn import Tfn


class Mtfn(Tfn):
    """MTFN: y_s = DNN_s(F_s) for s in {t, a, v} beside TFN's y_m; the subnets are shared."""

    title = "MTFN"
    multitask = True
