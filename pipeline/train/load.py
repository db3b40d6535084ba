"""Trained models from their folders, ready to predict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError
from pipeline.extractor import pick_device
from pipeline.train.data import Inputs
from pipeline.train.models import build_model
from pipeline.train.models.base import SentimentModel
from pipeline.train.read import part_of_arrays
from pipeline.train.recipe import Recipe
from pipeline.train.registry import MODELS
from pipeline.train.scaling import Scaling, split_tensors
from pipeline.train.stored import METRICS_FILE, check_seed
from pipeline.train.trainer import predict


@dataclass(frozen=True)
class LoadedModel:
    """A trained model, its configuration (``config.json``), its recipe, and what it reads.

    `scaling` holds the means and deviations by which `predict_features` standardises the
    features before the model sees them; it is empty where the recipe says ``scaling: none``.
    """

    model: SentimentModel
    config: dict[str, Any]
    recipe: Recipe
    inputs: Inputs
    scaling: Mapping[str, Scaling]


def load_model(path: Path | str, device: str = "auto") -> LoadedModel:
    """Load the model of one seed's folder, in evaluation mode.

    Parameters
    ----------
    path : str or Path
        ``experiments/table2/mlf_dnn/seed_1``, with ``config.json`` and ``weights.safetensors``.
    device : {"auto", "cpu", "cuda", "cuda:N"}
        Where the model runs; ``auto`` uses CUDA if it is available.

    Returns
    -------
    LoadedModel
        ``model`` (a torch module in evaluation mode), ``config`` and ``recipe``.

    Raises
    ------
    BuildError
        If the folder is not a trained model, or its weights do not fit its configuration.

    Examples
    --------
    >>> loaded = load_model("processed/demo/experiments/table2/mlf_dnn/seed_1", device="cpu")
    >>> loaded.config["model"], loaded.config["tasks"]
    ('mlf_dnn', ['M', 'T', 'A', 'V'])
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(path)
    if (folder / METRICS_FILE).is_file():  # weights may have been copied without it
        check_seed(folder)
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        recipe = Recipe.model_validate(config["recipe"])
        hyper = type(MODELS[config["model"]].hyper).model_validate(config["hyper"])
        inputs = _inputs(config)
        model = build_model(config["model"], hyper, inputs, tuple(config["tasks"]), recipe)
        state, scaling = split_tensors(load_file(folder / "weights.safetensors"))
        model.load_state_dict(state)
        if recipe.scaling == "train" and scaling.keys() != inputs.dims.keys():
            raise ValueError("its weights lack the scaling of its inputs")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise BuildError(
            f"{folder} is not a trained model: {error}",
            "name a folder like processed/experiments/table2/mlf_dnn/seed_1",
        ) from error
    device_found = pick_device(device, "device")
    return LoadedModel(model.to(device_found).eval(), config, recipe, inputs, scaling)


def _inputs(config: dict[str, Any]) -> Inputs:
    """Read the modalities in the order in which models were built over them."""
    present = [modality for modality in MODALITIES if modality in config["dims"]]
    dims, steps = config["dims"], config["steps"]
    return Inputs({m: int(dims[m]) for m in present}, {m: int(steps[m]) for m in present})


def _listed_seeds(folder: Path) -> list[Path]:
    """Return a variant's seeds of its last training, or all where no list was left.

    Folders of seeds that are no longer asked for stay; they may come from other settings.
    """
    seeds = sorted(folder.glob("seed_*"))
    listed: dict[str, str] = {}
    for path in folder.parent.glob("*.json"):
        with suppress(OSError, ValueError, TypeError):  # damaged: the next build renews it
            listed |= json.loads(path.read_text("utf-8"))
    current = [s for s in seeds if f"{folder.name}/{s.name}" in listed]
    return current or seeds


