"""Train with the published code and with ours in turn, on the same corpus and cores.

    python benchmarks/published.py                        # the four quick models
    python benchmarks/published.py --models mfn tfn --seeds 1 --docs

The published code is the wheel MMSA 2.2.1, fetched from the package registry for the run and
patched in four places, without which it does not run here: it asks for a GPU, imports a library
of NVIDIA's, logs a variable before it is set (the multi-task models), and gives torch an argument
that is no more (MULT). It trains one seed after the other. Ours is `train.py` with the preset
`published`, the alignment of that version (`interleaved`) and five seeds. The two shuffle
differently, so they stop after different numbers of epochs; the speed-up is for as many epochs as
ours took: their start, and five times our epochs at their seconds an epoch, the reading of the
features in front of each seed included. It is timed as it comes, with four processes that load
its batches, and then loading them itself, which is faster on two cores; its memory is that of the
latter. TFN, MTFN and MULT, whose training takes hours, are stopped after an epoch on both sides,
and timed only as they come; their seconds an epoch hold the reading of the features and the test
part.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parent))

from page import MODELS as PAGE
from page import measured_on, put_rows, today
from planted import write_planted
from train import SEEDS, SLOW, measure, settings_of
from tree import watch

from pipeline.config import make_config
from pipeline.exports.run import export
from pipeline.train.registry import MODELS

WHEELS = ("MMSA==2.2.1", "easydict==1.13")
_WORKER = """
import json, sys
folder, model, seeds, workers, settings = json.loads(sys.argv[1])
sys.path.insert(0, f"{folder}/code")
import torch
torch.cuda.set_device = lambda device: None
from MMSA import MMSA_run
MMSA_run(model, "sims", config={"featurePath": f"{folder}/features.pkl", **settings}, seeds=seeds,
         gpu_ids=[], num_workers=workers, verbose_level=0, model_save_dir=folder,
         res_save_dir=folder, log_dir=folder)
"""
LOADERS = (4, 0)
_PATCHES = {
    "multiTask": (' {dict_to_str(train_results)}"', '"'),
    "singleTask": ("verbose=True, ", ""),
}


def fetch(folder: Path) -> None:
    """Unpack the published code and what it needs beyond this environment."""
    folder.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--dest", str(folder), *WHEELS], check=True)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    (folder / "pynvml.py").touch()  # only asked where there is a GPU
    for kind, (old, new) in _PATCHES.items():
        for path in (folder / "MMSA" / "trains" / kind).glob("*.py"):
            path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


def measure_published(
    folder: Path, model: str, seeds: tuple[int, ...], workers: int
) -> dict[str, float]:
    """Train with the published code in a fresh process and return the figures."""
    log = folder / f"{model}-sims.log"
    log.unlink(missing_ok=True)
    settings = {"early_stop": 0} if model in SLOW else {}
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    argument = json.dumps([str(folder), model, seeds, workers, settings])
    run = watch([sys.executable, "-c", _WORKER, argument], environment)
    lines = log.read_text("utf-8").splitlines()
    first = next(line for line in lines if "Running with seed" in line)
    loaded = datetime.strptime(first[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp() - run.start
    epochs = sum("TRAIN-(" in line for line in lines)
    found = [
        re.search(r"'Mult_acc_2': (?:np\.float64\()?([\d.]+)", line)
        for line in lines
        if "Result for seed" in line
    ]
    return {
        "loaded": loaded,
        "epoch": (run.seconds - loaded) / epochs,
        "epochs": epochs / len(seeds),
        "memory_gb": run.memory_gb,
        "acc2": 100 * mean(float(match[1]) for match in found if match),
    }


def main() -> None:
    """Parse the command line, make corpus and code, measure in turn, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["lf_dnn", "mlf_dnn", "lmf", "mlmf"])
    parser.add_argument("--seeds", type=int, default=2, help="seeds of the published code")
    parser.add_argument("--docs", action="store_true", help="renew docs/models.md")
    options = parser.parse_args()
    lines = [
        "| model | published code: an epoch, s, as it comes | without loaders | epochs | GB "
        "| Acc-2 "
        "| ours: an epoch of a seed, s | epochs | five seeds, s | GB | Acc-2 "
        "| **times as fast as it comes** | as without loaders | measured |",
        "|" + "---|" * 14,
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory(prefix="chsims-published-") as scratch:
        folder = Path(scratch)
        fetch(folder / "code")
        write_planted(folder / "dataset.h5")
        export(make_config({"processed": folder}), "mmsa", folder / "features.pkl")
        for model in options.models:
            lines.append(row_of(folder, model, SEEDS[: options.seeds]))
            print(lines[-1], flush=True)
    if options.docs:
        put_rows(PAGE, "published", lines[:2], lines[2:], f"Last run: {measured_on()}")


def row_of(folder: Path, model: str, seeds: tuple[int, ...]) -> str:
    """Measure a model on both sides and return its row of the table."""
    slow = model in SLOW
    theirs = [measure_published(folder, model, seeds, w) for w in LOADERS[: 1 if slow else 2]]
    limit = {"epochs": 1} if slow else {}
    assignments = [
        *settings_of(folder, SEEDS, "published", **limit),
        "train.recipe={alignment: interleaved}",  # as version 2.2.1 aligns
    ]
    ours = measure(folder, model, os.cpu_count() or 1, assignments)
    as_long = [t["loaded"] + len(SEEDS) * ours["epochs"] * t["epoch"] for t in theirs]
    scores = ["", ""] if slow else [f"{theirs[0]['acc2']:.1f}", ours["acc2"].split()[0]]
    cells = [
        MODELS[model].title,
        *_two(f"{t['epoch']:.2f}" for t in theirs),
        f"{theirs[0]['epochs']:.1f}",
        f"{theirs[-1]['memory_gb']:.1f}",
        scores[0],
        f"{ours['epoch']:.2f}",
        f"{ours['epochs']:.1f}",
        f"{ours['seconds']:.0f}",
        f"{ours['memory_gb']:.1f}",
        scores[1],
        *_two(f"**{seconds / ours['seconds']:.1f}**" for seconds in as_long),
        today(),
    ]
    return f"| {' | '.join(cells)} |"


def _two(cells: Iterable[str]) -> list[str]:
    return [*cells, ""][:2]


if __name__ == "__main__":
    main()
