"""The six metrics are the published ones, and are always defined."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from pipeline.train.metrics import (
    classes,
    confusion,
    intervals,
    paired_test,
    recalls,
    scores,
    warnings_of,
)


def test_bins_are_open_on_the_left_and_neutral_is_not_positive() -> None:
    grid = np.array([-1, -0.8, -0.6, -0.2, 0, 0.2, 0.6, 0.8, 1], np.float32)
    assert classes(grid, 2).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert classes(grid, 3).tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2]
    assert classes(grid, 5).tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4]
    edges = np.array([-0.7, -0.1, 0.0, 0.1, 0.7], np.float32)  # an edge belongs to the lower class
    assert classes(edges, 5).tolist() == [0, 1, 2, 2, 3]
    assert classes(edges, 2).tolist() == [0, 0, 0, 1, 1]


def test_scores_agree_with_scikit_learn_and_numpy_on_random_predictions() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        truth = rng.choice(np.linspace(-1, 1, 11), 97).astype(np.float32)
        predicted = (truth + rng.normal(0, 0.7, 97)).astype(np.float32)
        p, t = np.clip(predicted, -1, 1), truth
        found = scores(predicted, truth)
        assert found["acc2"] == np.mean((p > 0) == (t > 0))
        assert found["f1"] == pytest.approx(f1_score(t > 0, p > 0, average="weighted"), abs=1e-12)
        assert found["mae"] == np.mean(np.abs(p - t))
        assert found["corr"] == pytest.approx(np.corrcoef(p, t)[0, 1], abs=1e-12)
        by_edge = sum((p <= edge).astype(int) == (t <= edge) for edge in (-0.1, 0.1)) == 2
        assert found["acc3"] == np.mean(by_edge)


def test_the_majority_baseline_of_the_corpus_is_the_published_codes_ef_lstm_row() -> None:
    truth = np.array([-0.4] * 317 + [0.4] * 140, np.float32)
    found = scores(np.full(457, -0.2, np.float32), truth)
    assert round(100 * found["acc2"], 2) == 69.37
    assert round(100 * found["f1"], 2) == 56.82


def test_constant_predictions_and_absent_classes_are_defined_and_said() -> None:
    truth = np.array([-1, -0.8, 0.2], np.float32)
    constant = np.zeros(3, np.float32)
    assert scores(constant, truth)["corr"] == 0.0
    found = warnings_of(constant, truth)
    assert any("all predictions are equal" in warning for warning in found)
    assert any("no clip has class 1 of 3" in warning for warning in found)
    assert recalls(confusion(constant, truth, 3)) == [0.0, 0.0, 0.0]
    assert not any(np.isnan(v).any() for v in intervals([constant], truth, 100).values())


def test_nan_predictions_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        scores(np.array([np.nan], np.float32), np.zeros(1, np.float32))


def test_confusion_rows_are_true_classes() -> None:
    truth = np.array([-1, 0, 1, 1], np.float32)
    predicted = np.array([-0.5, 0.5, 0.5, -0.5], np.float32)
    assert confusion(predicted, truth, 3) == [[1, 0, 0], [0, 0, 1], [1, 0, 1]]
    assert recalls(confusion(predicted, truth, 3)) == [1.0, 0.0, 0.5]


def test_an_interval_covers_the_score_and_narrows_with_clips() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (40, 400):
        truth = rng.uniform(-1, 1, count).astype(np.float32)
        predicted = [(truth + rng.normal(0, 0.5, count)).astype(np.float32) for _ in range(3)]
        low, high = intervals(predicted, truth, 500)["mae"]
        assert low < np.mean([scores(p, truth)["mae"] for p in predicted]) < high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_the_paired_test_tells_a_better_model_from_an_equal_one() -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(-1, 1, 300).astype(np.float32)
    good, bad = ([(truth + rng.normal(0, s, 300)).astype(np.float32)] for s in (0.2, 0.6))
    result = paired_test(good, bad, truth, 500)
    assert result["mae"]["difference"] < 0
    assert result["mae"]["p"] < 0.01
    assert paired_test(good, good, truth, 500)["mae"]["p"] == 1.0
