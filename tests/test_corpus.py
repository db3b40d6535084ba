"""The words and numbers of CH-SIMS."""

from __future__ import annotations

import doctest
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import corpus
from pipeline.corpus import (
    CLASSES,
    GRID,
    LABELS,
    class_of,
    label_distances,
    label_histogram,
    nearest_on_grid,
    on_grid,
)
from pipeline.dataset.info import DatasetInfo
from pipeline.report.clips import ClipRows
from pipeline.report.content import page_content
from pipeline.report.read import read_build
from pipeline.train.figures import label_figure
from tests.report.synthetic import Corpus, write_build

HALVES = (0.1, -0.1, 0.3, -0.3, 0.5, -0.5, 0.7, -0.7, 0.9, -0.9)
ROUNDED = (0.2, -0.2, 0.4, -0.4, 0.6, -0.6, 0.8, -0.8, 1.0, -1.0)


def test_the_examples_in_the_docstrings_hold() -> None:
    found = doctest.testmod(corpus)
    assert found.attempted >= 4
    assert not found.failed


def test_classes_are_the_papers_and_a_label_between_is_of_the_nearest() -> None:
    names = [CLASSES[class_of(label)] for label in GRID]
    assert names == ["NG"] * 2 + ["WN"] * 3 + ["NU"] + ["WP"] * 3 + ["PS"] * 2
    between = [CLASSES[class_of(label)] for label in (-0.71, -0.69, 0.05, 0.33, 3.0)]
    assert between == ["NG", "WN", "NU", "WP", "PS"]
    on_edges = [CLASSES[class_of(label)] for label in corpus.EDGES]
    assert on_edges == ["NG", "WN", "NU", "WP"]
    with pytest.raises(ValueError, match="label M"):
        class_of(math.nan)


def test_the_grid_holds_the_means_of_five_votes() -> None:
    votes = np.array(np.meshgrid(*[(-1, 0, 1)] * 5)).reshape(5, -1)
    assert sorted(set(votes.mean(0).round(6))) == list(GRID)
    assert all(on_grid(float(np.float32(label))) for label in GRID)
    assert not any(map(on_grid, (0.1, 1 / 3, 1.2, -3.0, math.nan)))


@pytest.mark.parametrize("kind", [float, np.float32])
def test_halves_go_away_from_zero_in_either_precision(kind: type) -> None:
    assert [nearest_on_grid(float(kind(label))) for label in HALVES] == list(ROUNDED)


@given(st.floats(-1.5, 1.5))
def test_no_value_of_the_grid_is_nearer(label: float) -> None:
    nearest = nearest_on_grid(label)
    assert nearest in GRID
    assert abs(nearest - label) <= min(abs(value - label) for value in GRID) + 1e-6
    assert nearest_on_grid(-label) == -nearest


def test_a_histogram_leaves_out_clips_without_the_label() -> None:
    counts = label_histogram([math.nan, 1.0, -1.0, -1.0, 0.3])
    assert dict(zip(GRID, counts, strict=True))[0.4] == 1
    assert (counts[0], counts[-1], sum(counts)) == (2, 1, 4)


def test_distances_are_equation_1_over_clips_that_have_both_labels() -> None:
    nan = math.nan
    distance = label_distances(np.array([[1.0, 0.0, 1.0, nan], [0.0, nan, 1.0, nan]]))
    assert distance[0, 1] == 1.0
    assert distance[0, 2] == 0.5
    assert math.isnan(distance[0, 3])
    assert (np.diag(distance)[:3] == 0).all()


def test_labels_off_the_grid_give_one_figure_2_everywhere(tmp_path: Path) -> None:
    """From manifest and dataset, in float64 and float32: the page, the file, DatasetInfo."""
    config = write_build(tmp_path, Corpus(clips=30, labels=HALVES, trained=False))
    build = read_build(config)
    page = page_content(build, ClipRows(build))["corpus"]["histogram"]
    figure, rows = label_figure(tmp_path / "dataset.h5")
    stored = DatasetInfo(config.layout.dataset).label_histogram()
    expected = [3, 3, 3, 3, 3, 0, 3, 3, 3, 3, 3]
    assert page["M"] == expected
    for label in LABELS:
        assert page[label] == figure["counts"][label] == stored[label].tolist()
        assert [row[label] for row in rows] == page[label]


def test_table_1_says_nothing_of_what_the_sheet_lacks() -> None:
    clips = pd.DataFrame(
        {
            "video_id": ["a", "a", "b"],
            "speaker": ["", None, ""],
            "gender": [None, "", "other"],
            "duration": [1.0, 2.0, 3.0],
            "text": ["哈哈，真是 OK 了！3", "", "。"],
        }
    )
    found = corpus.table1(clips)
    assert (found.videos, found.clips, found.seconds) == (2, 3, 2.0)
    assert (found.male, found.female, found.speakers) == (None, None, None)
    assert found.words == pytest.approx(8 / 3)
    clips["gender"] = ["male", "", "male"]
    clips["speaker"] = ["x", "x", "y"]
    found = corpus.table1(clips)
    assert (found.male, found.female, found.speakers) == (2, 0, 2)


def test_the_papers_own_numbers_agree_with_each_other() -> None:
    rows = corpus.PAPER_TABLE3.values()
    assert all(total == sum(counts) for total, *counts in rows)
    assert sum(total for total, *_ in rows) == corpus.PAPER_TABLE1.clips
    genders = (corpus.PAPER_TABLE1.male, corpus.PAPER_TABLE1.female)
    assert sum(count or 0 for count in genders) == corpus.PAPER_TABLE1.clips


def test_table_3_counts_every_class_of_every_part() -> None:
    members = [("train", "NG"), ("train", "PS"), ("test", "NU"), ("train", "PS")]
    found = corpus.table3(members, ("train", "valid", "test"))
    assert found == {
        "train": [3, 1, 0, 0, 0, 2],
        "valid": [0, 0, 0, 0, 0, 0],
        "test": [1, 0, 0, 1, 0, 0],
    }


def test_the_module_is_light_to_import() -> None:
    code = "import sys, pipeline.corpus; print({'numpy', 'pandas', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
