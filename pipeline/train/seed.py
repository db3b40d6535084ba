"""One seed's folder: the key of a training, and the files that it writes.

A folder is written under a temporary name and renamed when it is complete.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import save_file

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.store.files import digest, package_versions, write_json, write_sealed
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.data import Corpus
from pipeline.train.experiments import Variant
from pipeline.train.metrics import EDGES, confusion, recalls, scores, warnings_of
from pipeline.train.models.base import SentimentModel
from pipeline.train.scaling import scaling_tensors
from pipeline.train.stored import DECIDING, METRICS_FILE, VERSION, file_digests
from pipeline.train.trainer import Fit, Plan, predict


@dataclass(frozen=True)
class Seed:
    """One training: a variant and a seed, with its folder and its key.

    `checkpoint_seconds` is the least time between two writes of its checkpoint.
    """

    variant: Variant
    plan: Plan
    folder: Path
    key: str
    preset: str
    checkpoint_seconds: float

    def checkpoint(self) -> Checkpoint:
        """Return where the training is stored while it runs, next to its folder."""
        path = self.folder.with_name(f"checkpoint_{self.plan.seed}.safetensors")
        return Checkpoint(path, self.key, self.checkpoint_seconds)


def seed_of(variant: Variant, seed: int, corpus: Corpus, config: Config, root: Path) -> Seed:
    """Return a seed of a variant, with its key and its folder below `root`."""
    settings = config.train
    plan = Plan(
        variant.labels,
        variant.hyper,
        settings.resolved_recipe(),
        seed,
        settings.max_epochs,
        settings.patience,
    )
    key = digest(
        {
            "dataset": corpus.digest,
            "model": variant.model,
            **_described(plan),
            "version": VERSION,
            **package_versions(DECIDING),
        }
    )
    folder = root / variant.experiment / variant.name / f"seed_{seed}"
    return Seed(variant, plan, folder, key, settings.preset, settings.checkpoint_seconds)


def _described(plan: Plan) -> dict[str, Any]:
    return {
        "labels": list(plan.labels.items()),
        "hyper": plan.hyper.defining(),
        "recipe": plan.recipe.defining(),
        "seed": plan.seed,
        "max_epochs": plan.max_epochs,
        "patience": plan.patience,
    }


def remove_parts(seed: Seed) -> None:
    """Remove the temporary folders that killed processes left of a seed."""
    for left in seed.folder.parent.glob(f".{seed.folder.name}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)


def write_seed(
    seed: Seed, corpus: Corpus, model: SentimentModel, fitted: Fit, device: torch.device
) -> None:
    """Write a seed's complete folder: weights, predictions, metrics and learning curve.

    Raises
    ------
    BuildError
        If the folder cannot be written, e.g. on a full disk. An earlier one stays as it was.
    """
    remove_parts(seed)
    temporary = seed.folder.with_name(f".{seed.folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _write(temporary, seed, corpus, model, fitted, device)
        shutil.rmtree(seed.folder, ignore_errors=True)
        temporary.replace(seed.folder)
    except (OSError, SafetensorError) as error:
        raise BuildError(
            f"cannot write {seed.folder}: {getattr(error, 'strerror', None) or error}",
            "free disk space or fix the folder's permissions, then run the same command again",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(
    folder: Path,
    seed: Seed,
    corpus: Corpus,
    model: SentimentModel,
    fitted: Fit,
    device: torch.device,
) -> None:
    plan, variant = seed.plan, seed.variant
    predicted = {part: predict(model, corpus.parts[part], device) for part in ("valid", "test")}
    weights = {name: w.detach().cpu().contiguous() for name, w in model.state_dict().items()}
    save_file({**weights, **scaling_tensors(corpus.scaling)}, folder / "weights.safetensors")
    write_json(
        folder / "config.json",
        {
            "experiment": variant.experiment,
            "variant": variant.name,
            "choice": variant.choice,
            "model": variant.model,
            "preset": seed.preset,
            **_described(plan),
            "labels": plan.labels,
            "tasks": list(plan.labels),
            "dims": corpus.inputs.dims,
            "steps": corpus.inputs.steps,
            "dataset": corpus.digest,
            "version": VERSION,
            "packages": dict(package_versions((*DECIDING, "numpy"))),
            "device": device.type,
            "key": seed.key,
        },
    )
    _write_csv(folder / "curve.csv", fitted.curve)
    _write_csv(folder / "predictions.csv", list(_prediction_rows(predicted, corpus, plan)))
    write_sealed(
        folder / METRICS_FILE,
        {
            "key": seed.key,
            "files": file_digests(folder),
            "experiment": variant.experiment,
            "variant": variant.name,
            "model": variant.model,
            "tasks": list(plan.labels),
            "seed": plan.seed,
            "best_epoch": fitted.best_epoch,
            "epochs": fitted.epochs,
            "parameters": sum(p.numel() for p in model.parameters()),
            **{part: _measured(values, corpus, plan, part) for part, values in predicted.items()},
        },
    )


def _scored_label(task: str, plan: Plan) -> str:
    """Return the label that a task's predictions are compared with.

    The published code compares T, A and V with M if a model learns them together with M.
    """
    on_m = plan.recipe.scored_on == "M" and "M" in plan.labels
    return "M" if on_m else plan.labels[task]


def _measured(
    predicted: dict[str, NDArray[np.float32]], corpus: Corpus, plan: Plan, part: str
) -> dict[str, Any]:
    found = {}
    for task, values in predicted.items():
        label = _scored_label(task, plan)
        truth = corpus.parts[part].labels[label].numpy()
        known = np.isfinite(truth)
        values, truth = values[known], truth[known]
        figures = scores(values, truth)
        if plan.recipe.rounding:
            figures = {name: round(value, 4) for name, value in figures.items()}
        matrices = {str(count): confusion(values, truth, count) for count in EDGES}
        found[task] = {
            "label": label,
            "scores": figures,
            "confusion": matrices,
            "recall": {count: recalls(matrix) for count, matrix in matrices.items()},
            "warnings": warnings_of(values, truth),
        }
    return found


def _prediction_rows(
    predicted: dict[str, dict[str, NDArray[np.float32]]], corpus: Corpus, plan: Plan
) -> Iterable[dict[str, Any]]:
    for part, by_task in predicted.items():
        held = corpus.parts[part]
        for task, values in by_task.items():
            label = _scored_label(task, plan)
            for clip, truth, value in zip(
                held.clips, held.labels[label].numpy(), values, strict=True
            ):
                yield {
                    "part": part,
                    "clip": clip,
                    "task": task,
                    "label": str(truth) if np.isfinite(truth) else "",
                    "prediction": str(value),
                }


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), "utf-8")
