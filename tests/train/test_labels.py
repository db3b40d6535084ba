"""Clips without an M, T, A or V label: they train and score the tasks whose labels they have."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.train.loss import task_losses
from pipeline.train.results import write_results
from pipeline.train.run import train_model
from pipeline.train.subnets import Output

MakeConfig = Callable[..., Config]
NAN = float("nan")


def unlabelled(path: Path, label: str, clips: slice) -> None:
    with h5py.File(path, "r+") as file:
        for part in ("train", "valid", "test"):
            file[part]["labels"][label][clips] = np.nan


def test_a_loss_is_the_mean_over_labelled_clips() -> None:
    predicted = torch.tensor([0.5, -0.5, 1.0], requires_grad=True)
    loss = task_losses(Output({"A": predicted}, {}), {"A": torch.tensor([0.0, NAN, 0.0])})["A"]
    assert loss.item() == pytest.approx(0.75)
    loss.backward()
    assert predicted.grad is not None
    assert predicted.grad.tolist() == [0.5, 0.0, 0.5]


def test_a_batch_without_a_label_adds_nothing_and_no_nan() -> None:
    predicted = torch.tensor([0.5, -0.5], requires_grad=True)
    loss = task_losses(Output({"A": predicted}, {}), {"A": torch.tensor([NAN, NAN])})["A"]
    loss.backward()
    assert loss.item() == 0
    assert predicted.grad is not None
    assert predicted.grad.tolist() == [0, 0]


def test_clips_without_a_label_train_and_score_the_others(
    copied: Path, config_for: MakeConfig
) -> None:
    unlabelled(copied, "A", slice(0, 2))
    config = config_for(copied, experiments=["table2"], models=["mlf_dnn"], seeds=[1])
    train_model(config, "table2", "mlf_dnn")
    write_results(config, "table2")
    folder = config.processed / "experiments/table2/mlf_dnn/seed_1"
    with (folder / "predictions.csv").open(encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if r["part"] == "test" and r["task"] == "A"]
    assert [row["label"] == "" for row in rows] == [True, True, False, False, False, False]
    labelled = [row for row in rows if row["label"]]
    errors = [
        abs(np.clip(float(row["prediction"]), -1, 1) - float(row["label"])) for row in labelled
    ]
    result = json.loads((config.processed / "results/table2.json").read_text("utf-8"))
    by_task = {row["task"]: row for row in result["rows"]}
    assert {task: row["clips"] for task, row in by_task.items()} == {"M": 6, "T": 6, "A": 4, "V": 6}
    assert by_task["A"]["test"]["mean"]["mae"] == pytest.approx(100 * np.mean(errors), abs=1e-3)


def test_a_single_task_watches_the_labelled_clips_of_the_valid_part(
    copied: Path, config_for: MakeConfig
) -> None:
    unlabelled(copied, "A", slice(0, 3))
    config = config_for(copied, seeds=[1])
    train_model(config, "table4", "mlf_dnn")
    path = config.processed / "experiments/table4/A-by-A/seed_1/curve.csv"
    losses = [float(row["valid_loss"]) for row in csv.DictReader(path.open(encoding="utf-8"))]
    assert np.isfinite(losses).all()


def test_clips_without_m_train_the_other_tasks(copied: Path, config_for: MakeConfig) -> None:
    unlabelled(copied, "M", slice(0, 2))
    config = config_for(copied, experiments=["table2"], models=["mlf_dnn"], seeds=[1])
    train_model(config, "table2", "mlf_dnn")
    write_results(config, "table2")
    result = json.loads((config.processed / "results/table2.json").read_text("utf-8"))
    clips = {row["task"]: row["clips"] for row in result["rows"]}
    assert clips == {"M": 4, "T": 6, "A": 6, "V": 6}


def test_a_clip_without_any_label_of_the_tasks_is_never_shown_to_the_model(
    copied: Path, config_for: MakeConfig
) -> None:
    """Not even to batch normalisation: what such a clip holds changes no weight."""
    unlabelled(copied, "M", slice(0, 2))
    weights = []
    for value in (0.0, 3.0):
        with h5py.File(copied, "r+") as file:
            for modality in ("text", "audio", "vision"):
                file["train"][modality][:2] = value
            file.attrs["digest_train"] = str(value)
        config = config_for(copied, seeds=[1], recipe={"scaling": "none"})
        train_model(config, "table2", "lf_dnn")
        folder = config.processed / "experiments/table2/lf_dnn/seed_1"
        weights.append(load_file(folder / "weights.safetensors"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_part_without_labels_of_the_whole_clip_is_refused(
    copied: Path, config_for: MakeConfig
) -> None:
    unlabelled(copied, "M", slice(0, 17))
    with pytest.raises(BuildError, match="1 of 18 train clips have the label M"):
        train_model(config_for(copied), "table2", "mlf_dnn")


def test_a_unimodal_label_that_too_few_clips_have_is_not_learned(
    copied: Path, config_for: MakeConfig
) -> None:
    unlabelled(copied, "A", slice(0, 17))
    config = config_for(copied, seeds=[1], max_epochs=1)
    train_model(config, "table2", "mlf_dnn")
    metrics = config.processed / "experiments/table2/mlf_dnn/seed_1/metrics.json"
    assert json.loads(metrics.read_text("utf-8"))["tasks"] == ["M", "T", "V"]
