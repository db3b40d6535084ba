"""Build datasets of four combinations of encoders from the demo, and train the nine models on each.

    python benchmarks/combinations.py WORK                    # all: some fifteen minutes
    python benchmarks/combinations.py WORK --only speech      # one of them
    python benchmarks/combinations.py WORK --clips 10 --models mlf_dnn mult

The encoders are small models with random weights, made here; OpenFace's CSVs are the demo's. So
scores mean nothing: the question is whether everything fits together. WORK keeps the models, one
build per combination, and its report. For each, what was found wrong is printed; the exit status
is then 1.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.train.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "raw" / "demo"
WIDTH = 32
"""Of the encoders that are made here."""


@dataclass(frozen=True)
class Combination:
    """A choice of extractors, and what the dataset must then hold.

    Parameters
    ----------
    settings : dict of str to str
        For ``--set``; ``{models}`` stands for the folder of the encoders.
    widths, rates : dict
        Values per step, and steps per second, of each modality.
    words : tuple of str
        What the report's methods paragraph says.
    """

    settings: dict[str, str]
    widths: dict[str, int]
    rates: dict[str, float | None]
    words: tuple[str, ...]


COMBINATIONS = {
    "speech": Combination(
        {
            "features.vision": "none",
            "features.audio": "speech",
            "speech.model": "{models}/hubert",
            "text.model": "{models}/bert",
        },
        {"text": WIDTH, "audio": WIDTH},
        {"text": None, "audio": 50.0},
        ("HuBERT", f"{WIDTH} values per token"),
    ),
    "opensmile": Combination(
        {"features.vision": "none", "features.audio": "opensmile", "text.model": "{models}/bert"},
        {"text": WIDTH, "audio": 25},
        {"text": None, "audio": 100.0},
        ("25 low-level descriptors per 10 ms of eGeMAPSv02", "research and other non-commercial"),
    ),
    "openface_177": Combination(
        {
            "features.audio": "opensmile",
            "opensmile.level": "functionals",
            "vision.columns": "[landmarks_2d, pose, au_r, au_c]",
            "text.model": "{models}/bert",
        },
        {"text": WIDTH, "audio": 88, "vision": 177},
        {"text": None, "audio": None, "vision": 30.0},
        (
            "The vision feature has 177 values",
            "88 functionals of each clip of eGeMAPSv02",
            "(whole clip)",
        ),
    ),
    "image": Combination(
        {
            "features.audio": "none",
            "features.vision": "image",
            "image.model": "{models}/vit",
            "text.model": "{models}/bert",
        },
        {"text": WIDTH, "vision": WIDTH},
        {"text": None, "vision": 5.0},
        ("ViT", "5 pictures per second"),
    ),
}


def main() -> None:
    """Parse the command line, build, check and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder for models and builds")
    parser.add_argument("--only", nargs="+", choices=COMBINATIONS, default=list(COMBINATIONS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--clips", type=int, default=30, help="clips of the demo  [30]")
    parser.add_argument("--epochs", type=int, default=2, help="at most  [2]")
    given = parser.parse_args()
    wrong = 0
    print("| combination | dataset | models | seconds |\n|---|---|---|---|")
    for name in given.only:
        start = time.perf_counter()
        folder = build(given.work, name, given.models, given.clips, given.epochs)
        faults = list(check(folder, COMBINATIONS[name], given.models, given.clips))
        taken = time.perf_counter() - start
        print(f"| {name} | {described(folder)} | {len(given.models)} | {taken:.0f} |")
        for fault in faults:
            print(f"{name}: {fault}", file=sys.stderr)
        wrong += len(faults)
    sys.exit(1 if wrong else 0)


def build(work: Path, name: str, models: Sequence[str], clips: int, epochs: int) -> Path:
    """Build a combination, and return the build's folder.

    Raises
    ------
    RuntimeError
        With what the build said, if it failed.
    """
    folder, encoders = work / name, work / "encoders"
    write_encoders(encoders)
    settings = {
        "raw": str(demo_of(work / f"raw_{clips}", clips)),
        "processed": str(folder),
        "openface.import_folder": str(DEMO / "openface"),
        "train.models": f"[{', '.join(models)}]",
        "train.experiments": "[table2]",
        "train.seeds": "[1]",
        "train.max_epochs": str(epochs),
        "max_quarantined": "0",
        **COMBINATIONS[name].settings,
    }
    command = [sys.executable, "-m", "pipeline.commands.cli", "--config", "config/demo.yaml"]
    for key, value in settings.items():
        command += ["--set", f"{key}={value.format(models=encoders)}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stdout}\n{done.stderr}")
    return folder


def demo_of(folder: Path, clips: int) -> Path:
    """Copy the first clips of the demo, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (DEMO / "label.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))[: 1 + clips]
    with (folder / "label.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    for video in {row[rows[0].index("video_id")] for row in rows[1:]}:
        shutil.copytree(DEMO / video, folder / video, dirs_exist_ok=True)
    return folder


def write_encoders(folder: Path) -> None:
    """Write a BERT, a HuBERT and a ViT with random weights, unless they are there."""
    import torch
    import transformers as hf
    from transformers.utils import logging

    from pipeline.text.demo_model import vocabulary

    if folder.is_dir():
        return
    logging.disable_progress_bar()
    shape = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape["intermediate_size"] = 2 * WIDTH
    sound = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16}
    sound |= {"num_conv_pos_embedding_groups": 2, "feat_extract_norm": "layer"}
    words = vocabulary()
    torch.manual_seed(0)
    made: dict[str, tuple[Any, Any]] = {
        "hubert": (
            hf.HubertModel(hf.HubertConfig(**shape, **sound, do_stable_layer_norm=True)),
            hf.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True),
        ),
        "vit": (
            hf.ViTModel(hf.ViTConfig(**shape, image_size=32, patch_size=8)),
            hf.ViTImageProcessor(size={"height": 32, "width": 32}),
        ),
        "bert": (
            hf.BertModel(hf.BertConfig(**shape, vocab_size=len(words))),
            hf.BertTokenizer(vocab={word: place for place, word in enumerate(words)}),
        ),
    }
    for name, parts in made.items():
        for part in parts:
            part.save_pretrained(folder / name)


def check(
    folder: Path, combination: Combination, models: Sequence[str], clips: int
) -> Iterator[str]:
    """Yield what is wrong with a build: the dataset, the scores, or the report."""
    with h5py.File(folder / "dataset.h5") as file:
        yield from _dataset(file, combination, clips)
    rows = json.loads((folder / "results" / "table2.json").read_text("utf-8"))["rows"]
    scores = {row["variant"]: row["test"]["mean"] for row in rows if row["main"]}
    if sorted(scores) != sorted(models):
        yield f"Table 2 has {sorted(scores)}, expected {sorted(models)}"
    for model, means in scores.items():
        # of constant predictions, there is no correlation
        if not all(math.isfinite(v) for k, v in means.items() if k != "corr"):
            yield f"{model} has scores that are no numbers: {means}"
    report = (folder / "report.html").read_text("utf-8")
    for words in combination.words:
        if words not in report:
            yield f"the report does not say: {words}"


def _dataset(file: h5py.File, combination: Combination, clips: int) -> Iterator[str]:
    modalities = json.loads(file.attrs["modalities"])
    rates = {name: each["steps_per_second"] for name, each in modalities.items()}
    if rates != combination.rates:
        yield f"steps per second are {rates}, expected {combination.rates}"
    for name, width in combination.widths.items():
        names = json.loads(file.attrs[f"{name}_names"])
        if not len(set(names)) == len(names) == file["train"][name].shape[2] == width:
            yield f"{name} has {len(set(names))} names for {file['train'][name].shape} values"
    parts = [file[part] for part in ("train", "valid", "test")]
    if sum(len(part["id"]) for part in parts) != clips:
        yield f"clips are missing: {[len(part['id']) for part in parts]} of {clips}"
    for part in parts:
        for name in combination.widths:
            rows = part[name][:]
            if not np.isfinite(rows).all() or not np.abs(rows).max() > 0:
                yield f"{part.name}/{name} holds values that are no numbers, or nothing"
        if "loudness_db" in part["quality"] and np.isnan(part["quality/loudness_db"][:]).any():
            yield f"{part.name}: the loudness of some clips is not known"


def described(folder: Path) -> str:
    """Say what a dataset holds: steps and values of each modality."""
    with h5py.File(folder / "dataset.h5") as file:
        shapes = {
            name: file["train"][name].shape[1:] for name in json.loads(file.attrs["modalities"])
        }
    return ", ".join(f"{name} {steps} x {width}" for name, (steps, width) in shapes.items())


if __name__ == "__main__":
    main()
