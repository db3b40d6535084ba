"""Datasets without text, audio or vision: a group that is absent was set to none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from pipeline.config import Config
from pipeline.corpus import MODALITIES
from pipeline.dataset.split import PARTS
from pipeline.errors import BuildError
from pipeline.report.results import read_results, result_tables
from pipeline.train.content import trainable_in
from pipeline.train.data import Batch, Inputs
from pipeline.train.experiments import EVERYTHING, Trainable, left_out, tasks_of, variants
from pipeline.train.load import load_model, predict_features
from pipeline.train.models import build_model, network_of
from pipeline.train.models.aligned import AlignedModel
from pipeline.train.read import load_corpus
from pipeline.train.recipe import PAPER, PUBLISHED
from pipeline.train.registry import MODELS, hyper_for
from pipeline.train.results import write_results
from pipeline.train.run import train_model
from pipeline.train.settings import TrainSettings

MakeConfig = Callable[..., Config]
DIMS = {"text": 768, "audio": 33, "vision": 709}
PAIRS = [("text", "audio"), ("text", "vision"), ("audio", "vision")]
TASK = {"text": "T", "audio": "A", "vision": "V"}
SMALL = {"text_hidden": 8, "audio_hidden": 4, "vision_hidden": 8, "text_out": 8}
HYPER: dict[str, dict[str, object]] = {
    "mult": {"width": 10, "heads": 2},
    "ef_lstm": {},
    "mfn": {},
}


def without(tiny: Path, target: Path, kept: Iterable[str]) -> Path:
    """Copy a dataset and leave only some modalities in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(tiny.read_bytes())
    with h5py.File(target, "r+") as file:
        for part in file.values():
            for modality in DIMS.keys() - set(kept):
                for name in (modality, f"{modality}_lengths", f"{modality}_valid"):
                    if name in part:
                        del part[name]
        for part in ("train", "valid", "test"):
            file.attrs[f"digest_{part}"] = f"{part} {sorted(kept)}"
    return target


def one_epoch(config_for: MakeConfig, path: Path, model: str, **train: Any) -> Config:
    hyper = {model: HYPER.get(model, SMALL)}
    return config_for(path, seeds=[1], max_epochs=1, hyper=hyper, **train)


def metrics_of(config: Config, variant: str, experiment: str = "table2") -> dict[str, Any]:
    path = config.processed / "experiments" / experiment / variant / "seed_1" / "metrics.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@pytest.mark.parametrize("preset", ["paper", "published"])
