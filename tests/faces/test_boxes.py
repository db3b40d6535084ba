"""The compiled box arithmetic: facenet-pytorch's and torchvision's, on crowded and odd boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from facenet_pytorch.models.utils.detect_face import (
    bbreg,
    generateBoundingBox,
    nms_numpy,
    pad,
    rerec,
)
from torchvision.ops import nms

from pipeline.faces.boxes import apart, best_first, inside, moved, suppress, windows


def boxes_of(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Crowded boxes, some beyond the edges, and scores of which some are equal."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(-20, 80, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(1, 40, (count, 2))], 1)
    return boxes.astype(np.float32), rng.integers(0, 50, count).astype(np.float32) / 50


def nobody(count: int) -> np.ndarray:
    return np.zeros(count, np.int64)


@pytest.mark.parametrize("count", [0, 1, 40, 300])
@pytest.mark.parametrize("limit", [0.5, 0.7])
def test_overlapping_boxes_are_suppressed_as_by_torchvision(count: int, limit: float) -> None:
    boxes, scores = boxes_of(count, count)
    found = suppress(boxes, nobody(count), best_first(scores), limit)
    wanted = nms(torch.from_numpy(boxes), torch.from_numpy(scores), limit)
    np.testing.assert_array_equal(found, wanted.numpy())


def test_boxes_of_other_owners_and_without_area_suppress_nothing() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [5, 5, 5, 5], [5, 5, 5, 5]], np.float32)
    order = np.arange(4)
    assert suppress(boxes, np.array([0, 1, 2, 2]), order, 0.5).tolist() == [0, 1, 2, 3]
    assert suppress(boxes, nobody(4), order, 0.5).tolist() == [0, 2, 3]


@pytest.mark.parametrize("count", [1, 16, 120])
def test_covered_boxes_are_suppressed_as_by_facenet_pytorch(count: int) -> None:
    boxes, _ = boxes_of(count, count)
    scores = np.random.default_rng(1).permutation(count).astype(np.float32)  # it leaves ties open
    found = apart(boxes, best_first(scores), 0.7)
    np.testing.assert_array_equal(found, nms_numpy(boxes, scores, 0.7, "Min"))


@pytest.mark.parametrize("squared", [False, True])
def test_edges_move_as_in_facenet_pytorch(squared: bool) -> None:
    boxes, _ = boxes_of(2, 50)
    shift = np.random.default_rng(3).normal(0, 0.2, (50, 4)).astype(np.float32)
    wanted = bbreg(torch.from_numpy(boxes.copy()), torch.from_numpy(shift))
    wanted = rerec(wanted) if squared else wanted
    found = moved(boxes, shift, np.arange(50), 1, squared)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-5)


def test_boxes_are_clipped_to_the_picture_as_in_facenet_pytorch() -> None:
    boxes = np.concatenate([boxes_of(4, 60)[0], [[-9.5, -9.5, -3.2, 4], [90, 7, 95.9, 9]]])
    boxes = boxes.astype(np.float32)
    top, bottom, left, right = pad(torch.from_numpy(boxes), 70, 60)
    kept, edges = inside(boxes, 70, 60)
    wanted = np.flatnonzero((bottom >= top) & (right >= left))
    assert 0 < len(wanted) < len(boxes)
    np.testing.assert_array_equal(kept, wanted)
    np.testing.assert_array_equal(edges, np.stack([left - 1, top - 1, right, bottom], 1)[wanted])


def test_windows_lie_where_facenet_pytorch_puts_them() -> None:
    rng = np.random.default_rng(5)
    scores = rng.random((20, 31), np.float32)
    shift = rng.normal(0, 0.1, (20, 31, 4)).astype(np.float32)
    wanted, _ = generateBoundingBox(
        torch.from_numpy(shift).permute(2, 0, 1)[None], torch.from_numpy(scores)[None], 0.3012, 0.8
    )
    place = np.array([[0, 0, 20, 31, 0, 0]])
    _, found = windows(scores, shift, 0.8, place, np.array([0.3012], np.float32))
    np.testing.assert_array_equal(found, wanted.numpy())
