"""CPU seconds per epoch by this checkout and by another one in turn, for machines that are shared.

    git worktree add /tmp/before 21ae2f4
    python benchmarks/cpu_time.py /tmp/before

Wall-clock times mean little next to other processes; the CPU time of one thread does. Each model
is trained for one epoch to warm up and six that count, on 512 train and 128 valid clips of the
paper's lengths, by each checkout in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page import measured_on
from planted import write_planted

from pipeline.train.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
_WORKER = """
import json, sys, time
from pathlib import Path
import torch
from pipeline.train.models import build_model
from pipeline.train.read import load_corpus
from pipeline.train.recipe import PAPER
from pipeline.train.registry import MODELS, hyper_for
from pipeline.runner.threads import keep_freed_memory
from pipeline.train.trainer import Plan, fit, seed_everything
keep_freed_memory()
corpus = load_corpus(Path(sys.argv[1]), "mean", PAPER)
found = {}
for name in json.loads(sys.argv[2]):
    hyper, tasks = hyper_for(name, "paper"), MODELS[name].tasks
    for epochs in (1, 6):
        seed_everything(1)
        model = build_model(name, hyper, corpus.inputs, tasks, PAPER)
        plan = Plan({task: task for task in tasks}, hyper, PAPER, 1, epochs, epochs)
        start = time.process_time()
        fit(model, corpus, plan, torch.device("cpu"))
        found[name] = (time.process_time() - start) / epochs
print(json.dumps(found))
"""


def measure(checkout: Path, dataset: Path, models: list[str]) -> dict[str, float]:
    """Return CPU seconds per epoch by model, by a checkout's code in a fresh process."""
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(checkout.resolve()),
    }  # fmt: skip
    command = [sys.executable, "-c", _WORKER, str(dataset), json.dumps(models)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Parse the command line, make the corpus, measure in turn, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("other", type=Path, help="another checkout of this repository")
    parser.add_argument("--models", nargs="+", default=["lf_dnn", "mlf_dnn", "mlmf"])
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chsims-cpu-") as scratch:
        dataset = Path(scratch) / "dataset.h5"
        write_planted(dataset, (512, 128, 64))
        rounds = [
            [measure(checkout, dataset, options.models) for checkout in (options.other, ROOT)]
            for _ in range(options.rounds)
        ]
    print("| model | CPU s per epoch, before | now | ratio |\n|---|---|---|---|")
    for name in options.models:
        before, now = (min(pair[side][name] for pair in rounds) for side in (0, 1))
        print(f"| {MODELS[name].title} | {before:.3f} | {now:.3f} | {now / before:.2f} |")
    print(measured_on())


if __name__ == "__main__":
    main()
