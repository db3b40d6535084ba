"""Tables and figures made from the seeds' files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from pipeline.config import Config, load_config
from pipeline.errors import BuildError
from pipeline.train.experiments import results_of, trained_experiments
from pipeline.train.metrics import METRICS
from pipeline.train.results import write_results
from pipeline.train.run import train_model
from pipeline.train.search import choose

MakeConfig = Callable[..., Config]
EVERYTHING = ["table2", "table4", "table5", "figure2", "figure4", "search"]


@pytest.fixture(scope="module")
def built(tiny: Path, tmp_path_factory: pytest.TempPathFactory, config_for: MakeConfig) -> Config:
    """Every experiment on the tiny corpus."""
    copied = tmp_path_factory.mktemp("built") / "dataset.h5"
    copied.write_bytes(tiny.read_bytes())
    search = {"grid": {"learning_rate": [0.002, 0.0001], "alpha.T": [0.5]}, "seeds": [1]}
    config = config_for(copied, experiments=EVERYTHING, search=search)
    for experiment, models in trained_experiments(config.train).items():
        for model in models:
            train_model(config, experiment, model, jobs=2)
    for experiment in results_of(config.train):
        write_results(config, experiment)
    return config


def read(config: Config, experiment: str) -> Any:
    return json.loads((config.processed / "results" / f"{experiment}.json").read_text("utf-8"))


def test_every_table_and_figure_is_made_without_nan(built: Config) -> None:
    assert results_of(built.train) == tuple(EVERYTHING)
    for experiment in EVERYTHING:
        text = (built.processed / "results" / f"{experiment}.json").read_text("utf-8")
        assert "NaN" not in text
        assert (built.processed / "results" / f"{experiment}.csv").exists()

    table2 = read(built, "table2")
    row = next(r for r in table2["rows"] if r["variant"] == "mlf_dnn" and r["main"])
    assert row["paper"]["acc2"] == 82.28
    assert row["test"]["mean"]["mae"] == pytest.approx(np.mean([s["mae"] for s in row["seeds"]]))
    assert row["test"]["std"]["mae"] == pytest.approx(np.std([s["mae"] for s in row["seeds"]]))
    low, high = row["interval"]["mae"]
    assert low <= row["test"]["mean"]["mae"] <= high
    assert np.sum(row["test"]["confusion"]["5"]) == 6 * 2  # clips times seeds
    assert {c["metric"] for c in table2["comparisons"]} == {"acc2", "acc3", "acc5", "mae"}

    table4 = {r["variant"]: r for r in read(built, "table4")["rows"]}
    assert list(table4) == ["A-by-A", "A-by-M", "V-by-V", "V-by-M", "T-by-T", "T-by-M"]
    assert table4["A-by-M"]["label"] == "M"
    table5 = [r["variant"] for r in read(built, "table5")["rows"] if r["main"]]
    assert table5 == ["M", "M-T", "M-A", "M-V", "M-T-A", "M-T-V", "M-A-V", "M-T-A-V"]


def test_figure_2_counts_labels_and_squares_their_differences(built: Config) -> None:
    with h5py.File(built.processed / "dataset.h5") as file:
        labels = {
            task: np.concatenate(
                [file[f"{p}/labels/{task}"][:] for p in ("train", "valid", "test")]
            )
            for task in "MTAV"
        }
    figure = read(built, "figure2")
    for task in "MTAV":
        assert sum(figure["counts"][task]) == 30
        assert figure["counts"][task][5] == int((labels[task] == 0).sum())
    expected = ((labels["M"] - labels["V"]) ** 2).mean()
    assert figure["difference"][0][3] == pytest.approx(expected, abs=1e-5)
    assert figure["difference"][1][1] == 0


def test_figure_4_shows_each_clip_three_times_in_each_model(built: Config) -> None:
    figure = read(built, "figure4")
    assert [panel["model"] for panel in figure["panels"]] == ["lf_dnn", "mlf_dnn"]
    for panel in figure["panels"]:
        assert len(panel["points"]) == 3 * 6
        assert {point["modality"] for point in panel["points"]} == {"T", "A", "V"}
    before = (built.processed / "results" / "figure4.json").read_bytes()
    write_results(built, "figure4")
    assert (built.processed / "results" / "figure4.json").read_bytes() == before


def test_figure_4_needs_a_pair_of_models(copied: Path, config_for: MakeConfig) -> None:
    with pytest.raises(BuildError, match="no such pair"):
        write_results(config_for(copied, models=["lf_dnn"]), "figure4")


def test_the_found_values_are_a_config_that_the_next_run_reads(built: Config) -> None:
    path = built.processed / "results" / "search.yaml"
    chosen = read(built, "search")["chosen"]["mlf_dnn"]["choice"]
    hyper = load_config((path,)).train.resolved_hyper("mlf_dnn")
    assert hyper.learning_rate == chosen["learning_rate"]
    assert hyper.alpha.T == 0.5
    assert hyper.alpha.V == 0.8  # not searched: stays
    assert set(yaml.safe_load(path.read_text("utf-8"))) == {"train"}


def test_the_search_looks_at_the_valid_part_only() -> None:
    def row(name: str, valid: float, test: float) -> dict[str, Any]:
        return {
            "main": True,
            "model": "lf_dnn",
            "variant": name,
            "choice": {"learning_rate": valid},
            "valid": {"mean": {"acc2": valid, "mae": 40.0}},
            "test": {"mean": {"acc2": test, "mae": 40.0}},
        }

    found = choose([row("a", 70.0, 90.0), row("b", 80.0, 50.0), row("c", 80.0, 99.0)])
    assert found["lf_dnn"]["variant"] == "b"


def test_a_search_marks_its_test_scores(built: Config) -> None:
    with (built.processed / "results" / "search.csv").open(encoding="utf-8") as stream:
        columns = csv.DictReader(stream).fieldnames or []
    for metric in METRICS:
        assert {f"{metric}_test", f"{metric}_test_std", f"{metric}_valid"} <= set(columns)
        assert metric not in columns
    with (built.processed / "results" / "table2.csv").open(encoding="utf-8") as stream:
        assert "acc2" in (csv.DictReader(stream).fieldnames or [])


def test_csv_tables_hold_the_papers_numbers_beside(built: Config) -> None:
    with (built.processed / "results" / "table5.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["task"] == "M"]
    assert [row["acc2_paper"] for row in rows][:3] == ["80.04", "80.04", "76.85"]


def test_a_missing_seed_stops_the_table(copied: Path, config_for: MakeConfig) -> None:
    with pytest.raises(BuildError, match="no finished training"):
        write_results(config_for(copied), "table2")


def test_unknown_names_are_refused_when_the_config_is_read(
    copied: Path, config_for: MakeConfig
) -> None:
    for wrong, said in (
        ({"hyper": {"lf_dnn": {"lerning_rate": 1}}}, "hyper.lf_dnn.lerning_rate"),
        ({"recipe": {"poling": "padded"}}, "recipe.poling"),
        ({"recipe": {"pooling": "none"}}, "'valid' or 'padded'"),
        ({"seeds": [1, 1]}, "must differ"),
        ({"hyper": {"mult": {"width": 7}}}, "must divide width"),
        (
            {
                "experiments": ["search"],
                "search": {"models": ["mult"], "grid": {"text_hidden": [32]}},
            },
            "search.grid.text_hidden",
        ),
    ):
        with pytest.raises(BuildError, match=said):
            config_for(copied, **wrong)


def test_tables_of_results_need_no_torch() -> None:
    """It takes seconds to import, and each experiment has a job of its own."""
    code = "import sys, pipeline.train.results; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
