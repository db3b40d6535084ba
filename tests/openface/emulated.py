"""What the emulator's tables must hold, computed from the images by other means."""

import cv2
import numpy as np

from pipeline.openface.columns import COLUMNS, FRAME, SUCCESS

MARK = b"MARKED-BY-A-TEST"


def face_images(count: int, seed: int) -> list[bytes]:
    """Return JPEGs that differ from one another."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 255, (count, 16, 16, 3), np.uint8)
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in pixels]


def marked(images: list[bytes]) -> list[bytes]:
    """Return the images with a text behind the last one's data that the emulator looks for."""
    return [*images[:-1], images[-1] + MARK]


def checksum(data: bytes) -> int:
    """Return the emulator's checksum of an image file."""
    value = 0
    for byte in data:
        value = (value * 31 + byte + 1) % 1000003
    return value


def expected_table(crops: list[bytes | None]) -> np.ndarray:
    """Return the table of a clip's crops: the emulator's numbers, and zeros without a face."""
    table = np.zeros((len(crops), 714), np.float32)
    for row, crop in zip(table, crops, strict=True):
        if crop is None:
            continue
        sum_ = checksum(crop)
        for column, name in enumerate(COLUMNS[5:], start=6):
            if not name.startswith("AU"):
                row[column - 1] = (sum_ + 37 * column) % 20011 / 100
            elif name.endswith("_c"):
                row[column - 1] = (sum_ + column) % 2
            else:
                row[column - 1] = (sum_ + column) % 500 / 100
        row[3], row[SUCCESS] = 0.98, 1
    table[:, FRAME] = np.arange(1, len(crops) + 1)
    return table
