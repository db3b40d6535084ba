"""Count the seeds whose audio head dies: the same output for every clip, without a gradient.

    python benchmarks/heads.py              # 50 seeds of each choice, some minutes

MLF-DNN on a small planted corpus, the audio head 4 or 16 wide, its units ReLU or leaky. A head is
dead when all clips get the same prediction. Printed: the seeds whose head is dead at the start,
after the first epoch and after the last one, and the A task's Acc-2 and MAE (mean, worst seed).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from planted import write_planted

from pipeline.train.data import Corpus
from pipeline.train.metrics import scores
from pipeline.train.models import build_model
from pipeline.train.read import load_corpus
from pipeline.train.recipe import PAPER
from pipeline.train.registry import MODELS, hyper_for
from pipeline.train.trainer import Plan, fit, predict, seed_everything

CPU = torch.device("cpu")
STEPS = {"text": 10, "audio": 24, "vision": 12}
CHOICES = [("relu", 4), ("relu", 16), ("leaky", 4), ("leaky", 16)]


def outcome(corpus: Corpus, seed: int, units: str, width: int, epochs: int) -> list[float]:
    """Train one seed; return three times whether the audio head is dead, its Acc-2 and MAE."""
    recipe = PAPER.model_copy(update={"head_units": units})
    hyper = hyper_for("mlf_dnn", "paper", {"audio_head": width})
    tasks = MODELS["mlf_dnn"].tasks
    seed_everything(seed)
    model = build_model("mlf_dnn", hyper, corpus.inputs, tasks, recipe)
    part, dead = corpus.parts["test"], []

    def look(epoch: int) -> None:
        if epoch < 2:
            dead.append(float(np.ptp(predict(model, part, CPU)["A"]) == 0))

    look(0)
    fit(model, corpus, Plan({t: t for t in tasks}, hyper, recipe, seed, epochs, 8), CPU, look)
    predicted = predict(model, part, CPU)["A"]
    found = scores(predicted, part.labels["A"].numpy())
    return [*dead, float(np.ptp(predicted) == 0), 100 * found["acc2"], 100 * found["mae"]]


def main() -> None:
    """Parse the command line, train all seeds of each choice, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    print("| units | width | dead at the start | after one epoch | at the end | Acc-2 of A | MAE |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="chsims-heads-") as folder:
        path = Path(folder) / "dataset.h5"
        write_planted(path, (240, 80, 160), seed=3, steps=STEPS)
        corpus = load_corpus(path, "mean", PAPER)
        for units, width in CHOICES:
            rows = np.array(
                [outcome(corpus, s, units, width, options.epochs) for s in range(options.seeds)]
            )
            dead = " | ".join(f"{int(rows[:, i].sum())} of {len(rows)}" for i in range(3))
            acc2 = f"{rows[:, 3].mean():.1f}, at worst {rows[:, 3].min():.1f}"
            mae = f"{rows[:, 4].mean():.1f}, at worst {rows[:, 4].max():.1f}"
            print(f"| {units} | {width} | {dead} | {acc2} | {mae} |", flush=True)


if __name__ == "__main__":
    main()
