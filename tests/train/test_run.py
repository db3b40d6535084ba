"""Training runs: reproducible to the bit, resumable by seed, written whole."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from pipeline.config import Config
from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError
from pipeline.train.load import load_model, predict_features
from pipeline.train.run import train_model

FILES = {"metrics.json", "predictions.csv", "curve.csv", "weights.safetensors", "config.json"}
MakeConfig = Callable[..., Config]
DIMS = {"text": 768, "audio": 33, "vision": 709}


def seed_folder(config: Config, model: str, seed: int) -> Path:
    return config.processed / "experiments" / "table2" / model / f"seed_{seed}"


def contents(config: Config, model: str) -> dict[str, bytes]:
    root = config.processed / "experiments"
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and model in str(p)
    }


def test_repeats_and_core_counts_give_the_same_bytes(copied: Path, config_for: MakeConfig) -> None:
    config = config_for(copied)
    train_model(config, "table2", "mlf_dnn", jobs=1)
    first = contents(config, "mlf_dnn")
    assert {Path(name).name for name in first} == FILES | {"mlf_dnn.json"}
    for seed in (1, 12):
        (seed_folder(config, "mlf_dnn", seed) / "metrics.json").unlink()
    train_model(config, "table2", "mlf_dnn", jobs=2)
    assert contents(config, "mlf_dnn") == first


def test_only_what_is_missing_or_changed_is_trained(copied: Path, config_for: MakeConfig) -> None:
    config = config_for(copied)
    train_model(config, "table2", "lf_dnn")
    stamps = {s: seed_folder(config, "lf_dnn", s).stat().st_mtime_ns for s in (1, 12)}
    (seed_folder(config, "lf_dnn", 12) / "metrics.json").unlink()
    train_model(config_for(copied, seeds=[1, 12, 123]), "table2", "lf_dnn")
    assert seed_folder(config, "lf_dnn", 1).stat().st_mtime_ns == stamps[1]
    assert seed_folder(config, "lf_dnn", 12).stat().st_mtime_ns != stamps[12]
    assert (seed_folder(config, "lf_dnn", 123) / "metrics.json").exists()
    other = config_for(copied, hyper={"lf_dnn": {"learning_rate": 0.01}})
    keys = train_model(other, "table2", "lf_dnn")
    stored = json.loads((seed_folder(other, "lf_dnn", 1) / "metrics.json").read_text("utf-8"))
    assert stored["key"] == keys["lf_dnn/seed_1"]
    assert seed_folder(config, "lf_dnn", 1).stat().st_mtime_ns != stamps[1]


def test_a_killed_seed_leaves_nothing_that_looks_finished(
    copied: Path, config_for: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(copied)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.train.seed._write_csv", fail)
    with pytest.raises(KeyboardInterrupt):
        train_model(config, "table2", "lf_dnn")
    assert not seed_folder(config, "lf_dnn", 1).exists()
    assert not list(seed_folder(config, "lf_dnn", 1).parent.iterdir())


_NO_ROOM = """
import json, resource, sys
from pipeline.config import load_config
from pipeline.errors import BuildError
from pipeline.train.run import train_model
resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))  # a file ends where a disk would
try:
    train_model(load_config(assignments=json.loads(sys.argv[1])), "table2", "lf_dnn", 2)
except BuildError as error:
    print(error)
"""


def test_a_full_disk_is_told_and_leaves_no_part_of_a_seed(copied: Path) -> None:
    settings = [f"processed={copied.parent}", "train.seeds=[1, 2]", "train.max_epochs=1"]
    command = [sys.executable, "-c", _NO_ROOM, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"cannot write .*/lf_dnn/seed_[12]: .*[Ff]ile too large", done.stdout)
    assert "free disk space" in done.stdout
    assert not [path for path in copied.parent.rglob("*seed_*") if path.is_dir()]


_LONG = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from pipeline.config import load_config
from pipeline.train.run import train_model
if __name__ == "__main__":
    train_model(load_config(assignments=json.loads(sys.argv[1])), "table2", "lf_dnn", 2)
"""


@pytest.mark.parametrize("blow", ["interrupt", "a child is killed"])
def test_a_training_that_is_hit_ends_and_takes_its_processes_along(
    copied: Path, tmp_path: Path, blow: str
) -> None:
    assignments = [
        f"processed={copied.parent}", f"train.seeds={list(range(1, 9))}",
        "train.max_epochs=1000", "train.patience=1000",
    ]  # fmt: skip
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-c", _LONG, json.dumps(assignments)],
        stderr=log,
        start_new_session=True,
    )
    parent = psutil.Process(process.pid)
    deadline = time.monotonic() + 240
    while len(parent.children()) < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)  # they train, or wait for their turn
    children = parent.children()
    assert len(children) == 5
    if blow == "interrupt":
        os.killpg(process.pid, signal.SIGINT)
    else:
        children[0].kill()
    assert process.wait(120) != 0
    log.seek(0)
    assert ("KeyboardInterrupt" if blow == "interrupt" else "BrokenProcessPool") in log.read()
    assert not psutil.wait_procs(children, timeout=60)[1]


def test_training_stops_early_with_the_best_weights(copied: Path, config_for: MakeConfig) -> None:
    config = config_for(copied, max_epochs=60, patience=3, seeds=[1])
    train_model(config, "table2", "lf_dnn")
    folder = seed_folder(config, "lf_dnn", 1)
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    with (folder / "curve.csv").open(encoding="utf-8") as stream:
        losses = [float(row["valid_loss"]) for row in csv.DictReader(stream)]
    assert metrics["epochs"] == len(losses) < 60
    assert metrics["best_epoch"] == 1 + int(np.argmin(losses)) == len(losses) - 3
    assert metrics["valid"]["M"]["scores"]["mae"] == pytest.approx(min(losses), abs=1e-6)


