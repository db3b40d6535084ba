"""A training that goes on within a seed: what it needs is stored after an epoch, now and then.

The file is a safetensors file: plain arrays and a JSON header; reading it never executes code. It
holds the weights, the best ones so far, Adam's moments, the random states and the learning curve.
On the CPU, a training that was killed and goes on from it ends with the same bytes as one that was
not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import BuildError
from pipeline.store.files import digest, package_versions, remove_left_over, written_whole

log = logging.getLogger(__name__)

_VERSION = 1
"""Raised by hand if the file's content changes."""

_PATIENCE = 20
"""Writing may take one part in so many of the time: large models are stored less often."""

Arrays = dict[str, Tensor]


@dataclass
class Progress:
    """How far a training has come.

    Parameters
    ----------
    epoch : int
        Epochs done.
    best : float
        The lowest loss on the valid part.
    best_epoch : int
        The epoch in which it was reached.
    best_weights : dict of str to Tensor
        The weights after that epoch, on the CPU.
    curve : list of dict
        One row per epoch (`pipeline.train.trainer.Fit`).
    """

    epoch: int = 0
    best: float = math.inf
    best_epoch: int = 0
    best_weights: Arrays = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Training:
    """The parts of a training that change with every step."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    shuffle: torch.Generator
    device: torch.device


class Checkpoint:
    """Where one seed's training is stored while it runs.

    Parameters
    ----------
    path : Path
        The file.
    key : str
        The seed's key. A file that was written with another key, for another device or by other
        versions of the libraries is never used.
    seconds : float
        Least time between two writes; 0 for every epoch.
    """

    def __init__(self, path: Path, key: str, seconds: float) -> None:
        self.path = path
        self.key = key
        self.seconds = seconds
        self._written = time.monotonic()
        self._cost = 0.0

    def restore(self, training: Training) -> Progress:
        """Continue from the stored epoch, or from the start if nothing usable is stored."""
        remove_left_over(self.path.parent, self.path.name)
        if not self.path.is_file():
            return Progress()
        try:
            arrays, stored = self._read(training.device)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            log.warning("%s cannot be used, training starts anew: %s", self.path, error)
            self.remove()
            return Progress()
        _apply(arrays, stored, training)
        log.info("%s: goes on after epoch %d", self.path, stored["epoch"])
        return Progress(
            stored["epoch"],
            stored["best"],
            stored["best_epoch"],
            _below("best", arrays),
            stored["curve"],
        )

    def offer(self, training: Training, progress: Progress) -> None:
        """Store the training after an epoch, if it is time.

        A full disk does not end a training: it goes on without, and the log says so.
        """
        start = time.monotonic()
        if start - self._written < max(self.seconds, _PATIENCE * self._cost):
            return
        try:
            self._write(training, progress)
        except (BuildError, SafetensorError) as error:
            log.warning("epoch %d was not stored: %s", progress.epoch, error)
        self._written = time.monotonic()
        self._cost = self._written - start

    def remove(self) -> None:
        """Remove the file, e.g. when the seed is done."""
        self.path.unlink(missing_ok=True)

    def _key_on(self, device: torch.device) -> str:
        packages = dict(package_versions(("torch", "numpy")))
        return digest([_VERSION, self.key, device.type, packages])

    def _write(self, training: Training, progress: Progress) -> None:
        arrays = {
            **_named("model", training.model.state_dict()),
            **_named("best", progress.best_weights),
            **_named("optimizer", dict(_moments(training.optimizer))),
            **_named("random", _random_tensors(training)),
        }
        stored = {
            "key": self._key_on(training.device),
            "epoch": progress.epoch,
            "best": progress.best,
            "best_epoch": progress.best_epoch,
            "curve": progress.curve,
            "python": random.getstate(),
            "numpy": np.random.get_state(legacy=False),
        }
        text = json.dumps(stored, default=_plain)
        seal = _digest(arrays, text)
        with written_whole(self.path) as temporary:
            save_file(arrays, temporary, {"training": text, "digest": seal})

    def _read(self, device: torch.device) -> tuple[Arrays, dict[str, Any]]:
        with safe_open(self.path, framework="pt") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        text = header["training"]
        if header["digest"] != _digest(arrays, text):
            raise ValueError("its content does not have the digest that it carries")
        stored = json.loads(text)
        if stored["key"] != self._key_on(device):
            raise ValueError("it belongs to other settings, data, versions or another device")
        return arrays, stored


def _named(part: str, arrays: Mapping[str, Tensor]) -> Arrays:
    return {f"{part}/{name}": t.detach().cpu().contiguous() for name, t in arrays.items()}


def _below(part: str, arrays: Arrays) -> Arrays:
    own = f"{part}/"
    return {name.removeprefix(own): t for name, t in arrays.items() if name.startswith(own)}


def _moments(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            yield f"{number}/{name}", value


def _random_tensors(training: Training) -> Arrays:
    states = {"torch": torch.get_rng_state(), "shuffle": training.shuffle.get_state()}
    if training.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(training.device)
    return states


def _apply(arrays: Arrays, stored: Mapping[str, Any], training: Training) -> None:
    training.model.load_state_dict(_below("model", arrays))
    moments: dict[int, Arrays] = {}
    for name, value in _below("optimizer", arrays).items():
        number, _, moment = name.partition("/")
        moments.setdefault(int(number), {})[moment] = value
    groups = training.optimizer.state_dict()["param_groups"]
    training.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    states = _below("random", arrays)
    torch.set_rng_state(states["torch"])
    training.shuffle.set_state(states["shuffle"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], training.device)
    version, words, gauss = stored["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(stored["numpy"])


def _digest(arrays: Arrays, text: str) -> str:
    found = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {list(array.shape)}".encode())
        found.update(array.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _plain(value: Any) -> Any:
    """Return numpy's values as JSON knows them."""
    return value.tolist()
