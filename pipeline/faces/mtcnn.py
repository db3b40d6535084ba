"""MTCNN's three nets on any part of a frame: all of it, or only the area near a known face.

The nets and their weights are facenet-pytorch's, and so is the box arithmetic, compiled; this
module prepares the images that the nets see. A search near a face uses the pyramid scales and the
grid of a search of the whole frame, so both find the same box for the same face.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from pipeline.faces.boxes import ONE, Float, apart, best_first, inside, moved, suppress, windows
from pipeline.faces.pictures import AreaTable
from pipeline.faces.sheets import CELL, STRIDE, Part, Sheet, arrange
from pipeline.faces.track import Detections

NEAR = 0.5
"""Largest distance between the centres of a face and of the P-Net windows that search for it in
the next frame, as a share of the face's side. A face moves less than this in one frame."""
SMALLER, LARGER = 0.3, 2.5
"""Range of P-Net window sides that can propose a face, as shares of the face's side."""


Level = tuple[float, tuple[int, int]]
"""Scale and shape of a level of the pyramid."""


class FaceNets:
    """P-Net, R-Net and O-Net of a facenet-pytorch MTCNN.

    Parameters
    ----------
    mtcnn : facenet_pytorch.MTCNN
        The nets, their thresholds, the smallest face and the factor between pyramid levels.
    """

    def __init__(self, mtcnn: Any) -> None:
        self.mtcnn = mtcnn
        if torch.device(mtcnn.device).type == "cpu":
            for net in (mtcnn.pnet, mtcnn.rnet, mtcnn.onet):
                _compile(net)

    def everywhere(self, height: int, width: int, smallest: float) -> list[Part]:
        """Return the whole levels that show faces of at least `smallest` pixels."""
        return [
            Part(scale, shape, (0, shape[0]), (0, shape[1]))
            for scale, shape in self._levels(height, width)
            if CELL / scale >= smallest * self.mtcnn.factor
        ]

    def near(self, height: int, width: int, boxes: NDArray[np.float32]) -> list[Part]:
        """Return the parts of the levels that show faces near, and as large as, `boxes [n, 4]`."""
        parts = []
        for x0, y0, x1, y1 in boxes.tolist():
            side, x, y = max(x1 - x0, y1 - y0), (x0 + x1) / 2, (y0 + y1) / 2
            for scale, shape in self._levels(height, width):
                if SMALLER * side <= CELL / scale <= LARGER * side:
                    reach = CELL / scale / 2 + NEAR * side
                    rows = _aligned((y - reach) * scale, (y + reach) * scale, shape[0])
                    columns = _aligned((x - reach) * scale, (x + reach) * scale, shape[1])
                    if min(rows[1] - rows[0], columns[1] - columns[0]) >= CELL:
                        parts.append(Part(scale, shape, rows, columns))
        return parts

    def _levels(self, height: int, width: int) -> list[Level]:
        return _pyramid(height, width, self.mtcnn.min_face_size, self.mtcnn.factor)

    def search(self, table: AreaTable, parts: list[Part]) -> Detections:
        """Find the faces in these parts of a frame as MTCNN does, largest first."""
        with torch.inference_mode():
            boxes = self._propose(table, parts)
            boxes = self._refine(table, boxes)
            return self._decide(table, boxes)

    def _net(self, net: Any, pictures: Float) -> list[Float]:
        # channels first for torch, but stored channels last: twice as fast on a CPU
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).to(self.mtcnn.device)
        return [output.float().cpu().numpy() for output in net.forward(batch)]

    def _propose(self, table: AreaTable, parts: list[Part]) -> Float:
        """Let P-Net propose boxes ``[n, 4]``."""
        sheets = arrange(parts)
        if not sheets:
            return np.empty((0, 4), np.float32)
        found = np.concatenate([self._windows(table, sheet) for sheet in sheets])
        kept = suppress(found, np.zeros(len(found), np.int64), best_first(found[:, 4]), 0.7)
        return moved(found, np.ascontiguousarray(found[:, 5:]), kept, 0, True)

    def _windows(self, table: AreaTable, sheet: Sheet) -> Float:
        """Return P-Net's windows that may show a face: box, score and shift ``[n, 9]``."""
        picture = np.zeros((1, *sheet.shape, 3), np.float32)
        for part, row, column in sheet.places:
            rows, columns = part.size
            out = picture[0, row : row + rows, column : column + columns]
            table.part(part.shape, part.rows, part.columns, out)
        shift, scores = self._net(self.mtcnn.pnet, picture)
        parts, found = windows(
            np.ascontiguousarray(scores[0, 1]),
            np.ascontiguousarray(shift[0].transpose(1, 2, 0)),
            self.mtcnn.thresholds[0],
            *sheet.windows(),
        )
        return found[suppress(found, parts, best_first(found[:, 4]), 0.5)]

    def _refine(self, table: AreaTable, boxes: Float) -> Float:
        """Let R-Net reject boxes and correct the others."""
        boxes, pictures = _cut(table, boxes, 24)
        if not len(boxes):
            return boxes
        shift, scores = self._net(self.mtcnn.rnet, pictures)
        sure = scores[:, 1] > self.mtcnn.thresholds[1]
        boxes, shift, score = boxes[sure], shift[sure], scores[sure, 1]
        kept = suppress(boxes, np.zeros(len(boxes), np.int64), best_first(score), 0.7)
        return moved(boxes, shift, kept, 1, True)

    def _decide(self, table: AreaTable, boxes: Float) -> Detections:
        """Let O-Net reject boxes, correct the others and find five landmarks in each."""
        boxes, pictures = _cut(table, boxes, 48)
        if not len(boxes):
            return no_faces()
        shift, points, scores = self._net(self.mtcnn.onet, pictures)
        sure = scores[:, 1] > self.mtcnn.thresholds[2]
        boxes, shift, points, score = boxes[sure], shift[sure], points[sure], scores[sure, 1]
        origin = boxes[:, None, :2] - ONE
        sides = (boxes[:, 2:] - boxes[:, :2] + ONE)[:, None]
        points = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides + origin
        found = Detections(moved(boxes, shift, np.arange(len(boxes)), 1, False), score, points)
        found = found.take(apart(found.boxes, best_first(score), 0.7))
        area = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
        return found.take(np.argsort(-area, kind="stable"))