def test_unimodal_tasks_are_scored_on_their_own_labels_or_as_published_on_m(
    copied: Path, config_for: MakeConfig
) -> None:
    with h5py.File(copied) as file:
        truth = {task: file[f"test/labels/{task}"][:] for task in "MA"}
    for preset, label in (("paper", "A"), ("published", "M")):
        config = config_for(copied, preset=preset, seeds=[1])
        train_model(config, "table2", "mlf_dnn")
        path = seed_folder(config, "mlf_dnn", 1) / "predictions.csv"
        with path.open(encoding="utf-8") as stream:
            rows = [r for r in csv.DictReader(stream) if r["part"] == "test" and r["task"] == "A"]
        assert [float(r["label"]) for r in rows] == [round(float(v), 4) for v in truth[label]]


def test_a_loaded_model_predicts_a_clip_as_the_training_did(
    copied: Path, config_for: MakeConfig
) -> None:
    for preset, model in (("paper", "mlf_dnn"), ("published", "mlf_dnn"), ("paper", "ef_lstm")):
        config = config_for(copied, preset=preset)
        train_model(config, "table2", model)
        with h5py.File(copied) as file:
            test, clip = file["test"], file["test/id"][2].decode()
            arrays = {s: test[s][2, : int(test[f"{s}_lengths"][2])] for s in MODALITIES}
        found = predict_features(seed_folder(config, model, 1).parent, arrays)
        rows = []
        for seed in (1, 12):
            path = seed_folder(config, model, seed) / "predictions.csv"
            with path.open(encoding="utf-8") as stream:
                rows += [r for r in csv.DictReader(stream) if r["clip"] == clip]
        for task, (mean, std) in found.items():
            values = np.clip([float(r["prediction"]) for r in rows if r["task"] == task], -1, 1)
            assert mean == pytest.approx(values.mean(), abs=1e-5)
            assert std == pytest.approx(values.std(), abs=1e-5)


def test_seeds_that_are_no_longer_asked_for_do_not_predict(
    copied: Path, config_for: MakeConfig
) -> None:
    train_model(config_for(copied), "table2", "lf_dnn")
    config = config_for(copied, seeds=[1], max_epochs=2)
    train_model(config, "table2", "lf_dnn")
    assert seed_folder(config, "lf_dnn", 12).is_dir()
    arrays = {m: np.ones((3, d), np.float32) for m, d in DIMS.items()}
    (_, spread) = predict_features(seed_folder(config, "lf_dnn", 1).parent, arrays)["M"]
    assert spread == 0


def test_published_scores_on_m_are_of_tasks_learned_beside_m(
    copied: Path, config_for: MakeConfig
) -> None:
    config = config_for(copied, preset="published", seeds=[1])
    train_model(config, "table2", "mlf_dnn")
    train_model(config, "table4", "mlf_dnn")
    root = config.processed / "experiments"
    beside = json.loads((root / "table2/mlf_dnn/seed_1/metrics.json").read_text("utf-8"))
    alone = json.loads((root / "table4/A-by-A/seed_1/metrics.json").read_text("utf-8"))
    assert beside["test"]["A"]["label"] == "M"
    assert alone["test"]["A"]["label"] == "A"


def test_every_model_trains_on_a_demo_sized_corpus(copied: Path, config_for: MakeConfig) -> None:
    small = {"text_hidden": 8, "audio_hidden": 4, "vision_hidden": 8, "text_out": 8}
    for model in ("ef_lstm", "mfn", "lmf", "tfn", "mult", "mlmf", "mtfn"):
        if model == "mult":
            hyper = {model: {"width": 10, "heads": 2}}
        else:
            hyper = {} if model in ("ef_lstm", "mfn") else {model: small}
        config = config_for(copied, seeds=[1], max_epochs=2, hyper=hyper)
        train_model(config, "table2", model)
        loaded = load_model(seed_folder(config, model, 1))
        assert loaded.config["model"] == model
        scores = json.loads((seed_folder(config, model, 1) / "metrics.json").read_text("utf-8"))
        assert all(np.isfinite(v) for v in scores["test"]["M"]["scores"].values())


def test_feature_of_another_size_is_refused(copied: Path, config_for: MakeConfig) -> None:
    config = config_for(copied, seeds=[1])
    train_model(config, "table2", "lf_dnn")
    folder = seed_folder(config, "lf_dnn", 1).parent
    arrays = {m: np.zeros((3, d), np.float32) for m, d in DIMS.items()}
    with pytest.raises(BuildError, match=r"audio features of 33 dimensions, found .*\(3, 20\)"):
        predict_features(folder, {**arrays, "audio": np.zeros((3, 20), np.float32)})
    del arrays["vision"]
    with pytest.raises(BuildError, match="vision features of 709 dimensions, found none"):
        predict_features(folder, arrays)


def test_a_folder_that_is_no_model_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="is not a trained model"):
        load_model(tmp_path)


def test_an_error_in_a_worker_process_reaches_the_caller(
    copied: Path, config_for: MakeConfig
) -> None:
    broken = config_for(copied, hyper={"lf_dnn": {"learning_rate": 1e30}}, max_epochs=30)
    with pytest.raises(BuildError, match="the loss of seed"):
        train_model(broken, "table2", "lf_dnn", jobs=2)
