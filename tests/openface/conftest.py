"""The runtimes of this machine, each with the emulator as its OpenFace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.openface.runtimes.select import select_runtime
from tests.openface.harness import HARNESSES, Harness


@pytest.fixture(scope="session", params=sorted(HARNESSES))
def session_harness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    """Every runtime in turn; one that this machine lacks is skipped, with the reason."""
    harness = HARNESSES[request.param](tmp_path_factory.mktemp(request.param))
    absent = harness.absent()
    if absent:
        pytest.skip(f"{request.param}: {absent}")
    harness.start()
    yield harness
    harness.stop()


@pytest.fixture
def harness(session_harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """A runtime whose environment is undone after the test."""
    session_harness.use(monkeypatch)
    return session_harness


@pytest.fixture
def container(harness: Harness) -> Harness:
    """Every runtime that is a container."""
    if harness.name == "native":
        pytest.skip("native: not a container")
    return harness


@pytest.fixture
def podman(session_podman: Harness, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """Podman alone, for what only containers can show."""
    session_podman.use(monkeypatch)
    return session_podman


@pytest.fixture(scope="session")
def session_podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = HARNESSES["podman"](tmp_path_factory.mktemp("podman-alone"))
    absent = harness.absent()
    if absent:
        pytest.skip(f"podman: {absent}")
    harness.start()
    yield harness
    harness.stop()


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    select_runtime.cache_clear()
    yield
    select_runtime.cache_clear()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A scratch folder whose name would break an unquoted path."""
    return tmp_path / 'a b, c"d'
