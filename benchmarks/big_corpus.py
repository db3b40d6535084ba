"""A corpus of any number of clips with made-up features, whose every file is written by our code.

The media are hard links to a few tiny videos of one second. The manifest, the keys, the records
and the feature files' format are real; the features themselves are short and openly made up.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from pipeline.config import Config
from pipeline.media.ffmpeg import ffmpeg_program
from pipeline.openface.columns import COLUMNS, CONFIDENCE, SUCCESS
from pipeline.runner.jobs import job_names, shard_names, shards_of_job
from pipeline.stage import Build
from pipeline.stages import STAGES, wanted
from pipeline.store.features import Features
from pipeline.store.records import write_record
from pipeline.store.shards import Clip, read_shard

ROOT = Path(__file__).resolve().parents[1]
EMULATOR = ROOT / "tests" / "openface" / "emulator" / "FeatureExtraction"
VIDEOS = 16
"""Different media files."""

CLIPS_A_VIDEO = 25
_WORDS = "今天天气很好我们一起去公园散步吧真的受够了你走谢谢恭喜太开心难过担心"
_HEADER = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "speaker")


@dataclass
class Sheet:
    """A corpus in a folder of its own: its label sheet and its media."""

    raw: Path
    rows: list[list[str]]

    def add(self, number: int, place: int) -> None:
        """Put a new clip into the sheet, at a place among its lines."""
        video, clip = f"video_{number // CLIPS_A_VIDEO:05d}", f"{number % CLIPS_A_VIDEO:04d}"
        text = "".join(_WORDS[(number * 7 + i * i) % len(_WORDS)] for i in range(5 + number % 16))
        label = (number % 11 - 5) / 5
        labels = [f"{max(-1.0, min(1.0, label + shift / 5)):g}" for shift in (0, 1, 0, -1)]
        self.rows.insert(place, [video, clip, f"{text}。", *labels, f"speaker {number % 500}"])
        folder = self.raw / video
        folder.mkdir(parents=True, exist_ok=True)
        os.link(self.raw / ".media" / f"{number % VIDEOS}.mp4", folder / f"{clip}.mp4")

    def write(self) -> None:
        """Write ``label.csv``."""
        with (self.raw / "label.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(_HEADER)
            writer.writerows(self.rows)


def lay_out(raw: Path, clips: int) -> Sheet:
    """Make the media and the label sheet of a corpus of so many clips."""
    media = raw / ".media"
    media.mkdir(parents=True)
    for number in range(VIDEOS):
        picture = f"testsrc=size=96x96:rate=25:duration={1.04 + 0.04 * number}"
        sound = f"sine=frequency={200 + 10 * number}:sample_rate=16000:duration=1.04"
        command = [ffmpeg_program(), "-v", "error", "-f", "lavfi", "-i", picture]
        command += ["-f", "lavfi", "-i", sound, "-c:v", "mpeg4", "-q:v", "20", "-c:a", "aac"]
        subprocess.run([*command, str(media / f"{number}.mp4")], check=True)
    sheet = Sheet(raw, [])
    for number in range(clips):
        sheet.add(number, number)
    sheet.write()
    return sheet


def settings_of(folder: Path) -> dict[str, Any]:
    """Return the settings of a build in a folder with ``raw``."""
    return {
        "raw": str(folder / "raw"),
        "processed": str(folder / "processed"),
        "text": {"model": "demo"},
        "openface": {"runtime": "native", "native_binary": str(EMULATOR)},
        "manifest": {"rules": {"duration": "off", "streams_apart": "off"}},
    }


def write_features(config: Config) -> None:
    """Write the feature files and the records of all clips of the manifest.

    Files are not flushed to the disk one by one, as a build does: that is the disk's speed.
    """
    # replaced in this process alone; the checker wants the very signature of the C function
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    build, shards = Build.of(config), shard_names(config)
    crop = _face()
    for shard in shards:
        for clip in read_shard(config.layout.shard(shard)):
            for stage, features in features_of(clip, crop).items():
                build.store.write(stage, clip.clip, build.key(STAGES[stage], clip), features)
    for name in wanted(config):
        if STAGES[name].transient:
            continue
        for job in job_names(name, shards):
            paths = map(config.layout.shard, shards_of_job(name, job, shards))
            clips = [clip for path in paths for clip in read_shard(path)]
            keys = {clip.clip: build.key(STAGES[name], clip) for clip in clips}
            write_record(config.layout.record(name, job), keys, ())


def features_of(clip: Clip, crop: bytes) -> dict[str, Features]:
    """Return made-up features of a clip: a few steps per modality, figures that vary."""
    number = sum(clip.clip.encode()) * 31 + len(clip.text)
    share, frames = round(0.5 + (number * 37 % 101) / 200, 4), 3 + number % 4
    table = np.zeros((frames, len(COLUMNS)), np.float32)
    table[:, SUCCESS], table[:, CONFIDENCE] = 1, share
    box = np.tile(np.float32([20, 20, 80, 80]), (frames, 1))
    faces = {
        "box": box,
        "probability": np.ones(frames, np.float32),
        "landmarks": np.zeros((frames, 5, 2), np.float32),
        "faces": np.ones(frames, np.int16),
        "crop_offsets": np.arange(frames + 1, dtype=np.int64) * len(crop),
        "crop_bytes": np.frombuffer(crop * frames, np.uint8),
    }
    size = {"frames": frames, "width": 96, "height": 96, "fps": 25.0}
    found = {"face_share": share, "second_face_share": 0.0, "mean_probability": 0.9}
    seen = {"success_share": share, "mean_confidence": share, "notes": []}
    heard = {"rate": 43.0, "seconds": 1.0, "voiced_share": share, "loudness_db": -40 * share}
    tokens = ["[CLS]", *clip.text, "[SEP]"]
    words = {"tokens": tokens, "unknown": number % 2, "model": "untrained text model: demo only"}
    steps = 8 + number % 9
    return {
        "faces": Features(faces, {**size, **found}),
        "openface": Features(
            {"table": table},
            {"runtime": "native", "rows": frames, "grid": "frame", "notes": [], "identity": "x"},
        ),
        "vision": Features(
            {"vision": table[:, 5:], "valid": np.ones(frames, np.uint8)},
            {"frames": frames, **seen},
        ),
        "audio": Features(
            {"audio": np.full((steps, 33), share, np.float32)}, {"frames": steps, **heard}
        ),
        "text": Features({"text": np.full((len(tokens), 768), share, np.float32)}, words),
    }


def _face() -> bytes:
    """Draw one face crop; all clips share it."""
    image = Image.new("RGB", (112, 112), (72, 92, 110))
    draw = ImageDraw.Draw(image)
    draw.ellipse((21, 11, 91, 104), fill=(222, 184, 150))
    draw.ellipse((43, 70, 69, 84), fill=(140, 60, 60))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def main(arguments: Sequence[str]) -> None:
    """Write the features of a build folder, whose settings are the JSON of the first argument."""
    import json

    from pipeline.config import make_config

    write_features(make_config(json.loads(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
