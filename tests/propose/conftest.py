"""A film of the demo's clips, proposed once for all tests that only look."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.demofilm import Placed, make_film, srt, story

CLIPS = ("video_0001/0003", "video_0001/0007", "video_0002/0005", "video_0003/0007")


@dataclass(frozen=True)
class Proposed:
    """A film, what lies where in it, and the folder that was proposed from it."""

    film: Path
    placed: list[Placed]
    folder: Path
    output: str


def propose(*arguments: str | Path, status: int = 0) -> str:
    """Run the command, and return what it said."""
    command = [sys.executable, "-m", "pipeline.commands.cli", "propose", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> Proposed:
    """A film with subtitles, and its clips."""
    folder = tmp_path_factory.mktemp("films")
    film = folder / "film.mp4"
    placed = make_film(film, story(CLIPS))
    (folder / "film.zh.srt").write_text(srt(placed), "utf-8")
    to = folder / "raw"
    return Proposed(film, placed, to, propose(film, "--to", to))
