"""Measure the memory of the frames and faces jobs against what they tell Snakemake.

    python benchmarks/memory.py                        # about ten minutes
    python benchmarks/memory.py --docs                 # and the table of docs/performance.md
    python benchmarks/memory.py --sizes 4K --seconds 1 # one size, for a quick look

Makes clips of a talking face (demo clips, scaled) in several sizes, each short and four times as
long, and runs each clip's faces job, and its frames job as with frames.keep_frames, as Snakemake
does, with one worker. Memory is the peak of the job's whole process tree: the job, its worker, the
ffmpeg that decodes, and the pictures held in memory. Pages that processes share are counted once.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from page import PERFORMANCE, measured_on, put_into_page
from tree import Tree

from pipeline.config import Config, make_config
from pipeline.frames.settings import FramesSettings
from pipeline.manifest.build import build_manifest
from pipeline.media.ffmpeg import ffmpeg_program
from pipeline.runner.jobs import memory_of_job
from pipeline.stages import STAGES
from pipeline.store.shards import shard_name

ROOT = Path(__file__).resolve().parents[1]

SIZES = {"360p": (640, 360), "1080p": (1920, 1080), "4K": (3840, 2160), "8K": (7680, 4320)}
LONGER = 4

_JOB = """
import json, sys
from pathlib import Path
from pipeline.runner.threads import bound_threads
bound_threads()
from pipeline.config import make_config
from pipeline.runner.run import run_stage
values, stage, shard = json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
config = make_config(values)
run_stage(config, stage, [shard], config.layout.record(stage, shard.stem), threads=1)
"""


@dataclass(frozen=True)
class Row:
    """The memory of one job, in MB: measured, and declared for one worker."""

    size: str
    seconds: float
    stage: str
    peak_mb: float
    declared_mb: int

    @property
    def line(self) -> str:
        """The row of a Markdown table."""
        share = 100 * self.peak_mb / self.declared_mb
        return (
            f"| {self.size} | {self.seconds:g} | {self.stage} | {self.peak_mb:.0f} "
            f"| {self.declared_mb} | {share:.0f} |"
        )


_HEADER = ("| clip | s | job | peak MB | declared MB | of it, % |", "|" + "---|" * 6)


def make_clip(path: Path, size: tuple[int, int], seconds: float) -> None:
    """Scale a demo clip, repeated as often as needed."""
    source = ROOT / "raw" / "demo" / "video_0002" / "0005.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    picture = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height}"
    command = [ffmpeg_program(), "-v", "error", "-stream_loop", "-1", "-i", str(source)]
    encoded = ["-vf", picture, "-c:v", "libx264", "-preset", "ultrafast", "-g", "30"]
    length = ["-t", str(seconds), "-pix_fmt", "yuv420p"]
    subprocess.run([*command, *encoded, *length, str(path)], check=True)


def corpus(
    folder: Path, sizes: Sequence[str], lengths: Sequence[float], **settings: object
) -> Config:
    """Make the clips, one per shard, and their manifest."""
    raw = folder / "raw"
    rows = [(size, f"{number:02d}") for size in sizes for number in range(len(lengths))]
    for size, number in rows:
        make_clip(raw / size / f"{number}.mp4", SIZES[size], lengths[int(number)])
    with (raw / "label.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("video_id", "clip_id", "text", "label"))
        writer.writerows([*row, "今天很好。", 0.0] for row in rows)
    folders = {"raw": raw, "processed": folder / "processed", "shard_size": 1}
    config = make_config({**folders, **settings})
    build_manifest(config, progress=False)
    return config


def measure(config: Config, stage: str, shard: str) -> tuple[float, int]:
    """Run one job in a process of its own; return its peak and its declared memory, in MB."""
    path = config.layout.shard(shard)
    command = [sys.executable, "-c", _JOB, config.model_dump_json(), stage, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    tree = Tree(process.pid, pause=0.02)
    output = process.communicate()[0]
    tree.stop()
    if process.returncode:
        raise SystemExit(output.decode())
    return tree.peak_mb, memory_of_job(config, STAGES[stage], [path], threads=1)


def rows_of(config: Config, sizes: Sequence[str], lengths: Sequence[float]) -> list[Row]:
    """Measure the clips of a corpus, printing each figure when it is there.

    A faces job decodes its clips itself, unless frames are kept; then they have jobs.
    """
    rows, kept = [], config.model_copy(update={"frames": FramesSettings(keep_frames=True)})
    for number, (size, seconds) in enumerate(product(sizes, lengths)):
        for stage, settings in (("faces", config), ("frames", kept)):
            figures = measure(settings, stage, shard_name(number))
            rows.append(Row(size, seconds, stage, *figures))
            print(rows[-1].line, flush=True)
    return rows


def main() -> None:
    """Measure, print, and renew docs/performance.md if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--seconds", type=float, default=1.0, help="length of the short clips")
    parser.add_argument("--exact", action="store_true", help="search with faces.exact: true")
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md")
    options = parser.parse_args()
    lengths = (options.seconds, LONGER * options.seconds)
    print("\n".join(_HEADER))
    with tempfile.TemporaryDirectory(prefix="chsims-benchmark-") as folder:
        config = corpus(Path(folder), options.sizes, lengths, faces={"exact": options.exact})
        rows = rows_of(config, options.sizes, lengths)
    if options.docs:
        lines = [*_HEADER, *(row.line for row in rows), "", measured_on()]
        put_into_page(PERFORMANCE, "memory", lines)
    if any(row.peak_mb > row.declared_mb for row in rows):
        raise SystemExit("a job takes more memory than it declares")


if __name__ == "__main__":
    main()
