"""A Slurm for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.slurm import Slurm, absent, running


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Daemons on this machine, without accounting; skipped where they are not installed."""
    if reason := absent():
        pytest.skip(f"no Slurm: {reason}")
    with running(Slurm(tmp_path_factory.mktemp("slurm"))) as started:
        yield started
