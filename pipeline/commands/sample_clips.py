"""A few short clips made from nothing: a face that moves, a voice, a label sheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import GRID
from pipeline.openface.installation import packaged_faces

_VIDEOS, _CLIPS = 4, 5
_SECONDS, _FPS, _RATE = 1.6, 25, 16000
_WIDTH, _HEIGHT = 320, 240
_FORMANTS = ((700, 130), (1220, 170), (2600, 250))  # Hz: centre and width of a vowel "a"
_TEXTS = (
    "我真的受够了。",
    "别再说了，我不想听。",
    "今天又下雨了。",
    "这件事让我很难过。",
    "他三点钟出门。",
    "我们坐下来谈谈吧。",
    "晚饭还不错。",
    "能见到你真高兴！",
    "太好了，我们成功了！",
    "谢谢你一直陪着我。",
)


def write_sample(raw: Path) -> None:
    """Write 20 clips of 1.6 s and ``label.csv``.

    The labels spread over the grid of CH-SIMS. The pitch, the loudness and the movement of a clip
    rise with its label, so that the features are not constant.

    Parameters
    ----------
    raw : Path
        An existing folder.
    """
    face = _face()
    rows = []
    for number in range(_VIDEOS * _CLIPS):
        video, clip = f"video_{number // _CLIPS + 1:04d}", f"{number % _CLIPS + 1:04d}"
        label = GRID[number * (len(GRID) - 1) // (_VIDEOS * _CLIPS - 1)]
        (raw / video).mkdir(exist_ok=True)
        _write_clip(raw / video / f"{clip}.mp4", face, label, seed=number)
        text = _TEXTS[number * len(_TEXTS) // (_VIDEOS * _CLIPS)]
        rows.append([video, clip, text, *[f"{label:g}"] * 4])
    with (raw / "label.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V"])
        writer.writerows(rows)


def _face() -> NDArray[np.uint8]:
    from PIL import Image

    picture = Image.open(io.BytesIO(packaged_faces()[0]))
    return np.asarray(picture.convert("RGB").resize((180, 180)))


def _write_clip(path: Path, face: NDArray[np.uint8], label: float, seed: int) -> None:
    import av

    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("mpeg4", rate=_FPS)
        video.width, video.height = _WIDTH, _HEIGHT
        video.pix_fmt, video.bit_rate = "yuv420p", 800_000
        audio: Any = container.add_stream("aac", rate=_RATE, layout="mono")
        for picture in _pictures(face, label):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        sound = av.AudioFrame.from_ndarray(_voice(label, seed)[None], format="fltp", layout="mono")
        sound.sample_rate = _RATE
        container.mux(audio.encode(sound))
        container.mux(audio.encode())


def _pictures(face: NDArray[np.uint8], label: float) -> list[NDArray[np.uint8]]:
    """Return the frames ``[240, 320, 3]``: the face sways, more widely for a higher label."""
    pictures = []
    for frame in range(round(_SECONDS * _FPS)):
        picture = np.full((_HEIGHT, _WIDTH, 3), 96, np.uint8)
        sway = (1.2 + label) * np.sin(2 * np.pi * frame / _FPS)
        left, top = 70 + round(12 * sway), 30 + round(6 * sway)
        picture[top : top + len(face), left : left + len(face)] = face
        pictures.append(picture)
    return pictures


def _voice(label: float, seed: int) -> NDArray[np.float32]:
    """Return a vowel: harmonics under three formants, with a rising or falling pitch."""
    time = np.arange(round(_SECONDS * _RATE)) / _RATE
    pitch = 160 + 50 * label + 40 * label * time / _SECONDS
    phase = 2 * np.pi * np.cumsum(pitch) / _RATE
    harmonics = np.arange(1, 20)
    resonances = [
        np.exp(-0.5 * ((harmonics * 160 - centre) / width) ** 2) for centre, width in _FORMANTS
    ]
    heights = np.sum(resonances, axis=0)
    voice = (heights[:, None] * np.sin(np.outer(harmonics, phase))).sum(0)
    loudness = (0.25 + 0.1 * label) * np.sin(np.pi * time / _SECONDS)
    noise = np.random.default_rng(seed).normal(0, 0.003, len(time))
    return np.asarray(loudness * voice / np.abs(voice).max() + noise, np.float32)
