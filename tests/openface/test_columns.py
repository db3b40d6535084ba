"""The column contract: 714 names that are those of a real OpenFace CSV."""

import gzip

from pipeline.openface.columns import (
    COLUMNS,
    FEATURE_GROUPS,
    FEATURE_NAMES,
    SUCCESS,
    TABLE_GROUPS,
    TIMESTAMP,
)
from tests.openface.csvs import DEMO


def test_names_and_order_are_those_of_a_real_csv() -> None:
    for path in sorted(DEMO.glob("*/*.csv.gz")):
        header = gzip.decompress(path.read_bytes()).decode().splitlines()[0]
        assert tuple(name.strip() for name in header.split(",")) == COLUMNS


def test_there_are_709_features_and_no_name_twice() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 714
    assert len(FEATURE_NAMES) == 709
    assert COLUMNS[5:] == FEATURE_NAMES
    assert COLUMNS[SUCCESS] == "success" and COLUMNS[TIMESTAMP] == "timestamp"


def test_groups_have_the_papers_sizes_and_cover_everything() -> None:
    sizes = {group: part.stop - part.start for group, part in FEATURE_GROUPS.items()}
    assert sizes["gaze"] + sizes["eye_landmarks_2d"] + sizes["eye_landmarks_3d"] == 288
    assert sizes["pose"] == 6
    assert (sizes["landmarks_2d"], sizes["landmarks_3d"]) == (136, 204)
    assert (sizes["pdm"], sizes["au_r"], sizes["au_c"]) == (40, 17, 18)
    assert sum(sizes.values()) == 709


def test_groups_name_what_they_say() -> None:
    assert FEATURE_NAMES[FEATURE_GROUPS["pose"]] == (
        *("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"),
    )
    assert all(name.endswith("_r") for name in FEATURE_NAMES[FEATURE_GROUPS["au_r"]])
    assert all(name.endswith("_c") for name in COLUMNS[TABLE_GROUPS["au_c"]])
