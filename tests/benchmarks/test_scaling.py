"""The benchmark of growth: its corpora are whole, and it counts what runs."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks import scaling


def test_a_corpus_beyond_the_demo_repeats_its_clips_under_other_names(tmp_path: Path) -> None:
    raw = scaling.corpus(tmp_path, 33)
    with (raw / "label.csv").open(encoding="utf-8", newline="") as stream:
        clips = [f"{row['video_id']}/{row['clip_id']}" for row in csv.DictReader(stream)]
    assert len(set(clips)) == 33
    assert all((raw / f"{clip}.mp4").is_file() for clip in clips)


def test_the_sampler_counts_the_busy_threads_of_a_process_tree() -> None:
    idle = "import subprocess, sys; busy = [subprocess.Popen([sys.executable, '-c', "
    idle += "'print(flush=True)\\nwhile True: pass']) for _ in range(3)]; sys.stdin.read(); "
    idle += "[b.kill() for b in busy]"
    process = subprocess.Popen(
        [sys.executable, "-c", idle], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    for _ in range(3):  # until all three are there
        process.stdout.readline()
    tree = scaling.Tree(process.pid)
    time.sleep(1.2)
    tree.stop()
    process.stdin.close()
    process.wait()
    process.stdout.close()
    assert median(tree.runnable[1:]) == 3
    assert tree.peak_mb > 10
