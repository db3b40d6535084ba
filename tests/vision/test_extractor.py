"""The vision feature: which rows count, where they land, and what is averaged."""

from typing import Any

import numpy as np
import pytest

from pipeline.config import load_config
from pipeline.errors import BuildError, ClipError
from pipeline.openface.columns import (
    COLUMNS,
    CONFIDENCE,
    FEATURE_GROUPS,
    FEATURE_NAMES,
    SUCCESS,
)
from pipeline.openface.table import parse_table
from pipeline.store.features import Features
from pipeline.vision.extractor import VisionExtractor, VisionInputs, feature_names
from pipeline.vision.settings import VisionSettings
from tests.openface.csvs import demo_csv, real_csv


def table(rows: int, *, lost: tuple[int, ...] = ()) -> np.ndarray:
    """Make a table whose features are the row's number, and 1e6 where the face is lost."""
    made = np.zeros((rows, 714), np.float32)
    made[:, 5:] = np.arange(rows, dtype=np.float32)[:, None]
    made[:, SUCCESS], made[:, CONFIDENCE] = 1, 0.9
    made[list(lost), 5:], made[list(lost), SUCCESS], made[list(lost), CONFIDENCE] = 1e6, 0, 0.1
    return made


def extract(
    made: np.ndarray,
    frames: int,
    *,
    times: np.ndarray | None = None,
    seen: np.ndarray | None = None,
    **settings: Any,
) -> Features:
    at = np.arange(min(len(made), frames)) / 30 if times is None else times
    inputs = VisionInputs(made, at, frames, 30.0, seen)
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


def recipe_pooled(rows: np.ndarray) -> np.ndarray:
    """The recipe's own loop: all columns after the fifth, means of five rows."""
    features, group = [], []
    for number, row in enumerate(rows[:, 5:].astype(np.float64), start=1):
        group.append(row)
        if number % 5 == 0:
            features.append(np.mean(group, axis=0))
            group = []
    if group:
        features.append(np.mean(group, axis=0))
    return np.array(features)


RELEASE = {"rows": "csv", "invalid": "keep", "pool": 5}


def test_release_averages_every_row_of_the_csv_as_the_recipe_does() -> None:
    rows = parse_table(real_csv("full_noface_face_mov.csv.gz"), "a.csv")
    assert rows[:, SUCCESS].mean() < 0.5
    features = extract(rows, 191, times=np.arange(169) / 26.5, **RELEASE)
    assert features.arrays["vision"].shape == (34, 709) and features.arrays["valid"].all()
    np.testing.assert_allclose(features.arrays["vision"], recipe_pooled(rows), rtol=1e-5, atol=1e-5)
    assert features.info["frames"] == 169
    assert features.info["success_share"] == pytest.approx(0.426, abs=0.01)


def test_release_pools_what_openface_wrote_without_the_frames_it_was_not_shown() -> None:
    rows = table(12, lost=(2,))
    seen = np.ones(12, bool)
    seen[[0, 5, 6]] = False
    rows[~seen] = 0
    pooled = extract(rows, 12, seen=seen, **RELEASE).arrays["vision"]
    np.testing.assert_allclose(pooled, recipe_pooled(rows[seen]), rtol=1e-5)


def test_a_row_without_numbers_has_no_mean_and_is_left_out() -> None:
    rows = table(5, lost=(1,))
    rows[1, 5:] = np.nan
    assert first_column(extract(rows, 5, **RELEASE)) == [(0 + 2 + 3 + 4) / 4]
    assert first_column(extract(rows, 5)) == [0, 0, 2, 3, 4]


def test_rows_of_success_0_can_be_kept_on_the_grid() -> None:
    seen = np.array([1, 1, 0, 1], bool)
    features = extract(table(4, lost=(1, 2)), 4, seen=seen, invalid="keep")
    assert first_column(features) == [0, 1e6, 0, 3]
    assert features.arrays["valid"].tolist() == [1, 1, 0, 1]


def test_a_clip_without_any_face_is_zeros_or_an_error() -> None:
    lost = table(4, lost=(0, 1, 2, 3))
    features = extract(lost, 4)
    assert not features.arrays["vision"].any() and not features.arrays["valid"].any()
    assert features.info["mean_confidence"] == 0.0
    with pytest.raises(ClipError, match="no face in any frame"):
        extract(lost, 4, invalid="drop")


def test_the_last_row_stands_for_a_missing_one_and_a_spare_one_is_left_out() -> None:
    assert first_column(extract(table(4), 5)) == [0, 1, 2, 3, 3]
    assert first_column(extract(table(6), 5)) == [0, 1, 2, 3, 4]


def test_each_frame_takes_the_row_of_the_nearest_picture() -> None:
    # frames at 0, 33, 67, 100, 133, 167 ms; pictures of a 25 Hz video at 0, 40, 80, 120, 160 ms
    features = extract(table(5), 6, times=np.arange(5) / 25)
    assert first_column(features) == [0, 1, 2, 2, 3, 4]


