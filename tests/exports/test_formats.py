"""The other formats, each read back by the library that it is meant for."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.errors import BuildError
from pipeline.exports import card, huggingface, webdataset
from pipeline.exports.run import export
from tests.exports.corpus import Shape, dataset
from tests.exports.tools import fetched, run_with

FOUR = {"train": 5, "valid": 2, "test": 3, "unlabelled": 4}
SHAPES = {
    "whole": Shape(parts=FOUR, lacking="TV", dots=True),
    "no_vision": Shape({"text": 3, "audio": 2}),
}

HUGGINGFACE = """
import sys, numpy, datasets
folder, out = sys.argv[1:]
loaded = datasets.load_dataset(folder, cache_dir=out)
found = {}
for split, rows in loaded.items():
    for i, row in enumerate(rows.with_format("numpy")):
        for name, value in row.items():
            found[f"{split}|{i}|{name}"] = numpy.asarray("" if value is None else value)
features = next(iter(loaded.values())).features
found["types"] = numpy.array([f"{k}={v}" for k, v in features.items()])
found["widths"] = numpy.array([features[m].feature.length
                               for m in ("text", "audio", "vision") if m in features])
numpy.savez(out + "/found.npz", **found)
"""

WEBDATASET = """
import sys, numpy, webdataset
folder, out = sys.argv[1:]
import glob
found, order = {}, []
for path in sorted(glob.glob(folder + "/*.tar")):
    for sample in webdataset.WebDataset(path, shardshuffle=False).decode():
        name = sample["json"]["id"]
        order.append(name)
        for key in sample:
            if not key.startswith("__") and key != "json":
                found[name + "|" + key] = numpy.asarray(sample[key])
        for own, value in sample["json"]["columns"].items():
            found[name + "|" + own] = numpy.asarray("" if value is None else value)
        for task, value in sample["json"]["labels"].items():
            found[name + "|" + task] = numpy.asarray("" if value is None else value)
        found[name + "|key"] = numpy.asarray(sample["__key__"])
