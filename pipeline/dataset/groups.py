"""Keeping a speaker's or a video's clips in one part, close to 6:2:2 in every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARES = (0.6, 0.2, 0.2)
_EMPTY_PART = 1e9
_PASSES = 50


def assign_groups(counts: Sequence[Sequence[int]]) -> list[int]:
    """Choose a part for each group.

    The largest groups are placed first, each where it brings all parts closest to their
    shares of every class and of the whole; then single groups are moved, and pairs
    exchanged, as long as that brings them closer. No part is left empty.

    Parameters
    ----------
    counts : sequence of sequences of int, shape (groups, classes)
        Clips of each class in each group, at least three groups. Their order decides
        between equals.

    Returns
    -------
    list of int
        For each group 0 (train), 1 (valid) or 2 (test).
    """
    table = np.asarray(counts, dtype=np.float64)
    groups = np.column_stack([table, table.sum(1)])  # [groups, classes + 1]
    balance = _Balance(groups)
    for group in np.argsort(-groups[:, -1], kind="stable"):
        balance.place(int(group), balance.best_part(groups[group], balance.sums))
    for _ in range(_PASSES):
        moved = [balance.try_move(group) for group in range(len(groups))]
        exchanged = [balance.try_exchange(group) for group in range(len(groups))]
        if not any(moved) and not any(exchanged):
            break
    return [int(part) for part in balance.part_of]


class _Balance:
    """Groups in parts, and how far the parts' sums are from their shares."""

    def __init__(self, groups: NDArray[np.float64]) -> None:
        totals = groups.sum(0)
        self.groups = groups
        self.targets = np.outer(SHARES, totals)  # [parts, classes + 1]
        self.scale = np.maximum(totals, 1.0)
        self.part_of = np.full(len(groups), -1)
        self.sums = np.zeros_like(self.targets)

    def cost(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map sums ``[..., parts, classes + 1]`` to costs ``[...]``."""
        empty = (sums[..., -1] == 0).sum(-1)
        distance = ((sums - self.targets) ** 2 / self.scale).sum((-2, -1))
        return np.asarray(distance + _EMPTY_PART * empty)

    def best_part(self, group: NDArray[np.float64], sums: NDArray[np.float64]) -> int:
        each = np.eye(len(SHARES))[:, :, None] * group  # [choice, parts, classes + 1]
        return int(np.argmin(self.cost(sums + each)))

    def place(self, group: int, part: int) -> None:
        if self.part_of[group] >= 0:
            self.sums[self.part_of[group]] -= self.groups[group]
        self.part_of[group] = part
        self.sums[part] += self.groups[group]

    def try_move(self, group: int) -> bool:
        without = self.sums.copy()
        without[self.part_of[group]] -= self.groups[group]
        part = self.best_part(self.groups[group], without)
        after = without.copy()
        after[part] += self.groups[group]
        if not self._closer(self.cost(after)):
            return False
        self.place(group, part)
        return True

    def try_exchange(self, group: int) -> bool:
        here = int(self.part_of[group])
        others = np.flatnonzero(self.part_of != here)
        change = self.groups[others] - self.groups[group]  # [others, classes + 1]
        after = np.repeat(self.sums[None], len(others), axis=0)
        after[:, here] += change
        after[np.arange(len(others)), self.part_of[others]] -= change
        costs = self.cost(after)
        best = int(np.argmin(costs))
        if not self._closer(costs[best]):
            return False
        there = int(self.part_of[others[best]])
        self.place(int(others[best]), here)
        self.place(group, there)
        return True

    def _closer(self, cost: Any) -> bool:
        return bool(cost < self.cost(self.sums) - 1e-9)
