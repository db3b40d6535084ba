"""Pictures from the summed-area table: torch's area interpolation, whole, in part and cropped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from pipeline.faces.pictures import AreaTable


def frame(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def as_torch(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    shrunk = (interpolate(batch, size=size, mode="area") - 127.5) * 0.0078125
    return shrunk.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("shape", [(61, 97), (18, 32), (120, 180)])
def test_any_part_of_a_shrunk_frame_is_torchs(shape: tuple[int, int]) -> None:
    image = frame(120, 180)
    part = AreaTable(image).part(shape, (4, 15), (6, 30))
    np.testing.assert_allclose(part, as_torch(image, shape)[0, 4:15, 6:30], atol=1e-6)


def test_crops_are_torchs_whether_larger_or_smaller_than_the_square() -> None:
    image = frame(120, 180)
    boxes = np.array([[0, 0, 180, 120], [10, 20, 30, 44], [170, 110, 180, 120], [5, 5, 6, 7]])
    crops = AreaTable(image).crops(boxes, 48)
    for crop, (x0, y0, x1, y1) in zip(crops, boxes, strict=True):
        np.testing.assert_allclose(crop[None], as_torch(image[y0:y1, x0:x1], (48, 48)), atol=1e-6)


def test_a_frame_with_more_light_than_32_bits_can_count_is_summed_right() -> None:
    image = np.full((2400, 3600, 3), 255, np.uint8)
    np.testing.assert_allclose(AreaTable(image).part((24, 36), (20, 24), (30, 36)), 127.5 / 128)
