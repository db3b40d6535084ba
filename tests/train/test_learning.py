"""Models learn what is planted, and unimodal labels help when they carry information."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pipeline.train.data import Corpus
from pipeline.train.hyper import TASKS
from pipeline.train.metrics import scores
from pipeline.train.models import build_model, network_of
from pipeline.train.read import load_corpus
from pipeline.train.recipe import PAPER
from pipeline.train.registry import MODELS, hyper_for
from pipeline.train.trainer import Plan, fit, predict, seed_everything

STEPS = {"text": 10, "audio": 24, "vision": 12}
CPU = torch.device("cpu")
# small enough for a test; the corpus is 40 times smaller than the paper's too
SMALL = {"text_hidden": 32, "audio_hidden": 16, "vision_hidden": 32, "text_out": 16}


QUICK: dict[str, dict[str, object]] = {
    "ef_lstm": {"batch_size": 32, "learning_rate": 3e-3},
    "mfn": {},
    "mult": {"width": 20, "heads": 4, "accumulate": 1, "learning_rate": 2e-3},
}
EPOCHS = {"mult": 8, "ef_lstm": 25}
Scores = dict[str, float]


def learned(
    corpus: Corpus, model: str, tasks: tuple[str, ...], seed: int, epochs: int = 60, **hyper: object
) -> Scores:
    """Train one seed and score M on the test part."""
    chosen = hyper_for(model, "paper", hyper)
    plan = Plan({task: task for task in tasks}, chosen, PAPER, seed, epochs, 8)
    seed_everything(seed)
    network = build_model(model, chosen, corpus.inputs, tasks, PAPER)
    fit(network, corpus, plan, CPU)
    part = corpus.parts["test"]
    return scores(predict(network, part, CPU)["M"], part.labels["M"].numpy())


@pytest.fixture(scope="module")
def clear(planted: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus whose features tell the labels almost without error."""
    path = tmp_path_factory.mktemp("clear") / "dataset.h5"
    strength = {"text": 0.5, "audio": 0.6, "vision": 0.3}
    planted.write_planted(path, (240, 80, 160), steps=STEPS, seed=3, strength=strength)
    return path


@pytest.mark.parametrize("model", MODELS)
def test_each_model_learns_what_its_inputs_tell(model: str, clear: Path) -> None:
    corpus = load_corpus(clear, network_of(model).form(PAPER), PAPER)
    tasks = MODELS[model].tasks
    hyper = QUICK.get(model, {**SMALL, "text_out": 8, "batch_size": 32})
    found = learned(corpus, model, tasks, 1, EPOCHS.get(model, 60), **hyper)
    truth = corpus.parts["test"].labels["M"].numpy()
    majority = max(np.mean(truth > 0), np.mean(truth <= 0))
    assert found["acc2"] > majority + 0.2
    assert found["corr"] > 0.8


def unimodal_gain(planted: ModuleType, folder: Path, *, shuffled: bool) -> float:
    """How much T, A, V labels lower the MAE of M, where the M labels to learn from are noisy."""
    path = folder / f"shuffled_{shuffled}.h5"
    planted.write_planted(
        path,
        (160, 120, 300),
        seed=5,
        steps=STEPS,
        strength={"text": 0.25, "audio": 0.3, "vision": 0.15},
        label_noise=1.5,
        shuffle_unimodal=shuffled,
    )
    corpus = load_corpus(path, "mean", PAPER)
    single, multi = (
        np.mean(
            [learned(corpus, "mlf_dnn", tasks, seed, **SMALL)["mae"] for seed in (1, 2, 3, 4, 5)]
        )
        for tasks in (("M",), TASKS)
    )
    return float(single - multi)


def test_multi_task_wins_by_informative_unimodal_labels_and_loses_the_edge_when_shuffled(
    planted: ModuleType, tmp_path: Path
) -> None:
    informative = unimodal_gain(planted, tmp_path, shuffled=False)
    assert informative > 0.01
    assert unimodal_gain(planted, tmp_path, shuffled=True) < 0.5 * informative
