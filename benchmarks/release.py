"""What of the recipe's own pictures the preset `release` does not give, clip by clip.

    chsims-build --config config/demo.yaml --stage faces --set frames.keep_frames=true
    python benchmarks/release.py processed/demo [--docs]

Compares the recipe's PNG files (ffmpeg -r 30) with the frames of a build, and its face images,
which it keeps as PNG files, with crops of the same frames as the build keeps them. --docs renews
the table in docs/reproducing.md. Sound, text and the means of OpenFace's rows agree to rounding:
tests/test_release.py.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import recipe
import yaml

from pipeline.faces.crop import crop_face, encode_jpeg
from pipeline.faces.settings import FacesSettings
from pipeline.media.ffmpeg import ffmpeg_program
from pipeline.store.features import Store

_ROOT = Path(__file__).parents[1]
_FACES_PER_CLIP = 3


def frames(processed: Path, clip: str, media: Path) -> tuple[int, int, list[int]]:
    """Return the recipe's and the build's number of frames, and how late the recipe's are.

    A frame's lateness is the number of frames by which the build shows the same picture earlier.
    """
    found = Store(processed).read("frames", clip)
    shown = found.arrays["shown"]
    capture = cv2.VideoCapture(str(processed / "frames" / f"{clip}.mkv"))
    written = []
    while (read := capture.read())[0]:
        written.append(_small(read[1]))
    ours = [written[number] for number in shown if number >= 0]
    late = []
    with tempfile.TemporaryDirectory() as folder:
        recipe.frames(media, Path(folder), ffmpeg_program())
        paths = sorted(Path(folder).glob("*.png"))
        for number, path in enumerate(paths):
            picture = cv2.imread(str(path))
            assert picture is not None
            near = range(max(number - 2, 0), min(number + 3, len(ours)))
            best = min(near, key=lambda k: (_apart(_small(picture), ours[k]), abs(k - number)))
            late.append(number - best)
    return len(paths), len(shown), late


def jpeg_loss(processed: Path, clip: str, media: Path) -> list[float]:
    """Return by how much a JPEG crop's pixels differ from the same crop as a PNG, of 255."""
    settings = yaml.safe_load((_ROOT / "config" / "release.yaml").read_text("utf-8"))
    s = FacesSettings(**settings["faces"])
    faces = Store(processed).read("faces", clip).arrays
    losses = []
    capture = cv2.VideoCapture(str(media))
    for _ in range(_FACES_PER_CLIP):
        picture = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        box, points = faces["box"][0], faces["landmarks"][0]
        crop = crop_face(picture, box, points, crop=s.crop, size=s.image_size, margin=s.margin)
        data = np.frombuffer(encode_jpeg(crop, s.jpeg_quality), np.uint8)
        kept = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        assert kept is not None
        losses.append(float(np.abs(kept.astype(float) - crop).mean()))
    return losses


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (80, 60), interpolation=cv2.INTER_AREA).astype(np.float32)


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())


def table(processed: Path) -> list[str]:
    """Return the table's lines, one per frame rate."""
    lines = [
        "| rate of the clips | clips | frames, recipe / `release` | frames that show another "
        "picture | a crop's pixels, PNG to JPEG (mean, of 255) |",
        "|---|---|---|---|---|",
    ]
    groups: dict[str, list[tuple[int, int, list[int], list[float]]]] = {}
    for media in sorted((_ROOT / "raw" / "demo").glob("video_*/*.mp4")):
        clip = f"{media.parent.name}/{media.stem}"
        rate = f"{cv2.VideoCapture(str(media)).get(cv2.CAP_PROP_FPS):.2f}"
        result = (*frames(processed, clip, media), jpeg_loss(processed, clip, media))
        groups.setdefault(rate, []).append(result)
    for rate, clips in sorted(groups.items()):
        late = Counter(frame for _, _, lates, _ in clips for frame in lates)
        other = sum(late.values()) - late[0]
        losses = [loss for *_, all_losses in clips for loss in all_losses]
        lines.append(
            f"| {rate} | {len(clips)} | {sum(c[0] for c in clips)} / {sum(c[1] for c in clips)} | "
            f"{other / sum(late.values()):.0%} | {np.mean(losses):.2f} |"
        )
    return lines


def main() -> None:
    """Print the table; put it into docs/reproducing.md if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("processed", type=Path, help="the demo's build, with its frames")
    parser.add_argument("--docs", action="store_true", help="renew docs/reproducing.md")
    options = parser.parse_args()
    lines = table(options.processed)
    print("\n".join(lines))
    if options.docs:
        from page import put_into_page

        put_into_page(_ROOT / "docs" / "reproducing.md", "release", lines)


if __name__ == "__main__":
    main()
