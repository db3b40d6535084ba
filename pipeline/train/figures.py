"""Data of the paper's figures: label distributions (Fig. 2) and representations (Fig. 4)."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.corpus import GRID, LABELS, label_distances, label_histogram
from pipeline.dataset.split import PARTS
from pipeline.errors import BuildError
from pipeline.extractor import pick_device
from pipeline.train.load import load_model
from pipeline.train.read import load_corpus
from pipeline.train.registry import MODELS, kinships
from pipeline.train.trainer import predict

_LEAST = 3  # t-SNE of fewer clips shows nothing


def label_figure(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return Fig. 2: each task's label histogram, and D[i][j], the mean squared difference (eq. 1).

    Labels that a corpus does not have leave their histogram at 0 and their differences null.
    """
    with h5py.File(path, "r") as file:
        labels = np.stack(
            [
                np.concatenate([file[f"{part}/labels/{name}"][:] for part in PARTS])
                for name in LABELS
            ]
        )
    counts = {
        name: label_histogram(values) for name, values in zip(LABELS, labels.tolist(), strict=True)
    }
    difference = [
        [round(value, 6) if isfinite(value) else None for value in row]
        for row in label_distances(labels.T).tolist()
    ]
    value = {"tasks": list(LABELS), "grid": GRID, "counts": counts, "difference": difference}
    rows = [
        {"label": value, **{label: counts[label][i] for label in LABELS}}
        for i, value in enumerate(GRID)
    ]
    return value, rows


def representation_figure(config: Config) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return Fig. 4: t-SNE of each model's text, audio and vision representations of test clips.

    The first seed's weights of each single-task model and of its multi-task kin, as far as
    both were trained for Table 2. Representations are standardised and, where their widths
    differ, brought to a common one by their principal components before t-SNE.

    Raises
    ------
    BuildError
        If no such pair is among ``train.models``.
    """
    models = config.train.models
    pairs = [pair for pair in kinships() if set(pair) <= set(models)]
    if not pairs:
        raise BuildError(
            "figure4 compares a single-task model with its multi-task kin, and train.models has "
            f"no such pair: {', '.join(models)}",
            "add lf_dnn and mlf_dnn to train.models",
        )
    panels: list[dict[str, Any]] = []
    for name in (model for pair in pairs for model in pair):
        found = _representations(config, name)
        points = embed(found["vectors"])
        panels.append(
            {
                "model": name,
                "title": MODELS[name].title,
                "multitask": MODELS[name].multitask,
                "separation": _separation(points, found["modality"]),
                "points": [
                    {
                        "clip": clip,
                        "modality": task,
                        "x": round(float(x), 4),
                        "y": round(float(y), 4),
                    }
                    for clip, task, (x, y) in zip(
                        found["clips"], found["modality"], points, strict=True
                    )
                ],
            }
        )
    rows = [{"model": p["model"], **point} for p in panels for point in p["points"]]
    return {"panels": panels, "pairs": pairs, "seed": config.train.seeds[0]}, rows


def _representations(config: Config, name: str) -> dict[str, Any]:
    settings = config.train
    folder = config.layout.experiment("table2") / name / f"seed_{settings.seeds[0]}"
    loaded = load_model(folder, settings.device)
    form = type(loaded.model).form(loaded.recipe)
    corpus = load_corpus(config.layout.dataset, form, loaded.recipe, settings.memory_gb)
    part = corpus.parts["test"]
    by_task = predict(
        loaded.model, part, pick_device(settings.device, "train.device"), "representations"
    )
    width = min([len(part), *(values.shape[1] for values in by_task.values())])
    return {
        "vectors": np.concatenate([_reduced(values, width) for values in by_task.values()]),
        "modality": [task for task in by_task for _ in part.clips],
        "clips": [clip for _ in by_task for clip in part.clips],
    }


def _reduced(values: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    from sklearn.decomposition import PCA

    spread = values.std(0)
    scaled = (values - values.mean(0)) / np.where(spread > 0, spread, 1)
    reduced: NDArray[np.float64] = PCA(width, svd_solver="full").fit_transform(
        scaled.astype(np.float64)
    )
    return reduced


def embed(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map ``[N, d]`` to the plane ``[N, 2]`` by t-SNE, the same for the same input."""
    from sklearn.manifold import TSNE

    if len(vectors) < _LEAST:
        return np.zeros((len(vectors), 2))
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    points: NDArray[np.float64] = TSNE(
        perplexity=perplexity, init="pca", random_state=0, n_jobs=1
    ).fit_transform(vectors)
    return points


def _separation(points: NDArray[np.float64], modality: list[str]) -> float:
    """Silhouette of the modalities in the plane: higher, further apart."""
    from sklearn.metrics import silhouette_score

    if len(points) < 2 * _LEAST or not np.ptp(points):
        return 0.0
    return round(float(silhouette_score(points, modality)), 4)
