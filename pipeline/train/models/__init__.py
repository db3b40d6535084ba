"""The nine models, one file each."""

from __future__ import annotations

from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SentimentModel
from pipeline.train.models.lf_dnn import LfDnn
from pipeline.train.models.mlf_dnn import MlfDnn
from pipeline.train.recipe import Recipe

MODELS: dict[str, type[SentimentModel]] = {
    "lf_dnn": LfDnn,
    "mlf_dnn": MlfDnn,
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
