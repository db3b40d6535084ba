"""Compare the faces stage with facenet-pytorch frame by frame, on any clips.

python benchmarks/faces_quality.py CLIP... [--docs]

For each face that facenet-pytorch finds with probability 0.95 or more (frame by frame, at its
defaults): the IoU of the stage's nearest box, median and 1st percentile; and the frames in which
the stage found none of them (IoU below 0.3).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SURE = 0.95
LOST = 0.3


def quality(clip: Path, folder: Path) -> str:
    """Return one clip's line of the table."""
    from facenet_pytorch import MTCNN

    from benchmarks.clips import frame_source
    from pipeline.faces.detector import make_detector
    from pipeline.faces.settings import FacesSettings
    from pipeline.faces.track import overlap

    source = frame_source(clip, folder / "frames.mkv")
    mtcnn = MTCNN(keep_all=True, device="cpu")
    started = time.process_time()
    found = [
        f.boxes for _, f in make_detector(FacesSettings(device="cpu")).follow(source.batches(16))
    ]
    ours = time.process_time() - started
    started, values, lost, number = time.process_time(), [], set(), 0
    for frame in (frame for batch in source.batches(16) for frame in batch):
        boxes, probabilities = mtcnn.detect(frame)
        for i in [] if boxes is None else np.flatnonzero(probabilities.astype(float) >= SURE):
            near = overlap(boxes[i : i + 1].astype(np.float32), found[number])
            values.append(near.max() if near.size else 0.0)
            if values[-1] < LOST:
                lost.add(number)
        number += 1
    theirs = time.process_time() - started
    name = f"{clip.parent.name}/{clip.name}"
    if not values:
        return f"| {name} | {number} | 0 | | | | |"
    return (
        f"| {name} | {source.width}x{source.height}, {number} | {len(values)} | "
        f"{np.median(values):.4f} | {np.percentile(values, 1):.4f} | {len(lost)} | "
        f"{theirs / ours:.1f} |"
    )


def main() -> None:
    """Print the table; put it into docs/performance.md if asked."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md")
    options = parser.parse_args()
    lines = [
        "| clip | frames | sure faces | IoU, median | IoU, 1st percentile | frames lost | CPU time "
        "of decoding and detection, times lower |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        for clip in options.clips:
            lines.append(quality(clip, Path(folder)))
            print(lines[-1], flush=True)
    if options.docs:
        from page import PERFORMANCE, put_into_page

        put_into_page(PERFORMANCE, "quality", lines)


if __name__ == "__main__":
    main()
