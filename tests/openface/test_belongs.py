"""A CSV belongs to its clip: what is told apart, and what is right and must pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.belongs import CROP, Table, block, mirrored, moved
from benchmarks.belongs import on_whole_picture as put_on_picture
from benchmarks.belongs import refused as is_refused
from pipeline.errors import ClipError
from pipeline.openface.belongs import FaceTrack, check_belongs
from pipeline.openface.columns import SUCCESS
from pipeline.openface.motion import pose
from pipeline.openface.points import camera_of, five_points
from pipeline.openface.table import parse_table
from pipeline.store.features import Store
from tests.openface.csvs import DEMO, real_csv
from tests.openface.faces import SCALE, SIZE, face_of

CLIPS = [f"video_{video:04d}/{clip:04d}" for video in (1, 2, 3) for clip in range(1, 11)]


def demo_table(clip: str) -> Table:
    path = DEMO / f"{clip}.csv.gz"
    return parse_table(path.read_bytes(), path.name)


def check(table: Table, face: FaceTrack) -> list[str]:
    return check_belongs(table, np.arange(len(table)), face, "a.csv")


def on_whole_picture(table: Table, face: FaceTrack) -> Table:
    return put_on_picture(table, face, np.full(len(table), SCALE))


def refused(table: Table, face: FaceTrack) -> str:
    with pytest.raises(ClipError) as caught:
        check(table, face)
    return caught.value.reason


@pytest.fixture
def table() -> Table:
    return demo_table("video_0001/0001")


@pytest.fixture
def face(table: Table) -> FaceTrack:
    return face_of(table)


def test_the_camera_gives_the_size_of_the_picture(table: Table, face: FaceTrack) -> None:
    assert camera_of(table).has_size(224, 224)
    assert camera_of(on_whole_picture(table, face)).has_size(320, 240)
    real = parse_table(real_csv("full_single_face_mp4.csv.gz"), "a.csv")
    assert camera_of(real).has_size(640, 360)


def test_tables_of_crops_and_of_the_whole_picture_pass(table: Table, face: FaceTrack) -> None:
    assert check(table, face) == []
    assert check(on_whole_picture(table, face), face) == []


def test_landmarks_mapped_to_the_whole_picture_pass(table: Table, face: FaceTrack) -> None:
    mapped = on_whole_picture(table, face)
    for metric in ("X_0", "Y_0"):
        mapped[:, block(metric)] = table[:, block(metric)]
    assert not camera_of(mapped).exact
    assert check(mapped, face) == []


def test_stored_pixels_that_are_not_square_pass(table: Table, face: FaceTrack) -> None:
    whole = on_whole_picture(table, face)
    shown = FaceTrack(face.box * 2, face.points * 2, ((640, 480), SIZE), CROP)
    assert check(whole, shown) == []


@pytest.mark.parametrize("whole", [False, True], ids=["crops", "whole picture"])
def test_a_mirrored_picture_is_told(table: Table, face: FaceTrack, whole: bool) -> None:
    right = on_whole_picture(table, face) if whole else table
    width = SIZE[0] if whole else CROP
    assert "is of a mirrored picture" in refused(mirrored(right, width), face)
    exchanged = right.copy()
    exchanged[:, block("x_0")] = width - right[:, block("x_0")]
    assert "mirrored" in refused(exchanged, face)


@pytest.mark.parametrize("times", [0.5, 0.9, 1.1, 2])
def test_a_picture_of_another_size_is_told(table: Table, face: FaceTrack, times: float) -> None:
    size = round(CROP * times)
    assert f"a picture of {size}x{size} pixels" in refused(moved(table, times=times), face)
    whole = moved(on_whole_picture(table, face), times=times)
    expected = f"a picture of {SIZE[0] * times:.0f}x{SIZE[1] * times:.0f} pixels; the clip's is 3"
    assert expected in refused(whole, face)


def test_crops_of_another_size_name_the_setting(table: Table, face: FaceTrack) -> None:
    with pytest.raises(ClipError) as caught:
        check(moved(table, times=0.5), face)
    assert "set faces.image_size" in caught.value.remedy
    assert check(moved(table, times=0.5), FaceTrack(face.box, face.points, (SIZE,), 112)) == []


def test_landmarks_that_were_moved_are_told(table: Table, face: FaceTrack) -> None:
    assert "its points were moved or scaled" in refused(moved(table, by=-40), face)


def test_a_face_in_another_place_is_another_person(table: Table, face: FaceTrack) -> None:
    elsewhere = FaceTrack(face.box + 60, face.points + 60, (SIZE,), CROP)
    words = refused(on_whole_picture(table, face), elsewhere)
    assert "another person or clip" in words and "in 0% of rows" in words


def test_a_head_that_moves_otherwise_is_another_clip(table: Table, face: FaceTrack) -> None:
    assert "another clip" in refused(np.roll(table, 40, axis=0), face)
    whole = on_whole_picture(table, face)
    assert "another person or clip" in refused(np.roll(whole, 40, axis=0), face)


def test_a_head_that_keeps_still_is_told_unless_the_crops_were_aligned(
    table: Table, face: FaceTrack
) -> None:
    for lean, is_told in ((0.08, True), (0.0, False)):
        still = _turned_to(table, lean)
        if is_told:
            assert "another clip" in refused(still, face)
        else:
            assert check(still, face) == []


def _turned_to(table: Table, lean: float) -> Table:
    """Return the table of crops in which the eyes' line has the same lean in every row."""
    made = table.copy()
    angle = lean - pose(five_points(table))["lean"]
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    for first, second, middle in (("x_0", "y_0", CROP / 2), ("X_0", "Y_0", 0)):
        across, down = table[:, block(first)] - middle, table[:, block(second)] - middle
        made[:, block(first)] = cosine * across - sine * down + middle
        made[:, block(second)] = sine * across + cosine * down + middle
    return made


