"""A training that is killed goes on within the seed and ends with the same bytes."""

from __future__ import annotations

import json
import logging
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import psutil
import pytest
import torch
from safetensors import SafetensorError, safe_open

from pipeline.config import Config
from pipeline.train.checkpoint import Checkpoint, Progress, Training
from pipeline.train.run import train_model
from tests.train.conftest import STEPS
from tests.train.test_run import contents, seed_folder

MakeConfig = Callable[..., Config]
EPOCHS = 8
HIT = 5  # the epoch in whose middle a training is hit

_TRAIN = """
import json, signal, sys, time
from pathlib import Path
from pipeline.config import load_config
from pipeline.train import checkpoint, trainer
from pipeline.train.run import train_model
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # as workflow/job.py
model, cores, assignments, hit, marker = json.loads(sys.argv[1])
checkpoint._PATIENCE = 0  # after every epoch, however short
epochs, train_epoch = 0, trainer._train_epoch
def slow(*arguments):
    global epochs
    epochs += 1
    result = train_epoch(*arguments)  # weights, moments and random states are those of its end
    if epochs == hit:
        Path(marker).touch()
        time.sleep(600)
    return result
trainer._train_epoch = slow
train_model(load_config(assignments=assignments), "table2", model, cores)
"""


def settings(model: str, preset: str, seeds: tuple[int, ...]) -> dict[str, object]:
    return {
        "models": [model],
        "preset": preset,
        "seeds": list(seeds),
        "max_epochs": EPOCHS,
        "patience": EPOCHS,
        "checkpoint_seconds": 0,
    }


def started(folder: Path, values: dict[str, object], model: str, cores: int) -> psutil.Popen:
    assignments = [f"processed={folder}", "train.device=cpu"]
    assignments += [f"train.{name}={json.dumps(value)}" for name, value in values.items()]
    asked = json.dumps([model, cores, assignments, HIT, str(folder / "hit")])
    return psutil.Popen([sys.executable, "-c", _TRAIN, asked], stderr=subprocess.PIPE, text=True)


def stored_epoch(path: Path) -> int:
    """Return the epoch of a checkpoint."""
    with safe_open(path, framework="np") as file:
        return int(json.loads(file.metadata()["training"])["epoch"])


def checkpoint_of(config: Config, model: str, seed: int = 1) -> Path:
    return seed_folder(config, model, seed).with_name(f"checkpoint_{seed}.safetensors")


def hit_in_the_middle(process: psutil.Popen, marker: Path, how: signal.Signals) -> float:
    """End a training in the middle of an epoch; return how long it took to leave."""
    deadline = time.monotonic() + 300
    while not marker.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the epoch was not reached in time"
        time.sleep(0.01)
    family = [process, *process.children(recursive=True)]
    told = time.monotonic()
    if how == signal.SIGKILL:
        for each in family:
            each.kill()
    else:
        process.send_signal(how)
    assert process.wait(240) != 0
    assert not psutil.wait_procs(family, timeout=60)[1]
    return time.monotonic() - told


@pytest.mark.parametrize(
    ("model", "preset", "cores", "how"),
    [
        ("mlf_dnn", "paper", 1, signal.SIGKILL),
        ("mlmf", "published", 2, signal.SIGTERM),
        ("mult", "published", 1, signal.SIGKILL),
    ],
)
def test_a_killed_seed_goes_on_and_ends_with_the_same_bytes(
    copied: Path,
    config_for: MakeConfig,
    caplog: pytest.LogCaptureFixture,
    model: str,
    preset: str,
    cores: int,
    how: signal.Signals,
) -> None:
    """Dropout, data order, Adam's moments, early stopping: all as if nothing had happened."""
    values = settings(model, preset, (1, 12)[:cores])
    config = config_for(copied, **values)
    train_model(config, "table2", model, cores)
    whole = contents(config, model)
    for seed in (1, 12)[:cores]:
        (seed_folder(config, model, seed) / "metrics.json").unlink()
    process = started(copied.parent, values, model, cores)
    assert hit_in_the_middle(process, copied.parent / "hit", how) < 20  # slurm.conf: KillWait is 30
    reached = [stored_epoch(path) for path in copied.parent.rglob("checkpoint_*.safetensors")]
    assert max(reached) == HIT - 1
    with caplog.at_level(logging.INFO, "pipeline.train.checkpoint"):
        train_model(config, "table2", model)
    assert [message for message in caplog.messages if "goes on after epoch" in message]
    assert len(caplog.messages) == len(reached)
    assert contents(config, model) == whole
    assert not list(copied.parent.rglob("*checkpoint*"))