found["order"] = numpy.array(order)
numpy.savez(out + "/found.npz", **found)
"""


def clips_of(path: Path) -> list[dict[str, Any]]:
    """Return the clips of a dataset file, without padding, by h5py alone."""
    found = []
    with h5py.File(path) as file:
        for part in (p for p in FOUR if p in file):
            group = file[part]
            for i, clip in enumerate(group["id"].asstr()[:]):
                clip_of: dict[str, Any] = {"id": clip, "part": part, "row": i}
                clip_of["text"] = group["raw_text"].asstr()[i]
                clip_of["labels"] = {t: group[f"labels/{t}"][i] for t in "MTAV"}
                clip_of["duration"] = group["quality/duration"][i]
                clip_of["emotion"] = group["columns/emotion"].asstr()[i]
                clip_of["score"] = group["columns/score"][i]
                clip_of["arrays"] = {
                    m: group[m][i, : group[f"{m}_lengths"][i]]
                    for m in ("text", "audio", "vision")
                    if m in group
                }
                if "vision_valid" in group:
                    clip_of["valid"] = group["vision_valid"][i, : group["vision_lengths"][i]]
                found.append(clip_of)
    return found


def same_label(found: Any, label: np.float32) -> bool:
    if np.isnan(label):
        return str(found) in ("", "nan")
    return bool(np.float32(found) == label)


def same_score(found: Any, score: float) -> bool:
    if np.isnan(score):
        return str(found) in ("", "nan", "None")
    return float(found) == score


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_datasets_loads_what_was_exported(shape: Shape, tmp_path: Path) -> None:
    tool = fetched("datasets")
    config = dataset(tmp_path / "build", shape)
    (tmp_path / "out").mkdir()
    folder = export(config, "huggingface", tmp_path / "hub").path
    run_with(tool, HUGGINGFACE, str(folder), str(tmp_path / "out"))
    found = np.load(tmp_path / "out/found.npz")
    for clip in clips_of(config.layout.dataset):
        at = f"{huggingface.SPLITS.get(clip['part'], clip['part'])}|{clip['row']}"
        assert str(found[f"{at}|id"]) == clip["id"]
        assert str(found[f"{at}|raw_text"]) == clip["text"]
        for modality, values in clip["arrays"].items():
            np.testing.assert_array_equal(found[f"{at}|{modality}"].reshape(values.shape), values)
        if "valid" in clip:
            np.testing.assert_array_equal(found[f"{at}|vision_valid"], clip["valid"])
        assert all(same_label(found[f"{at}|{t}"], label) for t, label in clip["labels"].items())
        assert np.float32(found[f"{at}|quality_duration"]) == clip["duration"]
        assert str(found[f"{at}|column_emotion"]) == clip["emotion"]
        assert same_score(found[f"{at}|column_score"], clip["score"])
    assert found["widths"].tolist() == list(shape.widths.values())
    assert any("class=ClassLabel" in words for words in found["types"])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_webdataset_reads_what_was_exported(
    shape: Shape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = fetched("webdataset")
    monkeypatch.setattr(webdataset, "SHARD_BYTES", 200)  # several shards per part
    config = dataset(tmp_path / "build", shape)
    folder = export(config, "webdataset", tmp_path / "shards").path
    run_with(tool, WEBDATASET, str(folder), str(tmp_path))
    found, clips = np.load(tmp_path / "found.npz"), clips_of(config.layout.dataset)
    assert sorted(found["order"].tolist()) == sorted(clip["id"] for clip in clips)
    assert len(list(folder.glob("train-*.tar"))) > 1
    for clip in clips:
        name = clip["id"]
        assert str(found[f"{name}|txt"]) == clip["text"]
        for modality, values in clip["arrays"].items():
            np.testing.assert_array_equal(found[f"{name}|{modality}.npy"], values)
        assert all(same_label(found[f"{name}|{t}"], label) for t, label in clip["labels"].items())
        assert str(found[f"{name}|emotion"]) == clip["emotion"]
        assert same_score(found[f"{name}|score"], clip["score"])
        assert "." not in str(found[f"{name}|key"]).rpartition("/")[2]
    described = json.loads((folder / "dataset.json").read_text("utf-8"))
    assert sum(described["shards"].values()) == len(clips)
    assert described["audio_names"][0] == "audio 0"


def test_csd_has_the_layout_of_the_sdk(tmp_path: Path) -> None:
    config = dataset(tmp_path / "build", SHAPES["whole"])
    folder = export(config, "csd", tmp_path / "csd").path
    clips = clips_of(config.layout.dataset)
    for modality, rate in (("audio", 43.07), ("vision", 30), ("text", None)):
        with h5py.File(folder / f"{modality}.csd") as file:
            (root,) = file  # the SDK takes the first group
            data, metadata = file[root]["data"], file[root]["metadata"]
            said = {key: json.loads(metadata[key].asstr()[0]) for key in metadata}
            assert said["root name"] == root == modality
            width = next(iter(data.values()))["features"].shape[1]
            assert said["dimension names"] == [f"{modality} {i}" for i in range(width)]
            assert len(data) == len(clips)
            for clip in clips:
                entry = data[clip["id"].replace("/", "$_$")]
                values, times = clip["arrays"][modality], entry["intervals"][:]
                np.testing.assert_array_equal(entry["features"][:], values)
                assert times.shape == (len(values), 2)
                if rate:
                    np.testing.assert_allclose(times[:, 0], np.arange(len(values)) / rate)
                    np.testing.assert_allclose(times[:, 1] - times[:, 0], 1 / rate)
                else:
                    assert (times == [0, float(str(clip["duration"]))]).all()
    with h5py.File(folder / "labels.csd") as file:
        for clip in clips:
            labels = file["labels/data"][clip["id"].replace("/", "$_$")]["features"][0]
            np.testing.assert_array_equal(labels, list(clip["labels"].values()))
    folds = json.loads((folder / "folds.json").read_text("utf-8"))
    assert {part: len(entries) for part, entries in folds.items()} == FOUR


def test_csd_needs_times(tmp_path: Path) -> None:
    config = dataset(tmp_path)
    with h5py.File(config.layout.dataset, "a") as file:
        file.attrs["modalities"] = "{}"
    with pytest.raises(BuildError, match="intervals in seconds"):
        export(config, "csd")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_pandas_reads_the_table(shape: Shape, tmp_path: Path) -> None:
    config = dataset(tmp_path / "build", shape)
    path = export(config, "csv", tmp_path / "clips.csv").path
    table = pd.read_csv(path, dtype={"clip_id": str}, keep_default_na=False)
    clips = clips_of(config.layout.dataset)
    assert table["id"].tolist() == [clip["id"] for clip in clips]
    assert table["part"].tolist() == [clip["part"] for clip in clips]
    assert table["text"].tolist() == [clip["text"] for clip in clips]
    for task in "MTAV":
        assert all(map(same_label, table[task], (clip["labels"][task] for clip in clips)))
    durations = table["duration"].astype(np.float32)
    assert durations.tolist() == [clip["duration"] for clip in clips]
    assert table["column_emotion"].tolist() == [clip["emotion"] for clip in clips]
    assert all(map(same_score, table["column_score"], (clip["score"] for clip in clips)))
    lengths = [len(clip["arrays"]["audio"]) for clip in clips]
    assert table["audio_length"].tolist() == lengths


@pytest.mark.parametrize("form", ["huggingface", "webdataset", "csd", "csv", "mmsa"])
def test_the_same_dataset_gives_the_same_bytes(form: str, tmp_path: Path) -> None:
    first, second = (
        export(dataset(tmp_path / name / "build", SHAPES["whole"]), form, tmp_path / name / "out")
        for name in ("one", "two")
    )
    assert content(first.path) == content(second.path)


def test_a_changed_kept_column_is_exported_again(tmp_path: Path) -> None:
    config = dataset(tmp_path / "build")
    path = export(config, "csv", tmp_path / "clips.csv").path
    before = path.read_bytes()
    assert export(config, "csv", tmp_path / "clips.csv").was_there
    with h5py.File(config.layout.dataset, "a") as file:
        file["train/columns/score"][0] = 0.5
    export(config, "csv", tmp_path / "clips.csv")
    assert path.read_bytes() != before


def test_a_change_of_unlabelled_clips_alone_is_exported_again(tmp_path: Path) -> None:
    config = dataset(tmp_path / "build", SHAPES["whole"])
    assert not export(config, "webdataset", tmp_path / "out").was_there
    with h5py.File(config.layout.dataset, "a") as file:
        file.attrs["digest_unlabelled"] = "another"
    assert not export(config, "webdataset", tmp_path / "out").was_there


def content(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_the_card_shows_text_as_text(tmp_path: Path) -> None:
    folder = export(dataset(tmp_path / "build"), "huggingface", tmp_path / "hub").path
    page = (folder / "README.md").read_text("utf-8")
    _, header, body = page.split("---\n", 2)
    assert {d["split"] for d in yaml.safe_load(header)["configs"][0]["data_files"]} == {
        *("train", "validation", "test"),
    }
    assert "<mine>" not in body and "&lt;mine&gt; \\| \\`yours\\`" in body
    assert "- \\*\\*bold\\*\\* warning \\# heading" in body
    assert not re.search(r"(?<!\\)\[says", body)


@pytest.mark.parametrize("module", [card, webdataset])
def test_the_examples_of_the_docstrings_hold(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