def test_a_turned_picture_is_told(table: Table, face: FaceTrack) -> None:
    turned = FaceTrack(face.box, face.points[:, :, ::-1] * (1, -1), (SIZE,), CROP)
    assert "a turned picture" in refused(table, turned)


def test_too_few_faces_are_not_judged_and_this_is_said(table: Table, face: FaceTrack) -> None:
    lost = table.copy()
    lost[8:, SUCCESS] = 0
    (note,) = check(lost, face)
    assert "was not held against the clip's face: 8 rows" in note
    nothing = FaceTrack(
        np.full_like(face.box, np.nan), np.full_like(face.points, np.nan), (SIZE,), 224
    )
    assert "0 rows" in check(table, nothing)[0]


@pytest.fixture(scope="module")
def demo_faces(demo_build: Path) -> dict[str, FaceTrack]:
    """The faces that MTCNN really found."""
    faces = {}
    for clip in CLIPS:
        found = Store(demo_build).read("faces", clip)
        box, points = (found.arrays[n].astype(np.float64) for n in ("box", "landmarks"))
        faces[clip] = FaceTrack(box, points, ((found.info["width"], found.info["height"]),), CROP)
    return faces


def test_all_demo_csvs_pass_and_three_in_four_swapped_ones_do_not(
    demo_faces: dict[str, FaceTrack],
) -> None:
    tables = {clip: demo_table(clip) for clip in CLIPS}
    for clip in CLIPS:
        assert check(tables[clip], demo_faces[clip]) == [], clip
    # where the number of rows does not tell
    swapped = [
        (a, b) for a in CLIPS for b in CLIPS if a != b and abs(len(tables[a]) - len(tables[b])) <= 1
    ]
    assert len(swapped) == 26
    assert np.mean([is_refused(tables[a], demo_faces[b]) for a, b in swapped]) > 0.75


def test_mirrored_demo_csvs_do_not_pass(demo_faces: dict[str, FaceTrack]) -> None:
    for clip in CLIPS:
        refused(mirrored(demo_table(clip), CROP), demo_faces[clip])
