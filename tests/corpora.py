"""Small corpora of real clips, laid out like the CH-SIMS download."""

from __future__ import annotations

import csv
import json
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import EMULATOR, snakemake
from tests.media import face_clip

HEADER = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation")
TEXTS = ("今天很好。", "我不喜欢。", "还可以吧。", "太糟了！", "真高兴！", "好的。")
GRID = (1.0, -0.4, 0.0, -1.0, 0.6, 0.2)


class Corpus:
    """A corpus in a temporary folder, and its build.

    OpenFace is the test suite's emulator; the text model is the demo's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.raw = folder / "raw"
        self.processed = folder / "processed"
        self.rows: dict[str, tuple[str, float]] = {}

    def add(self, clip: str, text: str | None = None, label: float | None = None) -> Path:
        """Add a clip to the sheet and return the path its media file should have."""
        number = len(self.rows)
        self.rows[clip] = (
            TEXTS[number % 6] if text is None else text,
            GRID[number % 6] if label is None else label,
        )
        path = self.raw / f"{clip}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_sheet(self) -> None:
        """Write label.csv from the rows."""
        with (self.raw / "label.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(HEADER)
            for clip, (text, label) in self.rows.items():
                writer.writerow([*clip.split("/"), text, *[label] * 4, ""])

    def build(self, *targets: str, cores: int = 2, **settings: object) -> str:
        """Build with Snakemake and return what it printed."""
        done = self.run(*targets, cores=cores, **settings)
        assert done[0] == 0, done[1]
        return done[1]

    def run(self, *targets: str, cores: int = 2, **settings: object) -> tuple[int, str]:
        """Build with Snakemake; return its exit status and what it printed."""
        self.write_sheet()
        config = {
            "raw": str(self.raw),
            "processed": str(self.processed),
            "text": {"model": "demo"},
            "openface": {"runtime": "native", "native_binary": str(EMULATOR)},
            "train": {"models": ["mlf_dnn"], "seeds": [1], "max_epochs": 3},
            **settings,
        }
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(config), "utf-8")
        arguments = ["--configfile", str(path), "--quiet", "host", "--", *(targets or ("all",))]
        done = snakemake(*arguments, cwd=self.folder, cores=cores)
        return done.returncode, done.stdout + done.stderr

    def computed(self) -> Counter[str]:
        """Return how many clips each stage has computed since the last call."""
        log = self.processed / "logs" / "runs.jsonl"
        counts: Counter[str] = Counter()
        if log.is_file():
            for line in log.read_text("utf-8").splitlines():
                run = json.loads(line)
                counts[run["stage"]] += run["computed"]
            log.unlink()
        return +counts

    def quarantine(self) -> dict[str, str]:
        """Return the reason of every clip in quarantine."""
        with (self.processed / "quarantine.csv").open(encoding="utf-8", newline="") as stream:
            return {row["clip"]: row["reason"] for row in csv.DictReader(stream)}


def small_corpus(folder: Path, clips: int = 3) -> Corpus:
    """Lay out clips of a talking face of 1.1 s each."""
    corpus = Corpus(folder)
    for number in range(clips):
        clip = corpus.add(f"video_{number % 2 + 1}/{number:04d}")
        clip.write_bytes(_talking(number))
    return corpus


@cache
def _talking(number: int) -> bytes:
    """Return the media file of one of the clips of `small_corpus`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        return face_clip(path, "-crf", str(20 + number), seconds=1.1).read_bytes()
