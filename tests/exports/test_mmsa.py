"""The pickle: read by plain pickle, and trained on by MMSA itself."""

from __future__ import annotations

import json
import pickle
import pickletools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.config import Config, load_config, make_config
from pipeline.exports.pickled import Streamed, write_pickle
from pipeline.exports.run import export
from pipeline.text.extractor import TextExtractor
from pipeline.text.settings import TextSettings
from tests.conftest import ROOT
from tests.exports.corpus import Shape, dataset
from tests.exports.tools import fetched, run_with

PARTS = ("train", "valid", "test")

TRAINING = """
import json, sys
import torch
features, folder = sys.argv[1:]
torch.cuda.set_device = lambda device: None
from MMSA import MMSA_run
from MMSA.config import get_config_regression
from MMSA.data_loader import MMDataLoader
args = get_config_regression("lf_dnn", "sims")
args["featurePath"], args["custom_feature"], args["need_normalized"] = features, None, False
args["feature_T"] = args["feature_A"] = args["feature_V"] = None
loaders = MMDataLoader(args, num_workers=0)
found = {part: sorted(id for batch in loader for id in batch["id"])
         for part, loader in loaders.items()}
sums = {key: float(sum(batch[key].double().abs().sum() for batch in loaders["train"]))
        for key in ("text", "audio", "vision")}
MMSA_run("lf_dnn", "sims", config={"featurePath": features, "early_stop": 0}, seeds=[1],
         gpu_ids=[], num_workers=0, verbose_level=0, model_save_dir=folder, res_save_dir=folder,
         log_dir=folder)
print(json.dumps({"ids": found, "sums": sums}))
"""


@pytest.fixture(scope="module")
def demo(demo_build: Path) -> Config:
    return load_config((ROOT / "config/demo.yaml",), (f"processed={demo_build}",))


