"""The nine models, one file each."""

from __future__ import annotations

from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SentimentModel
from pipeline.train.models.ef_lstm import EfLstm
from pipeline.train.models.lf_dnn import LfDnn
from pipeline.train.models.lmf import Lmf
from pipeline.train.models.mfn import Mfn
from pipeline.train.models.mlf_dnn import MlfDnn
from pipeline.train.models.mlmf import Mlmf
from pipeline.train.models.mtfn import Mtfn
from pipeline.train.models.mult import Mult
from pipeline.train.models.tfn import Tfn
from pipeline.train.recipe import Recipe

MODELS: dict[str, type[SentimentModel]] = {
    "ef_lstm": EfLstm,
    "lf_dnn": LfDnn,
    "mfn": Mfn,
    "lmf": Lmf,
    "tfn": Tfn,
    "mult": Mult,
    "mlf_dnn": MlfDnn,
    "mlmf": Mlmf,
    "mtfn": Mtfn,
}


def build_model(
    name: str, hyper: Hyper, dims: dict[str, int], tasks: tuple[str, ...], recipe: Recipe
) -> SentimentModel:
    """Build a model with fresh weights from torch's current random state.

    Parameters
    ----------
    name : str
        E.g. ``mlf_dnn``.
    hyper : Hyper
        Of the model's own kind (`pipeline.train.hyper.HYPER`).
    dims : dict of str to int
        Feature dimensions of text, audio and vision, and ``text_steps``, the text's padded length.
    tasks : tuple of str
        Which of M, T, A, V it learns.
    recipe : Recipe
        Paper or published behaviour.
    """
    return MODELS[name](hyper, dims, tasks, recipe)
