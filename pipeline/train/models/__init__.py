"""The networks. Multi-task models share the network of their single-task kin."""

from __future__ import annotations

from importlib import import_module

from pipeline.train.data import Inputs
from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SentimentModel
from pipeline.train.recipe import Recipe
from pipeline.train.registry import MODELS


def network_of(name: str) -> type[SentimentModel]:
    """Import the network of a model, e.g. of ``mlf_dnn``."""
    module, _, network = MODELS[name].network.partition(":")
    found: type[SentimentModel] = getattr(import_module(f"{__name__}.{module}"), network)
    return found


def build_model(
    name: str, hyper: Hyper, inputs: Inputs, tasks: tuple[str, ...], recipe: Recipe
) -> SentimentModel:
    """Build a model with fresh weights from torch's current random state.

    Parameters
    ----------
    name : str
        E.g. ``mlf_dnn``.
    hyper : Hyper
        Of the model's own kind (`pipeline.train.registry`).
    inputs : Inputs
        The dataset's modalities, their dimensions and padded lengths: two or three
        modalities where M is among the tasks, else one or more.
    tasks : tuple of str
        Which of M, T, A, V it learns.
    recipe : Recipe
        Paper or published behaviour.
    """
    return network_of(name)(hyper, inputs, tasks, recipe)
