"""The steps of the published recipe, as slow as the recipe: the other side of extract.py.

One clip after another: PNG files written by a shell command, MTCNN on one PIL image at a time,
separate librosa calls, BERT loaded again for each sentence, as in the authors' public code. Two
things differ: paths are quoted for the shell, and pYIN is computed as well as the zero-crossing
rate, so that both sides compute the paper's feature.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import numpy as np


def frames(media: Path, folder: Path, ffmpeg: str) -> None:
    """Write a clip's frames at 30 Hz as PNG files, through a shell."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [shlex.quote(str(p)) for p in (ffmpeg, media, folder / "%05d.png")]
    command = "{} -nostdin -loglevel error -y -i {} -r 30 {}".format(*paths)
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - the recipe's way, quoted


class Faces:
    """facenet-pytorch's MTCNN at its defaults, the largest face of one image after another."""

    def __init__(self) -> None:
        from facenet_pytorch import MTCNN

        self.mtcnn = MTCNN(image_size=224, margin=0)

    def clip(self, folder: Path, target: Path) -> int:
        """Find and crop the face of each PNG file; return the number of images."""
        from PIL import Image

        target.mkdir(parents=True, exist_ok=True)
        images = sorted(folder.glob("*.png"))
        for path in images:
            self.mtcnn(Image.open(path).convert("RGB"), save_path=str(target / path.name))
        return len(images)


def audio(media: Path, wav: Path, ffmpeg: str) -> np.ndarray:
    """Extract a clip's sound and call librosa for each feature: ``[T, 33]``."""
    import librosa

    paths = [shlex.quote(str(p)) for p in (ffmpeg, media, wav)]
    command = "{} -nostdin -loglevel error -y -i {} -vn {}".format(*paths)
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - the recipe's way, quoted
    y, sr = librosa.load(wav)
    f0, voiced, _ = librosa.pyin(
        y, fmin=librosa.note_to_hz("C2"), fmax=librosa.note_to_hz("C7"), sr=sr
    )
    pitch = np.log(np.where(voiced, f0, 1.0))
    mfcc = librosa.feature.mfcc(y=y, sr=sr, htk=True)
    chroma = librosa.feature.chroma_cqt(y=y, sr=sr)
    return np.concatenate([pitch[None], mfcc, chroma]).T


def text(sentence: str, folder: Path) -> np.ndarray:
    """Load BERT and its tokenizer, then map one sentence: ``[n + 2, 768]``."""
    import torch
    from transformers import BertModel, BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder)
    model.eval()
    with torch.no_grad():
        output = model(**tokenizer(sentence, return_tensors="pt"))
    return output.last_hidden_state.squeeze(0).numpy()