@pytest.fixture(scope="module")
def demo_pickle(demo: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(demo, "mmsa", tmp_path_factory.mktemp("mmsa") / "demo.pkl").path


def load(path: Path) -> dict[str, dict[str, Any]]:
    with path.open("rb") as stream:
        found: dict[str, dict[str, Any]] = pickle.load(stream)
    return found


def test_every_value_of_the_dataset_is_in_the_pickle(demo: Config, demo_pickle: Path) -> None:
    content = load(demo_pickle)
    assert list(content) == list(PARTS)
    with h5py.File(demo.layout.dataset) as file:
        for part in PARTS:
            group, ours = file[part], content[part]
            for modality in ("text", "audio", "vision"):
                assert ours[modality].dtype == np.float32
                np.testing.assert_array_equal(ours[modality], group[modality][:])
            for modality in ("audio", "vision"):
                assert ours[f"{modality}_lengths"] == group[f"{modality}_lengths"][:].tolist()
            for task, suffix in zip("MTAV", ("", "_T", "_A", "_V"), strict=True):
                labels = ours[f"regression_labels{suffix}"]
                np.testing.assert_array_equal(labels, group[f"labels/{task}"][:])
                sign = np.sign(labels).astype(int) + 1
                assert ours[f"classification_labels{suffix}"].tolist() == sign.tolist()
            assert ours["id"] == [c.replace("/", "$_$") for c in group["id"].asstr()[:]]
            assert ours["raw_text"] == list(group["raw_text"].asstr()[:])
            names = {-1: "Negative", 0: "Neutral", 1: "Positive"}
            labels = group["labels/M"][:]
            assert ours["annotations"] == [names[int(np.sign(label))] for label in labels]


def test_tokens_are_those_of_the_tokenizer_that_made_the_features(demo_pickle: Path) -> None:
    tokenizer = TextExtractor(TextSettings(model="demo", device="cpu")).tokenizer
    content = load(demo_pickle)["test"]
    ids, mask, types = np.moveaxis(content["text_bert"], 1, 0)
    assert content["text_bert"].dtype == np.float32
    assert content["text_bert"].shape == (5, 3, content["text"].shape[1])
    for row, text in enumerate(content["raw_text"]):
        expected = tokenizer(text)["input_ids"]
        assert ids[row, : len(expected)].tolist() == expected
        assert mask[row].sum() == len(expected)
        assert not content["text"][row, len(expected) :].any()
    assert not types.any()


def test_the_same_dataset_gives_the_same_bytes(demo: Config, demo_pickle: Path) -> None:
    again = export(demo, "mmsa", demo_pickle.with_name("again.pkl")).path
    assert again.read_bytes() == demo_pickle.read_bytes()


def test_mmsa_trains_an_epoch_on_it(demo_pickle: Path, tmp_path: Path) -> None:
    tool = fetched("MMSA")
    said = run_with(tool, TRAINING, str(demo_pickle), str(tmp_path))
    found = json.loads(said.splitlines()[-1])
    content = load(demo_pickle)
    assert {part: sorted(content[part]["id"]) for part in PARTS} == found["ids"]
    for modality, total in found["sums"].items():
        values = content["train"][modality].astype(np.float64)
        assert total == pytest.approx(float(np.abs(values).sum()), rel=1e-6), modality
    assert "Mult_acc_2" in next(tmp_path.rglob("sims.csv")).read_text()


def test_what_the_pickle_cannot_hold_is_said(tmp_path: Path) -> None:
    parts = {"train": 4, "valid": 2, "test": 2, "unlabelled": 3}
    config = dataset(tmp_path, Shape({"text": 6, "audio": 4}, parts, lacking="V"))
    done = export(config, "mmsa")
    words = "\n".join(done.left_out)
    content = load(done.path)
    assert set(content) == set(PARTS)
    assert "unlabelled (3 clips)" in words
    assert "vision: the dataset has no such feature" in words
    assert "V (" in words and "regression_labels_V" not in content["train"]
    assert "regression_labels_T" in content["train"]
    assert "text_bert" in words and "text_bert" not in content["train"]


def test_clips_without_the_label_m_are_left_out(tmp_path: Path) -> None:
    config = dataset(tmp_path, Shape(lacking="M"))
    done = export(config, "mmsa")
    content = load(done.path)
    with h5py.File(config.layout.dataset) as file:
        for part in PARTS:
            labels = file[part]["labels/M"][:]
            keep = ~np.isnan(labels)
            np.testing.assert_array_equal(content[part]["regression_labels"], labels[keep])
            np.testing.assert_array_equal(content[part]["audio"], file[part]["audio"][:][keep])
            assert len(content[part]["id"]) == keep.sum() == len(content[part]["audio_lengths"])
    assert "4 clips without the label M" in done.left_out


def test_another_tokenizer_is_not_taken_for_the_one_that_ran(demo: Config) -> None:
    values = demo.model_dump(mode="json")
    values["text"] = {"model": "nobody/nothing"}
    done = export(make_config(values), "mmsa", demo.processed / "no_tokens.pkl")
    try:
        assert any("text_bert: the tokenizer is not on this machine" in w for w in done.left_out)
        assert "text_bert" not in load(done.path)["train"]
    finally:
        done.path.unlink()
        done.path.with_name("no_tokens.pkl.export.json").unlink()


def test_a_written_pickle_is_plain_pickle_of_a_fixed_protocol(tmp_path: Path) -> None:
    whole = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    value = {
        "a": Streamed((4, 3, 2), lambda: iter([whole[:3], whole[3:]])),
        "b": [1, -5, 2**40, "好\ud800"],
        "c": {"d": np.array([0, 2], np.int64)},
        "e": [],
    }
    path = tmp_path / "x.pkl"
    with path.open("wb") as stream:
        write_pickle(stream, value)
    found = pickle.loads(path.read_bytes())
    np.testing.assert_array_equal(found["a"], whole)
    assert found["b"] == value["b"] and found["c"]["d"].tolist() == [0, 2] and found["e"] == []
    found["a"][0] = 1  # it may be changed, as MMSA does
    assert next(pickletools.genops(path.read_bytes()))[1] == 4


def test_blocks_that_do_not_add_up_are_an_error(tmp_path: Path) -> None:
    short = Streamed((4, 2), lambda: iter([np.zeros((3, 2), np.float32)]))
    with (tmp_path / "x").open("wb") as stream, pytest.raises(ValueError, match="24 were given"):
        write_pickle(stream, {"a": short})