@pytest.mark.parametrize("kept", PAIRS, ids="+".join)
def test_every_model_is_trained_on_two_modalities(
    kept: tuple[str, str], preset: str, tiny: Path, tmp_path: Path, config_for: MakeConfig
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", kept)
    assert trainable_in(path).modalities == kept
    for model, info in MODELS.items():
        config = one_epoch(config_for, path, model, preset=preset)
        train_model(config, "table2", model)
        tasks = ["M", *(TASK[modality] for modality in kept)] if info.multitask else ["M"]
        found = metrics_of(config, model)
        assert sorted(found["tasks"]) == sorted(tasks)
        assert all(np.isfinite(v) for v in found["test"]["M"]["scores"].values())
        loaded = load_model(config.processed / f"experiments/table2/{model}/seed_1")
        assert loaded.inputs.dims == {modality: DIMS[modality] for modality in kept}
        assert set(loaded.model.shared()) <= set(kept)


@pytest.mark.parametrize("only", DIMS)
def test_unimodal_tasks_are_trained_on_one_modality(
    only: str, tiny: Path, tmp_path: Path, config_for: MakeConfig
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", [only])
    config = one_epoch(config_for, path, "mlf_dnn", experiments=["table4"])
    train_model(config, "table4", "mlf_dnn")
    write_results(config, "table4")
    result = json.loads((config.processed / "results/table4.json").read_text("utf-8"))
    task = TASK[only]
    assert [row["variant"] for row in result["rows"]] == [f"{task}-by-{task}", f"{task}-by-M"]
    assert len(result["left_out"]) == 4
    assert result["modalities"] == [only]
    assert result["rows"][0]["paper"]  # one modality is what the paper's row has too


@pytest.mark.parametrize("only", DIMS)
def test_fusing_a_single_modality_is_refused_with_what_to_do(
    only: str, tiny: Path, tmp_path: Path, config_for: MakeConfig
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", [only])
    for experiment in ("table2", "table5", "search"):
        with pytest.raises(BuildError, match=f"the dataset has {only} only") as error:
            train_model(one_epoch(config_for, path, "mlf_dnn"), experiment, "mlf_dnn")
        assert "experiments=[table4]" in str(error.value.remedy)


def test_a_dataset_without_features_says_so(
    tiny: Path, tmp_path: Path, config_for: MakeConfig
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", [])
    with pytest.raises(BuildError, match="text, audio, vision are all absent"):
        load_corpus(path, "mean", PAPER)


def test_rows_of_a_missing_modality_are_left_out_and_the_results_say_so(
    tiny: Path, tmp_path: Path, config_for: MakeConfig
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", ["text", "audio"])
    config = one_epoch(config_for, path, "mlf_dnn", experiments=["table5"])
    train_model(config, "table5", "mlf_dnn")
    write_results(config, "table5")
    result = json.loads((config.processed / "results/table5.json").read_text("utf-8"))
    found = {row["variant"] for row in result["rows"]}
    assert found == {"M", "M-T", "M-A", "M-T-A"}
    reason = "the dataset has no vision features"
    assert [row["variant"] for row in result["left_out"]] == ["M-V", "M-T-V", "M-A-V", "M-T-A-V"]
    assert {row["reason"] for row in result["left_out"]} == {reason}
    assert not any(row["paper"] for row in result["rows"])  # its models fuse three


def test_nothing_is_left_out_of_three_modalities() -> None:
    settings = TrainSettings()
    for experiment, count in (("table4", 6), ("table5", 8)):
        assert len(variants(experiment, "mlf_dnn", settings)) == count
        assert left_out(experiment, EVERYTHING) == []
    assert tasks_of("mlf_dnn", EVERYTHING) == ("M", "T", "A", "V")
    assert tasks_of("mtfn", Trainable(("audio", "vision"))) == ("M", "A", "V")


@pytest.mark.parametrize("lacking", ["A", "TAV"])
def test_a_label_that_no_clip_has_is_not_learned_and_the_results_say_so(
    lacking: str, tiny: Path, tmp_path: Path, config_for: MakeConfig
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", MODALITIES)
    with h5py.File(path, "r+") as file:
        for part in PARTS:
            for label in lacking:
                file[part]["labels"][label][:] = np.nan
    learned = [task for task in "MTAV" if task not in lacking]
    assert trainable_in(path) == Trainable(MODALITIES, tuple(learned))
    for model in ("mlf_dnn", "mtfn", "mlmf"):
        config = one_epoch(config_for, path, model, experiments=["table2", "table4"])
        train_model(config, "table2", model)
        assert metrics_of(config, model)["tasks"] == learned
    tables_of = ["table2", "table4"]
    config = one_epoch(config_for, path, "mlf_dnn", experiments=tables_of, models=["mlf_dnn"])
    for experiment in ("table2", "table4"):
        train_model(config, experiment, "mlf_dnn")
        write_results(config, experiment)
    tables = read_results(config.layout)
    rows = {row["variant"]: row for row in tables.rows("table2").values()}
    assert rows["mlf_dnn"]["paper"] == {}  # its model learns four tasks
    assert set(tables.rows("table4")) == {
        *(f"{task}-by-M" for task in "AVT"),
        *(f"{task}-by-{task}" for task in "AVT" if task not in lacking),
    }
    table2, table4 = result_tables(tables, MODALITIES)
    assert any("task A of MLF-DNN: too few clips have the label A" in t for t in table2.left_out)
    assert any("too few clips have the label A" in text for text in table4.left_out)


def test_a_search_has_no_weights_of_tasks_that_are_not_learned() -> None:
    settings = TrainSettings()
    whole = variants("search", "mlf_dnn", settings)
    fewer = variants("search", "mlf_dnn", settings, Trainable(("text", "audio")))
    assert len(whole) == 24
    assert len(fewer) == 12
    assert all("alpha.V" not in variant.choice for variant in fewer)


def test_streams_are_aligned_to_text_or_to_the_one_with_the_fewest_steps() -> None:
    steps = {"text": 39, "audio": 400, "vision": 55}
    assert Inputs(DIMS, steps).anchor == "text"
    assert Inputs(DIMS, steps).followers == ("audio", "vision")
    del steps["text"]
    assert Inputs(DIMS, steps).anchor == "vision"
    assert Inputs(DIMS, steps).followers == ("audio",)
    assert Inputs(DIMS, {"audio": 20, "vision": 55}).anchor == "audio"


@pytest.mark.parametrize("model", ["ef_lstm", "mfn"])
def test_without_text_audio_is_aligned_to_visions_valid_steps(
    model: str, tiny: Path, tmp_path: Path
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", ["audio", "vision"])
    with h5py.File(path) as file:
        length = int(file["train/vision_valid"][0].sum())
    for recipe in (PAPER, PUBLISHED):
        corpus = load_corpus(path, network_of(model).form(recipe), recipe)
        batch = corpus.parts["train"].batch(torch.tensor([0]))
        assert int(batch.lengths["vision"][0]) == length
        steps = length if recipe is PAPER else corpus.inputs.steps["vision"]
        assert batch.padded("vision").shape[1] == steps


def test_every_modality_may_have_a_mask(copied: Path) -> None:
    with h5py.File(copied, "r+") as file:
        for part in ("train", "valid", "test"):
            valid = np.ones(file[part]["audio"].shape[:2], np.uint8)
            valid[:, 0] = 0
            file[part]["audio_valid"] = valid
        length = int(file["train/audio_lengths"][0])
        expected = file["train/audio"][0, 1:length].mean(0)
    raw = PAPER.model_copy(update={"scaling": "none"})
    batch = load_corpus(copied, "mean", raw).parts["train"].batch(torch.tensor([0]))
    np.testing.assert_allclose(batch.padded("audio")[0], expected, rtol=1e-4, atol=1e-3)


def test_a_clip_is_predicted_from_the_modalities_that_the_model_was_trained_on(
    tiny: Path, tmp_path: Path, config_for: MakeConfig
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", ["audio", "vision"])
    config = one_epoch(config_for, path, "mtfn")
    train_model(config, "table2", "mtfn")
    folder = config.processed / "experiments/table2/mtfn"
    rng = np.random.default_rng(0)
    arrays = {m: rng.standard_normal((5, d), np.float32) for m, d in DIMS.items()}
    found = predict_features(folder, arrays)
    assert set(found) == {"M", "A", "V"}
    assert found == predict_features(folder, {m: arrays[m] for m in ("audio", "vision")})
    masked = {"vision": np.array([1, 1, 0, 0, 0]), "audio": np.array([1, 0, 0, 0, 0])}
    shorter = {"audio": arrays["audio"][:1], "vision": arrays["vision"][:2]}
    assert predict_features(folder, arrays, masked) == predict_features(folder, shorter)
    assert predict_features(folder, arrays, masked) != found


def of_whole_clips(path: Path, modality: str) -> Path:
    """Replace a feature by one row per clip, as functionals are; the first clip has none."""
    with h5py.File(path, "r+") as file:
        for part in ("train", "valid", "test"):
            rows = file[part][modality][:, :1]
            rows[0] = 0
            lengths = np.array([0] + [1] * (len(rows) - 1), np.int32)
            for name, values in ((modality, rows), (f"{modality}_lengths", lengths)):
                del file[part][name]
                file[part][name] = values
            if f"{modality}_valid" in file[part]:
                del file[part][f"{modality}_valid"]
            file.attrs[f"digest_{part}"] = f"{part} {modality} of whole clips"
    return path


@pytest.mark.parametrize("preset", ["paper", "published"])
@pytest.mark.parametrize(
    ("kept", "whole"),
    [(("text", "audio"), ["audio"]), (("audio", "vision"), ["audio"]), (tuple(DIMS), ["vision"])],
)
def test_every_model_takes_features_of_whole_clips(
    kept: tuple[str, ...],
    whole: list[str],
    preset: str,
    tiny: Path,
    tmp_path: Path,
    config_for: MakeConfig,
) -> None:
    path = without(tiny, tmp_path / "dataset.h5", kept)
    for modality in whole:
        of_whole_clips(path, modality)
    for model in MODELS:
        config = one_epoch(config_for, path, model, preset=preset)
        train_model(config, "table2", model)
        scores = metrics_of(config, model)["test"]["M"]["scores"]
        assert all(np.isfinite(value) for value in scores.values()), (model, scores)


def test_a_feature_of_whole_clips_is_no_anchor_of_a_sequence() -> None:
    dims = {"audio": 88, "vision": 177}
    assert Inputs(dims, {"audio": 1, "vision": 200}).anchor == "vision"
    assert Inputs(dims, {"audio": 500, "vision": 200}).anchor == "vision"
    assert Inputs(dims, {"audio": 1, "vision": 1}).anchor == "audio"
    assert Inputs({"text": 8, **dims}, {"text": 1, "audio": 9, "vision": 9}).anchor == "text"


@pytest.mark.parametrize("model", ["ef_lstm", "mfn"])
def test_a_feature_of_whole_clips_is_the_same_at_every_step(model: str) -> None:
    torch.manual_seed(0)
    inputs = Inputs({"text": 4, "audio": 3}, {"text": 6, "audio": 1})
    made = build_model(model, hyper_for(model, "paper", {}), inputs, ("M",), PAPER)
    assert isinstance(made, AlignedModel)
    assert made.followers == () and made.undecayed() == []
    lengths = {"text": torch.tensor([6, 2]), "audio": torch.tensor([1, 1])}
    streams = {"text": torch.randn(2, 6, 4), "audio": torch.randn(2, 1, 3)}
    aligned, loss = made.in_lockstep(Batch(dict(streams), lengths, {}))
    audio = aligned["audio"]
    assert loss is None and audio.shape == (2, 6, 3)
    assert torch.equal(audio[0], streams["audio"][0].expand(6, 3))
    assert torch.equal(audio[1, :2], streams["audio"][1].expand(2, 3))
    assert not audio[1, 2:].any()
