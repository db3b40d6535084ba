"""Small corpora with a planted signal, made once."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pipeline.config import Config, make_config

STEPS = {"text": 12, "audio": 30, "vision": 14}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def planted() -> ModuleType:
    return importlib.import_module("benchmarks.planted")


@pytest.fixture(scope="session")
def tiny(planted: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of the demo's size."""
    path = tmp_path_factory.mktemp("tiny") / "dataset.h5"
    planted.write_planted(path, (18, 6, 6), steps=STEPS)
    return path


@pytest.fixture(scope="session")
def config_for() -> Callable[..., Config]:
    """Make a config for a dataset in its folder."""

    def make(dataset: Path, **train: object) -> Config:
        values = {"seeds": [1, 12], "max_epochs": 3, "device": "cpu", "resamples": 50, **train}
        return make_config({"processed": str(dataset.parent), "train": values})

    return make


@pytest.fixture
def copied(tiny: Path, tmp_path: Path) -> Path:
    """The tiny dataset alone in a folder."""
    target = tmp_path / "dataset.h5"
    target.write_bytes(tiny.read_bytes())
    return target
