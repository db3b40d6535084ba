"""Write a corpus of the dataset's schema with a planted signal in each modality.

    python benchmarks/planted.py planted/dataset.h5                 # the paper's shape
    python benchmarks/planted.py tiny/dataset.h5 --sizes 18 6 6     # the demo's

    python benchmarks/planted.py --columns processed/demo/dataset.h5   # renew columns.csv

Each clip has a latent sentiment for text, audio and vision, drawn around a common one.
M is their mean, and T, A, V are the latents, all on the grid of the paper's five votes.
A modality shows its latent as a fixed direction added to noise in each of its rows, louder
in one place of the clip than in others (`swell`), so a model can recover it from the time
average (audio, vision) or from the tokens (text). Another direction drifts from -1 to 1 along
every clip, as heads and pitch do. Columns then get the means and deviations of real features,
those of the demo (`columns.csv`): OpenFace's pixels, millimetres and angles differ by 10^4.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import EDGES, MODALITY_OF
from pipeline.dataset.split import PARTS

COLUMNS = Path(__file__).with_name("columns.csv")
DIMS = {"text": 768, "audio": 33, "vision": 709}
STEPS = {"text": 39, "audio": 400, "vision": 55}
MEAN_LENGTH = {"text": 17.0, "audio": 158.0, "vision": 22.0}


def write_planted(
    path: Path,
    sizes: tuple[int, int, int] = (1368, 456, 457),
    seed: int = 0,
    strength: dict[str, float] | None = None,
    agreement: float = 0.5,
    steps: dict[str, int] | None = None,
    label_noise: float = 0.0,
    shuffle_unimodal: bool = False,
    unimodal: bool = True,
    swell: float = 0.8,
    plain: bool = False,
) -> None:
    """Write a planted corpus.

    Parameters
    ----------
    path : Path
        The HDF5 file to make.
    sizes : tuple of int
        Clips in train, valid and test.
    seed : int
        Of everything random.
    strength : dict of str to float, optional
        Size of the signal by modality, against noise of size 1 in each row.
    agreement : float
        Correlation of the three latents with each other (0: unrelated).
    steps : dict of str to int, optional
        Padded lengths; the paper's by default.
    label_noise : float
        Standard deviation of noise on M in the train part.
    shuffle_unimodal : bool
        Permute T, A, V over the train clips: the labels are there, the information is not.
    unimodal : bool
        Leave T, A, V out (NaN) if false.
    swell : float
        How much the signal varies along a clip, from 0 (not at all) to 1 (down to nothing).
    plain : bool
        Give all columns the mean 0 and the deviation 1, instead of those of real features.
        Constant columns stay constant.
    """
    columns = read_columns()
    if plain:
        columns = {stream: found.plain() for stream, found in columns.items()}
    strength = {"text": 0.5, "audio": 0.3, "vision": 0.3, **(strength or {})}
    steps = {**STEPS, **(steps or {})}
    rng = np.random.default_rng(seed)
    directions = {s: rng.standard_normal(d).astype(np.float32) for s, d in DIMS.items()}
    drifts = {s: rng.standard_normal(d).astype(np.float32) for s, d in DIMS.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        number = 0
        for name, count in zip(PARTS, sizes, strict=True):
            latent = _latents(rng, count, agreement)
            labels = {task: _grid(latent[:, i]) for i, task in enumerate(MODALITY_OF)}
            labels["M"] = _grid(latent.mean(1) * 1.5)
            if name == "train":
                labels["M"] = _grid(labels["M"] + label_noise * rng.standard_normal(count))
                if shuffle_unimodal:
                    labels.update({task: rng.permutation(labels[task]) for task in MODALITY_OF})
            if not unimodal:
                unknown = np.full(count, np.nan, np.float32)
                labels.update(dict.fromkeys(MODALITY_OF, unknown))
            group = file.create_group(name)
            for i, stream in enumerate(DIMS):
                signal = Signal(directions[stream] * strength[stream], 0.3 * drifts[stream], swell)
                sha = _write_stream(
                    group, stream, latent[:, i], signal, columns[stream], steps[stream], rng
                )
            _write_labels(group, labels, number)
            file.attrs[f"digest_{name}"] = hashlib.sha256(
                f"{sha}{seed}{labels}".encode()
            ).hexdigest()
            number += count


@dataclass(frozen=True)
class Columns:
    """Means and deviations ``[d]`` of a modality's real features."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def plain(self) -> Columns:
        """Return the same columns with mean 0 and deviation 1 (0 where they are constant)."""
        varies = (self.deviation > 0).astype(np.float32)
        return Columns(np.zeros_like(self.mean), varies)


