"""Measure what batches save: ``python -m tests.openface.measure_batches``.

The emulator takes one second to "load its models", as OpenFace takes 0.3 to 1.7; what a call
costs besides (starting a container, the guard, reading the CSVs) is real.
"""

import tempfile
import time
from pathlib import Path

import pytest

from pipeline.openface.run import CropInputs, RunOpenFace
from tests.openface.emulated import face_images
from tests.openface.harness import HARNESSES, Harness

CLIPS = 16


def measure(harness: Harness, batch: int, threads: int, work: Path) -> float:
    """Return the seconds that all clips take."""
    settings = harness.settings({"EMULATOR_LOAD": "1"})
    clips = [CropInputs(f"v/{i}", face_images(3, i), work) for i in range(CLIPS)]
    extractor = RunOpenFace(settings, threads)
    started = time.monotonic()
    for first in range(0, CLIPS, batch):
        extractor.extract_batch(clips[first : first + batch])
    return time.monotonic() - started


def main() -> None:
    """Print one line for each runtime of this machine, batch size and number of threads."""
    for name, kind in HARNESSES.items():
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            harness = kind(Path(folder))
            if absent := harness.absent():
                print(f"{name}: {absent}")
                continue
            harness.start()
            harness.use(patch)
            for batch, threads in ((CLIPS, 1), (1, 1), (CLIPS, 2)):
                seconds = measure(harness, batch, threads, Path(folder) / "work")
                print(f"{name}: {CLIPS} clips, {batch} a call, {threads} threads: {seconds:.1f} s")
            harness.stop()


if __name__ == "__main__":
    main()