class Predictor:
    """All seeds of a trained model, loaded once.

    Parameters
    ----------
    folder : Path
        A variant's folder, ``experiments/table2/mlf_dnn``, with its ``seed_*``.
    device : {"auto", "cpu", "cuda", "cuda:N"}
        Where to compute.

    Attributes
    ----------
    tasks : tuple of str
        The tasks that it predicts: M, or M, T, A and V.
    inputs : Inputs
        The modalities that it reads.

    Raises
    ------
    BuildError
        If there is no trained seed, or one cannot be loaded.
    """

    def __init__(self, folder: Path | str, device: str = "auto") -> None:
        seeds = _listed_seeds(Path(folder))
        if not seeds:
            raise BuildError(
                f"{folder} has no trained seed", "train first: chsims-build --stage train"
            )
        self._device = pick_device(device, "device")
        self._seeds = {seed: load_model(seed, device) for seed in seeds}
        first = self._seeds[seeds[0]]
        self.tasks: tuple[str, ...] = tuple(first.config["tasks"])
        self.inputs = first.inputs

    def predict(
        self,
        features: Mapping[str, NDArray[np.float32]],
        valid: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, tuple[float, float]]:
        """Predict one clip's sentiments.

        Parameters
        ----------
        features : mapping of str to ndarray ``[L, d]``
            The clip's features by modality (text, audio, vision), unpadded; cut at the lengths
            of the dataset trained on. Modalities that this dataset lacks are ignored.
        valid : mapping of str to ndarray ``[L]``, optional
            By modality, the rows that count (vision: those that show a face); all by default.

        Returns
        -------
        dict of str to (float, float)
            By task, the mean and the standard deviation over seeds, predictions clipped to
            [-1, 1].

        Raises
        ------
        BuildError
            If a modality is missing or has other dimensions than those trained on.
        """
        by_task: dict[str, list[float]] = {}
        torch.set_num_threads(1)
        for seed, loaded in self._seeds.items():
            _check_features(seed, features, loaded.inputs)
            form = type(loaded.model).form(loaded.recipe)
            part = part_of_arrays(
                features, valid or {}, loaded.inputs, form, loaded.recipe, loaded.scaling
            )
            for task, values in predict(loaded.model, part, self._device).items():
                by_task.setdefault(task, []).append(float(np.clip(values[0], -1, 1)))
        return {
            task: (float(np.mean(values)), float(np.std(values)))
            for task, values in by_task.items()
        }


def predict_features(
    folder: Path | str,
    features: Mapping[str, NDArray[np.float32]],
    valid: Mapping[str, NDArray[Any]] | None = None,
    device: str = "auto",
) -> dict[str, tuple[float, float]]:
    """Predict one clip's sentiments by all seeds of a model; for many clips, take `Predictor`.

    Parameters
    ----------
    folder : Path
        A variant's folder, ``experiments/table2/mlf_dnn``, with its ``seed_*``.
    features : mapping of str to ndarray ``[L, d]``
        The clip's features by modality (text, audio, vision), unpadded; cut at the lengths of
        the dataset trained on. Modalities that this dataset lacks are ignored.
    valid : mapping of str to ndarray ``[L]``, optional
        By modality, the rows that count (vision: those that show a face); all by default.
    device : {"auto", "cpu", "cuda", "cuda:N"}
        Where to compute.

    Returns
    -------
    dict of str to (float, float)
        By task, the mean and the standard deviation over seeds, predictions clipped to [-1, 1].

    Raises
    ------
    BuildError
        If there is no trained seed, or a modality is missing or has other dimensions than
        those trained on.

    Examples
    --------
    >>> from pipeline import open_dataset
    >>> clip = open_dataset("processed/demo/dataset.h5", "test")[0]
    >>> features = {m: clip[m][: clip["lengths"][m]].numpy() for m in ("text", "audio", "vision")}
    >>> found = predict_features("processed/demo/experiments/table2/mlf_dnn", features)
    >>> list(found), -1 <= found["M"][0] <= 1
    (['M', 'T', 'A', 'V'], True)
    """
    return Predictor(folder, device).predict(features, valid)


def modalities_of(folder: Path | str) -> list[str]:
    """Return the modalities that a trained model reads, without loading its weights.

    Raises
    ------
    BuildError
        If there is no trained seed, or its configuration cannot be read.
    """
    seeds = _listed_seeds(Path(folder))
    try:
        config = json.loads((seeds[0] / "config.json").read_text("utf-8"))
        return list(_inputs(config).dims)
    except (IndexError, OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(
            f"{folder} has no trained seed that can be read ({error})",
            "train first: chsims-build --stage train",
        ) from error


def _check_features(
    seed: Path, features: Mapping[str, NDArray[np.float32]], inputs: Inputs
) -> None:
    for modality, wanted in inputs.dims.items():
        found = features.get(modality)
        if found is None or found.ndim != 2 or found.shape[1] != wanted:
            shape = "none" if found is None else f"an array of shape {found.shape}"
            raise BuildError(
                f"{seed} was trained on {modality} features of {wanted} dimensions, found {shape}",
                "extract the clip with the settings that made the training dataset",
            )
