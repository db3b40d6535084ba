"""MLF-DNN: LF-DNN that also learns the unimodal tasks."""

from __future__ import annotations

from pipeline.train.models.lf_dnn import LfDnn


class MlfDnn(LfDnn):
    """MLF-DNN: y_s = DNN_s(F_s) for s in {t, a, v} beside y_m; the subnets are shared (Fig. 3)."""

    title = "MLF-DNN"
    multitask = True