def _compile(net: nn.Module) -> None:
    """Let plain functions stand for the layers of one of facenet-pytorch's nets, on a CPU.

    A layer that is a module costs as much to call as a small one takes to compute. One compiled
    pass stands for each PReLU that a pooling follows: torch needs as long for these two as for the
    convolutions. The results are the same to the bit.
    """
    layers = dict(net.named_children())
    for name, layer in layers.items():
        delattr(net, name)
        setattr(net, name, _function_of(layer))
    for name, layer in layers.items():
        activation = layers.get(name.replace("pool", "prelu"))
        if isinstance(layer, nn.MaxPool2d) and isinstance(activation, nn.PReLU):
            setattr(net, name.replace("pool", "prelu"), _activation_and_pooling(activation, layer))
            setattr(net, name, _unchanged)


def _function_of(layer: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    own = {name: values.detach() for name, values in layer.named_parameters()}
    if isinstance(layer, nn.Conv2d):
        return partial(torch.conv2d, **own, stride=layer.stride)
    if isinstance(layer, nn.Linear):
        return partial(functional.linear, **own)
    if isinstance(layer, nn.PReLU):
        return partial(torch.prelu, **own)
    return layer.forward


def _activation_and_pooling(
    activation: nn.PReLU, pooling: nn.MaxPool2d
) -> Callable[[torch.Tensor], torch.Tensor]:
    from pipeline.faces.kernels import activate_and_pool

    slopes: Any = activation.weight.detach().numpy()
    size: Any = pooling.kernel_size

    def run(values: torch.Tensor) -> torch.Tensor:
        pooled = activate_and_pool(values.permute(0, 2, 3, 1).contiguous().numpy(), slopes, size)
        return torch.from_numpy(pooled).permute(0, 3, 1, 2)

    return run


def _unchanged(values: torch.Tensor) -> torch.Tensor:
    return values


@lru_cache(maxsize=64)
def _pyramid(height: int, width: int, smallest: int, factor: float) -> list[Level]:
    """Return the levels of facenet-pytorch's pyramid."""
    m = CELL / smallest
    scales, side = [m], min(height, width) * m
    while (side := side * factor) >= CELL:
        scales.append(scales[-1] * factor)
    return [(s, (int(height * s + 1), int(width * s + 1))) for s in scales]


def no_faces() -> Detections:
    """Return the detections of a frame without a face."""
    return Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
    )


def _aligned(low: float, high: float, length: int) -> tuple[int, int]:
    """Cut a range of a level so that P-Net's windows fall where they do on the whole level."""
    start = max(int(low) // STRIDE * STRIDE, 0)
    stop = start + -(-int(high - start + 1) // STRIDE) * STRIDE
    return start, min(stop, length)


def _cut(table: AreaTable, boxes: Float, size: int) -> tuple[Float, Float]:
    kept, edges = inside(boxes, table.width, table.height)
    return boxes[kept], table.crops(edges, size)
