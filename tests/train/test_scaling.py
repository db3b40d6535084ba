"""Features standardised by the train part: what the paper preset's models see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.config import Config
from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError
from pipeline.store.files import read_sealed, write_sealed
from pipeline.train.data import Ragged
from pipeline.train.load import load_model
from pipeline.train.models import build_model, network_of
from pipeline.train.read import load_corpus
from pipeline.train.recipe import PAPER, PUBLISHED, Recipe
from pipeline.train.registry import MODELS, hyper_for
from pipeline.train.run import train_model
from pipeline.train.scaling import measure
from pipeline.train.stored import file_digests
from pipeline.train.trainer import Plan, fit, predict, seed_everything

MakeConfig = Callable[..., Config]
PARTS = ("train", "valid", "test")
CPU = torch.device("cpu")
STEPS = {"text": 12, "audio": 30, "vision": 14}
SMALL_SUBNETS = {"text_hidden": 8, "audio_hidden": 4, "vision_hidden": 8, "text_out": 8}
SMALL: dict[str, dict[str, Any]] = {
    "mult": {"width": 10, "heads": 2, "accumulate": 1},
    "ef_lstm": {},
    "mfn": {},
}


def rows_of(path: Path, part: str, modality: str) -> np.ndarray:
    stream = load_corpus(path, "sequence", PAPER).parts[part].streams[modality]
    assert isinstance(stream, Ragged)
    return stream.rows.numpy()


def test_blocks_give_the_moments_of_all_rows_at_once() -> None:
    rows = np.random.default_rng(0).normal(300, 2, (1000, 5)).astype(np.float32)
    found = measure([rows[:1], rows[1:1], rows[1:700], rows[700:]], 5)
    np.testing.assert_allclose(found.mean, rows.mean(0, np.float64), rtol=1e-6)
    np.testing.assert_allclose(1 / found.factor, rows.std(0, dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize("modality", ["text", "audio", "vision"])
def test_each_dimension_of_the_train_part_has_mean_0_and_deviation_1(
    modality: str, tiny: Path
) -> None:
    rows = rows_of(tiny, "train", modality)
    varies = rows.any(0)
    np.testing.assert_allclose(rows.mean(0), 0, atol=2e-4)
    np.testing.assert_allclose(rows[:, varies].std(0), 1, atol=2e-3)
    assert (~varies).sum() == (13 if modality == "vision" else 0)  # of the demo's action units


def test_other_parts_are_scaled_by_the_train_part(copied: Path) -> None:
    before = rows_of(copied, "test", "audio")
    with h5py.File(copied, "r+") as file:
        file["valid/audio"][:] *= 100
        file["test/audio"][1:] *= 100
    length = int(rows_of(copied, "test", "audio").shape[0] > 0)
    assert length
    with h5py.File(copied) as file:
        first = int(file["test/audio_lengths"][0])
    np.testing.assert_array_equal(rows_of(copied, "test", "audio")[:first], before[:first])


def test_a_column_that_is_constant_in_the_train_part_stays_0_everywhere(copied: Path) -> None:
    with h5py.File(copied, "r+") as file:
        file["train/audio"][:, :, 4] = 0.1
        file["train/audio"][:, :, 5] = 1e6 + 1e-3 * file["train/audio"][:, :, 5]  # rounding only
    for part in PARTS:
        assert not rows_of(copied, part, "audio")[:, 4:6].any()


def test_rows_that_are_not_valid_do_not_count(copied: Path) -> None:
    before = rows_of(copied, "train", "vision")
    with h5py.File(copied, "r+") as file:
        valid = file["train/vision_valid"][:].astype(bool)
        vision = file["train/vision"][:]
        vision[~valid] = 1e6  # padding, and what a lost face leaves
        file["train/vision"][:] = vision
    np.testing.assert_array_equal(rows_of(copied, "train", "vision"), before)


@pytest.fixture(scope="module")
def two_scales(planted: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same dataset twice; in the second, columns have other units and other origins."""
    first = tmp_path_factory.mktemp("scales") / "plain.h5"
    planted.write_planted(first, (18, 6, 6), steps=STEPS, plain=True)
    second = first.with_name("scaled.h5")
    second.write_bytes(first.read_bytes())
    with h5py.File(second, "r+") as file:
        for part in PARTS:
            for modality in MODALITIES:
                data = file[part][modality]
                column = np.arange(data.shape[2])
                unit = 2.0 ** (column % 21 - 10)  # from 1/1,024 to 1,024
                data[:] = (data[:] + column % 4) * unit
    return [first, second]


def predictions_of(path: Path, model: str, recipe: Recipe) -> dict[str, np.ndarray]:
    tasks = MODELS[model].tasks
    hyper = hyper_for(model, "paper", {**SMALL.get(model, SMALL_SUBNETS), "batch_size": 9})
    corpus = load_corpus(path, network_of(model).form(recipe), recipe)
    seed_everything(1)
    network = build_model(model, hyper, corpus.inputs, tasks, recipe)
    fit(network, corpus, Plan({t: t for t in tasks}, hyper, recipe, 1, 3, 3), CPU)
    return predict(network, corpus.parts["test"], CPU)


@pytest.mark.parametrize("model", MODELS)
def test_predictions_do_not_depend_on_the_columns_units(model: str, two_scales: list[Path]) -> None:
    found, other = (predictions_of(path, model, PAPER) for path in two_scales)
    for task, values in found.items():
        np.testing.assert_allclose(other[task], values, atol=1e-4)
    unscaled = PAPER.model_copy(update={"scaling": "none"})  # what this test would not pass
    found, other = (predictions_of(path, model, unscaled) for path in two_scales)
    assert max(np.abs(other[task] - found[task]).max() for task in found) > 1e-3


def test_published_features_are_as_they_are(tiny: Path) -> None:
    corpus = load_corpus(tiny, "sequence", PUBLISHED)
    assert corpus.scaling == {}
    stream = corpus.parts["train"].streams["vision"]
    assert isinstance(stream, Ragged)
    assert stream.rows.abs().max() > 100


def test_the_scaling_is_stored_with_the_weights(copied: Path, config_for: MakeConfig) -> None:
    config = config_for(copied, seeds=[1], max_epochs=1)
    train_model(config, "table2", "lf_dnn")
    folder = config.processed / "experiments/table2/lf_dnn/seed_1"
    expected = load_corpus(copied, "mean", PAPER).scaling
    found = load_model(folder).scaling
    assert found.keys() == expected.keys()
    for modality, scaling in expected.items():
        np.testing.assert_array_equal(found[modality].mean, scaling.mean)
        np.testing.assert_array_equal(found[modality].factor, scaling.factor)
    tensors = load_file(folder / "weights.safetensors")
    bare = {name: t for name, t in tensors.items() if not name.startswith("scaling.")}
    save_file({name: torch.clone(t) for name, t in bare.items()}, folder / "weights.safetensors")
    metrics = read_sealed(folder / "metrics.json")
    write_sealed(folder / "metrics.json", {**metrics, "files": file_digests(folder)})
    with pytest.raises(BuildError, match="lack the scaling"):
        load_model(folder)