@pytest.fixture
def part(copied: Path, config_for: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A training of LF-DNN that stopped after its third epoch, and left its checkpoint."""
    monkeypatch.setattr("pipeline.train.checkpoint._PATIENCE", 0)
    config = config_for(copied, **settings("lf_dnn", "paper", (1,)))

    def stop(epoch: int) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.train.progress.EpochBars.reporter", lambda *_: stop)
        with pytest.raises(KeyboardInterrupt):
            train_model(config, "table2", "lf_dnn")
    assert stored_epoch(checkpoint_of(config, "lf_dnn")) == 3
    return config


def epochs_run(config: Config, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Train LF-DNN to its end; return the epochs that it needed for this."""
    seen: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.train.progress.EpochBars.reporter", lambda *_: seen.append)
        train_model(config, "table2", "lf_dnn")
    return seen


def test_a_checkpoint_of_other_settings_or_data_is_never_used(
    part: Config,
    copied: Path,
    planted: ModuleType,
    config_for: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = settings("lf_dnn", "paper", (1,))
    other = config_for(copied, **{**values, "hyper": {"lf_dnn": {"learning_rate": 0.01}}})
    path = checkpoint_of(part, "lf_dnn")
    kept = path.read_bytes()
    assert epochs_run(other, monkeypatch) == list(range(1, EPOCHS + 1))
    path.write_bytes(kept)
    planted.write_planted(copied, (18, 6, 6), seed=1, steps=STEPS)
    shutil.rmtree(seed_folder(part, "lf_dnn", 1))
    assert epochs_run(part, monkeypatch) == list(range(1, EPOCHS + 1))


def test_a_checkpoint_is_used_where_only_the_operation_differs(
    part: Config, copied: Path, config_for: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {**settings("lf_dnn", "paper", (1,)), "checkpoint_seconds": 1000}
    assert epochs_run(config_for(copied, **values), monkeypatch) == list(range(4, EPOCHS + 1))


@pytest.mark.parametrize("fault", ["cut short", "one byte changed", "no checkpoint", "empty"])
def test_a_damaged_checkpoint_is_told_and_the_seed_starts_anew(
    part: Config,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = checkpoint_of(part, "lf_dnn")
    data = bytearray(path.read_bytes())
    if fault == "one byte changed":
        data[-100] ^= 1
    path.write_bytes(
        {"cut short": data[:-10], "no checkpoint": b"x" * 100, "empty": b""}.get(fault, data)
    )
    assert epochs_run(part, monkeypatch) == list(range(1, EPOCHS + 1))
    assert "training starts anew" in caplog.text
    assert not path.exists()


def test_what_a_kill_left_of_a_checkpoint_is_removed(
    part: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a file, the file of a seed that was done, and of one no longer configured."""
    path = checkpoint_of(part, "lf_dnn")
    kept = path.read_bytes()
    torn = path.with_name(f".{path.name}.999999999.tmp")
    torn.write_bytes(kept[:100])
    unnamed = path.with_name(".tmp0jXDw9")  # which safetensors fills and then renames
    unnamed.write_bytes(kept[:100])
    assert epochs_run(part, monkeypatch) == list(range(4, EPOCHS + 1))
    assert not unnamed.exists()
    path.write_bytes(kept)
    path.with_name("checkpoint_9.safetensors").write_bytes(kept)
    assert epochs_run(part, monkeypatch) == []
    assert not list(path.parent.glob("*checkpoint*"))


def test_a_full_disk_costs_the_checkpoint_and_not_the_training(
    copied: Path,
    config_for: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("pipeline.train.checkpoint.save_file", full)
    monkeypatch.setattr("pipeline.train.checkpoint._PATIENCE", 0)
    config = config_for(copied, **settings("lf_dnn", "paper", (1,)))
    assert epochs_run(config, monkeypatch) == list(range(1, EPOCHS + 1))
    assert "was not stored" in caplog.text


def test_all_random_states_are_those_of_the_stored_moment(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 1)
    training = Training(
        model, torch.optim.Adam(model.parameters()), torch.Generator(), torch.device("cpu")
    )
    checkpoint = Checkpoint(tmp_path / "checkpoint_1.safetensors", "key", 0)
    progress = Progress(epoch=2, best_weights={"weight": torch.zeros(3)})
    checkpoint.offer(training, progress)
    drawn = [_draw(training) for _ in range(2)]
    assert drawn[0] != drawn[1]
    assert checkpoint.restore(training).epoch == 2
    assert [_draw(training) for _ in range(2)] == drawn


def _draw(training: Training) -> tuple[float, ...]:
    shuffled = torch.rand((), generator=training.shuffle)
    return (random.random(), np.random.rand(), float(torch.rand(())), float(shuffled))
