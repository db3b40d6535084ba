"""P-Net's parts on shared sheets, and the compiled activation: the results of torch, one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from torch import nn

from pipeline.faces import sheets
from pipeline.faces.kernels import activate_and_pool
from pipeline.faces.mtcnn import FaceNets
from pipeline.faces.pictures import AreaTable
from pipeline.faces.sheets import Part, arrange
from tests.media import face_clip
from tests.test_media import frames_of


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("shape", [(1, 21, 30, 10), (3, 8, 9, 28), (2, 3, 4, 64)])
def test_the_compiled_activation_and_pooling_are_torchs_to_the_bit(
    shape: tuple[int, ...], size: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    values, slopes = torch.randn(shape, generator=generator), torch.randn(shape[3])
    wanted = nn.functional.max_pool2d(
        torch.prelu(values.permute(0, 3, 1, 2), slopes), size, 2, ceil_mode=True
    )
    found = activate_and_pool(values.numpy(), slopes.numpy(), size)
    np.testing.assert_array_equal(found, wanted.permute(0, 2, 3, 1).numpy())


def test_the_fused_nets_give_what_facenet_pytorchs_give() -> None:
    plain, fused = (MTCNN(keep_all=True, device="cpu") for _ in range(2))
    FaceNets(fused)
    for name, side in (("pnet", 61), ("rnet", 24), ("onet", 48)):
        pictures = torch.randn(2, 3, side, side).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            pairs = zip(getattr(plain, name)(pictures), getattr(fused, name)(pictures), strict=True)
            for wanted, found in pairs:
                torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def part(rows: int, columns: int) -> Part:
    return Part(0.5, (400, 400), (10, 10 + rows), (20, 20 + columns))


def test_small_even_parts_share_a_sheet_and_do_not_overlap() -> None:
    parts = [part(46, 48), part(36, 38), part(28, 31), part(20, 26), part(14, 22), part(300, 300)]
    alone, shared = arrange(parts)[:-1], arrange(parts)[-1]
    assert [sheet.places[0][0] for sheet in alone] == [parts[2], parts[5]]
    assert sorted(p.size for p, _, _ in shared.places) == sorted(
        p.size for p in parts if p not in (parts[2], parts[5])
    )
    taken = np.zeros(shared.shape, int)
    for p, row, column in shared.places:
        assert row % 2 == column % 2 == 0
        taken[row : row + p.size[0], column : column + p.size[1]] += 1
    assert taken.max() == 1
    assert taken.sum() == sum(p.size[0] * p.size[1] for p, _, _ in shared.places)


def test_the_windows_of_a_part_lie_within_it() -> None:
    (sheet,) = arrange([part(20, 26), part(14, 22)])
    places, scales = sheet.windows()
    assert scales.tolist() == [0.5, 0.5]
    for (p, row, column), place in zip(sheet.places, places, strict=True):
        first, count, own = place[:2], place[2:4], place[4:]
        assert tuple(2 * first) == (row, column)
        assert tuple(2 * (first + count - 1) + 12) == (row + p.size[0], column + p.size[1])
        assert tuple(own) == (10, 20)


@pytest.mark.parametrize(("rows", "columns"), [(12, 13), (31, 40), (57, 33)])
def test_a_part_alone_has_all_windows_of_pnet(rows: int, columns: int) -> None:
    (sheet,) = arrange([part(rows, columns)])
    with torch.inference_mode():
        shift, _ = MTCNN(device="cpu").pnet(torch.zeros(1, 3, rows, columns))
    assert tuple(sheet.windows()[0][0, 2:4]) == shift.shape[2:]


def test_parts_find_on_a_shared_sheet_what_each_finds_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = next(frames_of(face_clip(tmp_path / "a.mp4", seconds=0.1), tmp_path).batches(1))[0]
    table, nets = AreaTable(frame), FaceNets(MTCNN(keep_all=True, device="cpu"))
    whole = nets.search(table, nets.everywhere(table.height, table.width, 20))
    parts = nets.near(table.height, table.width, whole.boxes)
    assert any(len(sheet.places) > 1 for sheet in arrange(parts))
    shared = nets.search(table, parts)
    monkeypatch.setattr(sheets, "SHARED", 0)
    assert all(len(sheet.places) == 1 for sheet in arrange(parts))
    alone = nets.search(table, parts)
    assert len(whole.boxes)
    for found in (shared, alone):
        np.testing.assert_allclose(found.boxes, whole.boxes, atol=1e-2)
        np.testing.assert_allclose(found.probabilities, whole.probabilities, atol=1e-4)
