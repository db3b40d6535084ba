"""The common length is int(mean + sigmas * population standard deviation)."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.dataset.lengths import length_statistics


@pytest.mark.parametrize("sigmas", [0.0, 1.0, 3.0])
def test_the_formula_of_the_recipe(sigmas: float) -> None:
    steps = [int(n) for n in np.random.default_rng(0).integers(30, 300, 500)]
    found = length_statistics(steps, sigmas)
    assert found.padded == int(np.mean(steps) + sigmas * np.std(steps))
    assert found.shortened == sum(n > found.padded for n in steps)
    assert (found.shortest, found.longest) == (min(steps), max(steps))


def test_clips_of_one_length_keep_it_and_nothing_is_ever_of_length_zero() -> None:
    assert length_statistics([94] * 7, 3.0).padded == 94
    assert length_statistics([0, 0, 1], 0.0).padded == 1
