"""The vision feature: which rows count, where they land, and what is averaged."""

from typing import Any

import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.openface.columns import COLUMNS, CONFIDENCE, FEATURE_NAMES, SUCCESS, TIMESTAMP
from pipeline.openface.table import parse_table
from pipeline.store.features import Features
from pipeline.vision.extractor import VisionExtractor, VisionInputs, feature_names
from pipeline.vision.settings import VisionSettings
from tests.openface.csvs import demo_csv, real_csv


def table(rows: int, *, lost: tuple[int, ...] = (), rate: float = 0) -> np.ndarray:
    """Make a table whose features are the row's number, and 1e6 where the face is lost."""
    made = np.zeros((rows, 714), np.float32)
    made[:, 5:] = np.arange(rows, dtype=np.float32)[:, None]
    made[:, SUCCESS], made[:, CONFIDENCE] = 1, 0.9
    made[list(lost), 5:], made[list(lost), SUCCESS], made[list(lost), CONFIDENCE] = 1e6, 0, 0.1
    if rate:
        made[:, TIMESTAMP] = np.round(np.arange(rows) / rate, 3)
    return made


def extract(rows: np.ndarray, frames: int, *, grid: str = "frame", **settings: Any) -> Features:
    inputs = VisionInputs(rows, frames, 30.0, grid)
    return VisionExtractor(VisionSettings(**settings)).extract(inputs)


def first_column(features: Features) -> list[float]:
    return features.arrays["vision"][:, 0].tolist()


def test_the_names_are_openfaces_709() -> None:
    assert feature_names() == FEATURE_NAMES == COLUMNS[5:]


def test_a_whole_csv_passes_through_unchanged() -> None:
    rows = parse_table(demo_csv().encode(), "a.csv")
    features = extract(rows, 64)
    np.testing.assert_array_equal(features.arrays["vision"], rows[:, 5:])
    assert features.arrays["vision"].dtype == np.float32
    assert features.arrays["valid"].dtype == np.uint8 and features.arrays["valid"].all()
    assert features.info["frames"] == 64 and features.info["success_share"] == 1.0
    assert features.info["mean_confidence"] == pytest.approx(0.977, abs=1e-3)


def test_frames_without_a_face_are_zeros_and_invalid() -> None:
    features = extract(table(5, lost=(0, 3)), 5)
    assert first_column(features) == [0, 1, 2, 0, 4]
    assert features.arrays["valid"].tolist() == [0, 1, 1, 0, 1]
    assert features.info["success_share"] == 0.6
    assert features.info["mean_confidence"] == pytest.approx(0.9, abs=1e-6)


def test_frames_without_a_face_can_be_dropped() -> None:
    features = extract(table(5, lost=(0, 3)), 5, invalid="drop")
    assert first_column(features) == [1, 2, 4]
    assert features.arrays["valid"].tolist() == [1, 1, 1]


def test_pooling_averages_valid_frames_only_and_the_last_group_may_be_shorter() -> None:
    features = extract(table(12, lost=(1, 5, 6, 7, 8, 9)), 12, pool=5)
    assert first_column(features) == [(0 + 2 + 3 + 4) / 4, 0, 10.5]
    assert features.arrays["valid"].tolist() == [1, 0, 1]


def test_pooling_and_dropping_leaves_out_groups_without_a_face() -> None:
    features = extract(table(12, lost=(1, 5, 6, 7, 8, 9)), 12, pool=5, invalid="drop")
    assert first_column(features) == [2.25, 10.5]


def test_the_release_recipe_is_the_mean_of_five_rows() -> None:
    rows = parse_table(demo_csv().encode(), "a.csv")
    pooled = extract(rows, 64, pool=5, invalid="drop").arrays["vision"]
    assert pooled.shape == (13, 709)
    np.testing.assert_allclose(pooled[0], rows[:5, 5:].mean(axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(pooled[12], rows[60:, 5:].mean(axis=0), rtol=1e-5, atol=1e-5)


def test_a_clip_without_any_face_is_zeros_or_an_error() -> None:
    lost = table(4, lost=(0, 1, 2, 3))
    features = extract(lost, 4)
    assert not features.arrays["vision"].any() and not features.arrays["valid"].any()
    assert features.info["mean_confidence"] == 0.0
    with pytest.raises(ClipError, match="no face in any frame"):
        extract(lost, 4, invalid="drop")


def test_the_last_row_stands_for_a_missing_one_and_a_spare_one_is_left_out() -> None:
    short = extract(table(4), 5)
    assert first_column(short) == [0, 1, 2, 3, 3]
    assert "4 rows for 5 frames" in short.info["notes"][0]
    assert first_column(extract(table(6), 5)) == [0, 1, 2, 3, 4]


def test_by_time_each_frame_takes_the_nearest_row() -> None:
    # frames at 0, 33, 67, 100, 133, 167 ms; rows of a 25 Hz video at 0, 40, 80, 120, 160 ms
    features = extract(table(5, rate=25), 6, grid="timestamp")
    assert first_column(features) == [0, 1, 2, 2, 3, 4]


def test_by_time_a_faster_video_is_thinned_and_an_equal_one_is_unchanged() -> None:
    assert first_column(extract(table(12, rate=60), 6, grid="timestamp")) == [0, 2, 4, 6, 8, 10]
    assert first_column(extract(table(90, rate=30), 90, grid="timestamp")) == list(range(90))


def test_of_two_rows_equally_near_the_earlier_one_is_taken() -> None:
    # at 15 Hz every second frame lies in the middle of two rows
    assert first_column(extract(table(4, rate=15), 7, grid="timestamp")) == [0, 0, 1, 1, 2, 2, 3]


def test_a_loss_of_the_face_stays_where_it_happened() -> None:
    rows = parse_table(real_csv("full_noface_face_mov.csv.gz"), "a.csv")
    features = extract(rows, 191, grid="timestamp")
    assert features.arrays["vision"].shape == (191, 709)
    assert np.abs(features.arrays["vision"]).max() < 1e4  # pose_Tz of a lost face is 3.7e7
    assert features.info["success_share"] == pytest.approx(0.426, abs=0.01)


def test_a_table_that_does_not_cover_the_clip_is_an_error() -> None:
    with pytest.raises(ClipError, match="10 rows, the clip has 20 frames"):
        extract(table(10), 20)
    with pytest.raises(ClipError, match="columns"):
        extract(np.zeros((5, 713), np.float32), 5)
    with pytest.raises(ClipError, match="shape"):
        extract(np.zeros((0, 714), np.float32), 5)
