"""Time training on a corpus of the paper's shape with a planted signal.

    python benchmarks/train.py                              # all nine, half an hour
    python benchmarks/train.py --docs                       # and the tables of docs/
    python benchmarks/train.py --preset published --models lf_dnn mlf_dnn
    python benchmarks/train.py --small --models lf_dnn --set 'train.recipe={pooling: padded}'

Each model is trained in a process of its own, as `snakemake` does it. Printed for each:
parameters; seconds from process start to the first gradient step, for an epoch of one
seed (median), and from process start to the last seed; CPU seconds per epoch of a seed, which
mean something on a machine that is shared, too; epochs to convergence; peak memory of the
whole process tree; test scores over seeds. TFN, MTFN and MULT, whose training takes hours, are
stopped after an epoch. What is stopped (`--epochs`) is not scored.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from statistics import mean, median, pstdev
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from hours import put_hours
from page import MODELS as PAGE
from page import measured_on, put_rows, today
from planted import write_planted
from tree import watch

from pipeline.train.registry import MODELS

_WORKER = """
import logging, sys, json
logging.basicConfig(level=logging.INFO, format="%(message)s")
from pipeline.config import load_config
from pipeline.train.run import train_model
config = load_config(assignments=tuple(json.loads(sys.argv[1])))
train_model(config, "table2", sys.argv[2], int(sys.argv[3]))
import resource
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("CPU seconds:", used.ru_utime + used.ru_stime, file=sys.stderr)
"""
SEEDS = (1, 12, 123, 1234, 12345)
SLOW = ("tfn", "mtfn", "mult")
SMALL = {"text": 39, "audio": 60, "vision": 20}
_CPU = re.compile(r"CPU seconds: ([\d.]+)")
_LINE = re.compile(
    r"best epoch (\d+) of (\d+), ([\d.]+) s, first step after ([\d.]+) s at ([\d.]+)"
)


def measure(
    folder: Path, model: str, jobs: int, assignments: list[str], checkout: Path | None = None
) -> dict[str, Any]:
    """Train a model's seeds in a fresh process, by another checkout's code if given."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if checkout is not None:
        environment |= {"PYTHONPATH": str(checkout.resolve()), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", _WORKER, json.dumps(assignments), model, str(jobs)]
    run = watch(command, environment)
    lines = [tuple(map(float, found)) for found in _LINE.findall(run.errors)]
    root = folder / "experiments" / "table2" / model
    seeds = [json.loads(p.read_text("utf-8")) for p in sorted(root.glob("seed_*/metrics.json"))]
    by_task = {task: [s["test"][task]["scores"] for s in seeds] for task in seeds[0]["tasks"]}
    scores = by_task.pop("M")
    return {
        "model": model,
        "parameters": seeds[0]["parameters"],
        "first_step": min(line[4] for line in lines) - run.start,
        "epoch": median(line[2] / line[1] for line in lines),
        "cpu": float(_CPU.findall(run.errors)[0]) / sum(line[1] for line in lines),
        "epochs": mean(line[1] for line in lines),
        "seconds": run.seconds,
        "memory_gb": run.memory_gb,
        **{name: _spread([s[name] for s in scores]) for name in ("acc2", "mae", "corr")},
        "unimodal": {task: _spread([s["acc2"] for s in found]) for task, found in by_task.items()},
    }


def settings_of(folder: Path, seeds: tuple[int, ...], preset: str, epochs: int = 200) -> list[str]:
    """Return the settings that train the seeds on a folder's dataset."""
    return [
        f"processed={folder}", f"train.seeds={list(seeds)}", f"train.preset={preset}",
        f"train.max_epochs={epochs}",
    ]  # fmt: skip


def _spread(values: list[float]) -> str:
    return f"{100 * mean(values):.2f} ({100 * pstdev(values):.2f})"


def main() -> None:
    """Parse the command line, make the corpus if need be, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--corpus", type=Path, help="folder of a dataset.h5; made if it is not there"
    )
    parser.add_argument("--small", action="store_true", help="make a corpus of 1,000 short clips")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--set", nargs="*", default=[], help="more settings, e.g. train.patience=3")
    parser.add_argument(
        "--docs",
        action="store_true",
        help="renew these models' rows in docs/models.md, and the hours in docs/reproducing.md",
    )
    options = parser.parse_args()
    lines = [
        "| model | parameters | first step, s | an epoch of a seed, s | CPU s | epochs | seeds "
        "| all seeds, s | GB | Acc-2 | MAE | Corr | measured |",
        "|" + "---|" * 13,
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        corpus = options.corpus or folder
        if not (corpus / "dataset.h5").exists():
            if options.small:
                write_planted(corpus / "dataset.h5", (600, 200, 200), steps=SMALL)
            else:
                write_planted(corpus / "dataset.h5")
        if corpus != folder:
            (folder / "dataset.h5").symlink_to((corpus / "dataset.h5").resolve())
        for model in options.models:
            limit = 1 if model in SLOW and not options.small else options.epochs
            assignments = settings_of(folder, SEEDS[: options.seeds], options.preset, limit)
            row = measure(folder, model, options.jobs, assignments + options.set)
            lines.append(_line_of(row, options.seeds, scored=row["epochs"] < limit))
            print(lines[-1], flush=True)
    if options.docs:
        put_rows(PAGE, "trained", lines[:2], lines[2:], f"Last run: {measured_on()}")
        put_hours()


def _line_of(row: dict[str, Any], seeds: int, *, scored: bool) -> str:
    cells = [
        MODELS[row["model"]].title,
        f"{row['parameters']:,}",
        f"{row['first_step']:.1f}",
        f"{row['epoch']:.2f}",
        f"{row['cpu']:.2f}",
        f"{row['epochs']:.1f}" if scored else "",
        str(seeds),
        f"{row['seconds']:.0f}",
        f"{row['memory_gb']:.1f}",
        *(row[name] if scored else "" for name in ("acc2", "mae", "corr")),
        today(),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
