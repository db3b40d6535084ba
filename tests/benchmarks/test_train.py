"""The benchmarks of training: what they set exists, and both sides get the same corpus."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from benchmarks import effects
from benchmarks.planted import write_planted
from pipeline.config import make_config
from pipeline.exports.run import export
from pipeline.train.recipe import PAPER, PUBLISHED, Recipe


@pytest.mark.parametrize("model", effects.DEPARTURES)
def test_each_departure_is_what_the_published_code_does_and_the_paper_does_not(model: str) -> None:
    published_values = {name: {value} for name, value in PUBLISHED.model_dump().items()}
    published_values["alignment"].add("interleaved")  # its version 2.2.1
    for change in effects.DEPARTURES[model]:
        values = yaml.safe_load(f"{{{change}}}")
        departed = Recipe.model_validate({**PAPER.model_dump(), **values}).model_dump()
        for name in values:
            assert departed[name] != PAPER.model_dump()[name]
            assert departed[name] in published_values[name]


def test_no_departure_goes_without_a_measured_effect() -> None:
    paper, published_values = PAPER.model_dump(), PUBLISHED.model_dump()
    measured = {
        name
        for changes in effects.DEPARTURES.values()
        for change in changes
        for name in yaml.safe_load(f"{{{change}}}")
    }
    assert measured == {name for name in paper if paper[name] != published_values[name]}


def test_the_published_code_is_given_the_same_features_and_labels(tmp_path: Path) -> None:
    write_planted(tmp_path / "dataset.h5", (6, 3, 3), steps={"text": 5, "audio": 7, "vision": 4})
    export(make_config({"processed": str(tmp_path)}), "mmsa", tmp_path / "features.pkl")
    with (tmp_path / "features.pkl").open("rb") as stream:
        parts = pickle.load(stream)
    with h5py.File(tmp_path / "dataset.h5") as file:
        for part in ("train", "valid", "test"):
            for name in ("text", "audio", "vision", "audio_lengths"):
                np.testing.assert_array_equal(parts[part][name], file[part][name][:])
            for name, task in {"": "M", "_T": "T", "_A": "A", "_V": "V"}.items():
                labels = parts[part][f"regression_labels{name}"]
                np.testing.assert_array_equal(labels, file[part]["labels"][task][:])
