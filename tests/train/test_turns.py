"""Trainings share the cores an epoch at a time, and all get on equally."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from pipeline.train.turns import Turns

_shared: dict[str, Any] = {}


def _run(number: int) -> None:
    _shared["all_here"].wait(120)
    with _shared["turns"].taken(number) as offer:
        for epoch in range(1, 6):
            with _shared["lock"]:
                _shared["running"].value += 1
                _shared["most"].value = max(_shared["most"].value, _shared["running"].value)
            time.sleep(0.02)
            with _shared["lock"]:
                _shared["running"].value -= 1
                _shared["epochs"][number] = epoch
                done = list(_shared["epochs"])
                _shared["apart"].value = max(_shared["apart"].value, max(done) - min(done))
            offer(epoch)


def test_no_more_run_than_there_are_places_and_none_falls_behind() -> None:
    context = multiprocessing.get_context("fork")
    count = 5
    _shared.update(
        turns=Turns(context, 2, count),
        lock=context.Lock(),
        all_here=context.Barrier(count),
        running=context.Value("i", 0),
        most=context.Value("i", 0),
        apart=context.Value("i", 0),
        epochs=context.Array("i", count),
    )
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        list(pool.map(_run, range(count), timeout=240))
    assert list(_shared["epochs"]) == [5] * count
    assert _shared["most"].value == 2
    assert _shared["apart"].value <= 3  # 1, but for a process that the system lets wait


def test_a_place_comes_back_after_an_error() -> None:
    turns = Turns(multiprocessing.get_context("fork"), 1, 2)
    with pytest.raises(ValueError), turns.taken(0):
        raise ValueError
    with turns.taken(1) as offer:
        offer(1)