@dataclass(frozen=True)
class Signal:
    """What rows show in addition to noise: the latent's direction, its variation, and a drift."""

    direction: NDArray[np.float32]
    drift: NDArray[np.float32]
    swell: float


def read_columns() -> dict[str, Columns]:
    """Read `COLUMNS`, by modality."""
    found: dict[str, list[tuple[float, float]]] = {stream: [] for stream in DIMS}
    with COLUMNS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["modality"]].append((float(row["mean"]), float(row["deviation"])))
    return {s: Columns(*np.array(rows, np.float32).T) for s, rows in found.items()}


def measure_columns(dataset: Path) -> None:
    """Write `COLUMNS` from a dataset file's valid rows."""
    with h5py.File(dataset) as file, COLUMNS.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("modality", "name", "mean", "deviation"))
        for stream in DIMS:
            rows = np.concatenate([_valid_rows(file[part], stream) for part in file])
            names = json.loads(file.attrs[f"{stream}_names"])
            for name, mean, spread in zip(names, rows.mean(0), rows.std(0), strict=True):
                writer.writerow((stream, name, f"{mean:.6g}", f"{spread:.6g}"))


def _valid_rows(group: h5py.Group, stream: str) -> NDArray[np.float64]:
    rows = np.arange(group[stream].shape[1]) < group[f"{stream}_lengths"][:][:, None]
    if f"{stream}_valid" in group:
        rows &= group[f"{stream}_valid"][:].astype(bool)
    valid: NDArray[np.float64] = group[stream][:].astype(np.float64)[rows]
    return valid


def _latents(rng: np.random.Generator, count: int, agreement: float) -> NDArray[np.float64]:
    common = rng.standard_normal((count, 1))
    own = rng.standard_normal((count, 3))
    return 0.6 * (np.sqrt(agreement) * common + np.sqrt(1 - agreement) * own)


def _grid(values: NDArray[Any]) -> NDArray[np.float32]:
    return (np.round(np.clip(values, -1, 1) * 5) / 5 + 0.0).astype(np.float32)  # no -0.0


def _write_stream(
    group: h5py.Group,
    stream: str,
    latent: NDArray[np.float64],
    signal: Signal,
    columns: Columns,
    steps: int,
    rng: np.random.Generator,
) -> str:
    mean = MEAN_LENGTH[stream] * steps / STEPS[stream]
    lengths = np.clip(np.round(rng.normal(mean, mean / 2, len(latent))), 3, steps).astype(np.int64)
    data = group.create_dataset(
        stream, (len(latent), steps, DIMS[stream]), np.float32, chunks=(1, steps, DIMS[stream])
    )
    sha = hashlib.sha256()
    for i, (value, length) in enumerate(zip(latent, lengths, strict=True)):
        rows = rng.standard_normal((length, DIMS[stream]), np.float32)
        place = (np.arange(length, dtype=np.float32)[:, None] + 0.5) / length
        loud = 1 + signal.swell * np.cos(2 * np.pi * (place - rng.random()))
        rows += np.float32(value) * loud.astype(np.float32) * signal.direction
        rows += (2 * place - 1) * signal.drift
        rows = columns.mean + columns.deviation * rows
        sha.update(rows.tobytes())
        data[i, :length] = rows
    group[f"{stream}_lengths"] = lengths
    if stream == "vision":
        group["vision_valid"] = (np.arange(steps) < lengths[:, None]).astype(np.uint8)
    return sha.hexdigest()


def _write_labels(group: h5py.Group, labels: dict[str, NDArray[np.float32]], number: int) -> None:
    for task, values in labels.items():
        group[f"labels/{task}"] = values
    group["class"] = np.digitize(labels["M"], EDGES).astype(np.int64)
    count = len(labels["M"])
    text = h5py.string_dtype()
    group["id"] = np.array(
        [f"video_{(number + i) // 40:04d}/{(number + i) % 40:04d}" for i in range(count)], text
    )
    group["raw_text"] = np.array(["好"] * count, text)
    for name in ("speaker", "gender", "age", "quality/warnings"):
        group[name] = np.array([""] * count, text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--columns", type=Path, help="a dataset to take the columns' scale from")
    parser.add_argument("--sizes", type=int, nargs=3, default=(1368, 456, 457))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.columns:
        measure_columns(options.columns)
    if options.path:
        write_planted(options.path, tuple(options.sizes), options.seed)
