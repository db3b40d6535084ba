"""Write a corpus of the dataset's schema with a planted signal in each modality.

    python benchmarks/planted.py planted/dataset.h5                 # the paper's shape
    python benchmarks/planted.py tiny/dataset.h5 --sizes 18 6 6     # the demo's

Each clip has a latent sentiment for text, audio and vision, drawn around a common one.
M is their mean, and T, A, V are the latents, all on the grid of the paper's five votes.
A modality shows its latent as a fixed direction added to noise in each of its rows, so
a model can recover it from the time average (audio, vision) or from the tokens (text).
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

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
    """
    strength = {"text": 0.5, "audio": 0.3, "vision": 0.3, **(strength or {})}
    steps = {**STEPS, **(steps or {})}
    rng = np.random.default_rng(seed)
    directions = {s: rng.standard_normal(d).astype(np.float32) for s, d in DIMS.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        number = 0
        for name, count in zip(("train", "valid", "test"), sizes, strict=True):
            latent = _latents(rng, count, agreement)
            labels = {task: _grid(latent[:, i]) for i, task in enumerate("TAV")}
            labels["M"] = _grid(latent.mean(1) * 1.5)
            if name == "train":
                labels["M"] = _grid(labels["M"] + label_noise * rng.standard_normal(count))
                if shuffle_unimodal:
                    labels.update({task: rng.permutation(labels[task]) for task in "TAV"})
            if not unimodal:
                labels.update({task: np.full(count, np.nan, np.float32) for task in "TAV"})
            group = file.create_group(name)
            for i, stream in enumerate(DIMS):
                sha = _write_stream(
                    group, stream, latent[:, i], directions[stream] * strength[stream],
                    steps[stream], rng,
                )  # fmt: skip
            _write_labels(group, labels, number)
            file.attrs[f"digest_{name}"] = hashlib.sha256(
                f"{sha}{seed}{labels}".encode()
            ).hexdigest()
            number += count


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
    direction: NDArray[np.float32],
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
        rows += np.float32(value) * direction
        sha.update(rows.tobytes())
        data[i, :length] = rows
    group[f"{stream}_lengths"] = lengths
    if stream == "vision":
        group["vision_valid"] = (np.arange(steps) < lengths[:, None]).astype(np.uint8)
    return sha.hexdigest()


def _write_labels(group: h5py.Group, labels: dict[str, NDArray[np.float32]], number: int) -> None:
    for task, values in labels.items():
        group[f"labels/{task}"] = values
    group["class"] = np.digitize(labels["M"], (-0.7, -0.1, 0.1, 0.7)).astype(np.int64)
    count = len(labels["M"])
    text = h5py.string_dtype()
    group["id"] = np.array(
        [f"video_{(number + i) // 40:04d}/{(number + i) % 40:04d}" for i in range(count)], text
    )
    group["raw_text"] = np.array(["好"] * count, text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--sizes", type=int, nargs=3, default=(1368, 456, 457))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_planted(options.path, tuple(options.sizes), options.seed)