def test_a_faster_video_is_thinned_and_an_equal_one_is_unchanged() -> None:
    assert first_column(extract(table(12), 6, times=np.arange(12) / 60)) == [0, 2, 4, 6, 8, 10]
    assert first_column(extract(table(90), 90)) == list(range(90))


def test_of_two_rows_equally_near_the_earlier_one_is_taken() -> None:
    # at 15 Hz every second frame lies in the middle of two rows
    features = extract(table(4), 7, times=np.arange(4) / 15)
    assert first_column(features) == [0, 0, 1, 1, 2, 2, 3]


def test_a_variable_rate_is_followed() -> None:
    times = np.array([0, 1, 2, 5, 8, 11]) / 30
    features = extract(table(6), 12, times=times)
    assert first_column(features) == [0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5]
    assert features.arrays["valid"].all()


def test_frames_without_a_picture_are_masked() -> None:
    # the picture starts 100 ms after the clip, and its last two pictures have no row
    times = (np.arange(8) + 3) / 30
    features = extract(table(6), 13, times=times)
    assert features.arrays["valid"].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert first_column(features)[3:9] == [0, 1, 2, 3, 4, 5]


def test_a_loss_of_the_face_stays_where_it_happened() -> None:
    rows = parse_table(real_csv("full_noface_face_mov.csv.gz"), "a.csv")
    features = extract(rows, 191, times=np.linspace(0, 6.345, 169))
    assert features.arrays["vision"].shape == (191, 709)
    assert np.abs(features.arrays["vision"]).max() < 1e4  # pose_Tz of a lost face is 3.7e7
    assert features.info["success_share"] == pytest.approx(0.426, abs=0.01)


def test_a_clip_of_which_openface_saw_nothing_is_an_error_without_the_grid() -> None:
    with pytest.raises(ClipError, match="no face in any frame"):
        extract(table(4), 4, seen=np.zeros(4, bool), **RELEASE)


def test_a_table_that_is_none_is_an_error() -> None:
    with pytest.raises(ClipError, match="columns"):
        extract(np.zeros((5, 713), np.float32), 5)
    with pytest.raises(ClipError, match="shape"):
        extract(np.zeros((0, 714), np.float32), 5)


V2 = ["landmarks_2d", "pose", "au_r", "au_c"]


def test_v2s_groups_are_177_columns_in_openfaces_order() -> None:
    rows = parse_table(demo_csv().encode(), "a.csv")
    whole, some = extract(rows, 64), extract(rows, 64, columns=V2)
    names = feature_names(VisionSettings(columns=V2))
    assert len(names) == 136 + 6 + 17 + 18 == 177
    assert (names[0], names[6], names[-1]) == ("pose_Tx", "x_0", "AU45_c")
    places = [FEATURE_NAMES.index(name) for name in names]
    assert places == sorted(places)
    np.testing.assert_array_equal(some.arrays["vision"], whole.arrays["vision"][:, places])
    np.testing.assert_array_equal(some.arrays["valid"], whole.arrays["valid"])
    assert some.info == whole.info


@pytest.mark.parametrize("group", FEATURE_GROUPS)
def test_each_group_holds_the_columns_of_openfaces_csv(group: str) -> None:
    rows = parse_table(demo_csv().encode(), "a.csv")
    features = extract(rows, 64, columns=[group])
    columns = [COLUMNS.index(name) for name in feature_names(VisionSettings(columns=[group]))]
    np.testing.assert_array_equal(features.arrays["vision"], rows[:, columns])


def test_a_value_that_is_no_number_costs_only_rows_that_have_it_among_their_columns() -> None:
    made = table(3)
    made[1, COLUMNS.index("pose_Tx")] = np.nan
    kept = extract(made, 3, columns=["au_r"], invalid="keep", rows="csv")
    assert kept.arrays["valid"].tolist() == [1, 1, 1]
    assert extract(made, 3, columns=["pose"], invalid="keep").arrays["valid"].tolist() == [1, 0, 1]


def test_the_default_columns_leave_old_keys_valid() -> None:
    assert "columns" not in VisionSettings().defining()
    assert VisionSettings(columns=list(FEATURE_GROUPS)) == VisionSettings()
    assert VisionSettings(columns=V2).defining()["columns"] == ["pose", *V2[:1], "au_r", "au_c"]
    assert VisionSettings(columns=V2) == VisionSettings(columns=V2[::-1])


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[pose, pose]", "pose stands twice"),
        ("[]", "features.vision=none"),
        ("pose", "give all, or a list"),
        ("[pose, au]", "groups of columns are gaze.*found 'au'"),
        ("[off]", "found 'off'"),
        ("[[pose]]", r"found \['pose'\]"),
        ("null", "give all, or a list"),
        ("{pose: 1}", "give all, or a list"),
    ],
)
def test_what_is_no_choice_of_columns_is_refused(written: str, words: str) -> None:
    with pytest.raises(BuildError, match=words):
        load_config((), (f"vision.columns={written}",))
