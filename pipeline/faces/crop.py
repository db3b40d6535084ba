"""Cutting a face out of a frame."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

TEMPLATE = np.array(
    [[0.34, 0.42], [0.66, 0.42], [0.50, 0.60], [0.37, 0.76], [0.63, 0.76]], np.float32
)
"""Positions of the eyes, nose and mouth corners in an aligned crop, as fractions of its side."""


def crop_face(
    frame: Image,
    box: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    *,
    crop: Literal["box", "aligned", "recipe"],
    size: int,
    margin: float,
) -> Image:
    """Cut one face out of an RGB frame.

    Parameters
    ----------
    frame : ndarray, shape (height, width, 3)
        RGB, 8 bits.
    box : ndarray, shape (4,)
        x1, y1, x2, y2 in pixels.
    landmarks : ndarray, shape (5, 2)
        Five points in pixels; used by ``aligned``.
    crop : {'box', 'aligned', 'recipe'}
        A square box with a margin, a five-point similarity transform, or facenet-pytorch's
        own crop.
    size : int
        Side of the crop, in pixels.
    margin : float
        Margin on each side, as a fraction of the box's longer side; used by ``box``.

    Returns
    -------
    ndarray, shape (size, size, 3)
        RGB, 8 bits. Pixels outside the frame repeat its edge.
    """
    if crop == "aligned":
        return _aligned(frame, landmarks, size)
    if crop == "recipe":
        return _as_facenet(frame, box, size)
    return _square(frame, box, size, margin)


def _square(frame: Image, box: NDArray[np.float32], size: int, margin: float) -> Image:
    height, width = frame.shape[:2]
    half = float(max(box[2] - box[0], box[3] - box[1])) * (0.5 + margin)
    x, y = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
    left, top = round(x - half), round(y - half)
    side = max(round(2 * half), 2)
    right, bottom = left + side, top + side
    inside = frame[
        min(max(top, 0), height - 1) : max(min(bottom, height), 1),
        min(max(left, 0), width - 1) : max(min(right, width), 1),
    ]
    missing = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    padded = cv2.copyMakeBorder(inside, *missing, cv2.BORDER_REPLICATE) if any(missing) else inside
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(padded, (size, size), interpolation=method), np.uint8)


def _aligned(frame: Image, landmarks: NDArray[np.float32], size: int) -> Image:
    matrix, _ = cv2.estimateAffinePartial2D(landmarks, TEMPLATE * size, method=cv2.LMEDS)
    if matrix is None:  # all five points coincide, so no transform fits
        matrix = np.eye(2, 3, dtype=np.float64)
    warped = cv2.warpAffine(
        frame, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _as_facenet(frame: Image, box: NDArray[np.float32], size: int) -> Image:
    from facenet_pytorch.models.utils.detect_face import extract_face
    from PIL import Image as Pillow

    face = extract_face(Pillow.fromarray(frame), box, image_size=size, margin=0)
    return np.asarray(face.permute(1, 2, 0).numpy().round().clip(0, 255), np.uint8)


def encode_jpeg(image: Image, quality: int) -> bytes:
    """Encode an RGB image as a JPEG without chroma subsampling.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3)
        RGB, 8 bits.
    quality : int
        JPEG quality, 0 to 100.

    Raises
    ------
    ValueError
        If OpenCV cannot encode the image.
    """
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError("OpenCV cannot encode this image as a JPEG")
    return data.tobytes()
