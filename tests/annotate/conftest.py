"""A small corpus of demo clips, and rounds of annotation on it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipeline.annotate.clips import Clip, read_clips
from pipeline.annotate.cut import Cutter
from pipeline.annotate.database import Database
from pipeline.annotate.rounds import Links, links, set_up
from pipeline.annotate.voting import Voting
from pipeline.annotate.web import application
from pipeline.config import make_config
from tests.conftest import DEMO

TEXTS = ("我真的受够了。", "今天又下雨了。", "还可以吧。", "谢谢你来。", "真高兴！", "太好了！")
POST = {"x-annotate": "1"}


def lay_out(raw: Path, clips: int = 3) -> Path:
    """Copy demo clips, two videos of them, and write transcripts.csv."""
    rows = []
    for number in range(clips):
        video, clip = f"video_{number % 2 + 1:04d}", f"{number // 2 + 1:04d}"
        (raw / video).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DEMO / video / f"{clip}.mp4", raw / video / f"{clip}.mp4")
        rows.append((video, clip, TEXTS[number % len(TEXTS)]))
    with (raw / "transcripts.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("video_id", "clip_id", "text"), *rows])
    return raw


def listed(clips: int, text: str | None = None) -> list[Clip]:
    """Return clips for tests of the protocol, which plays none of them."""
    return [
        Clip(
            *("v", f"{i:04d}", f"v/{i:04d}.mp4", f"{i:064x}", 0, 1),
            text=f"第{i}句。" if text is None else text,
        )
        for i in range(clips)
    ]


class Panel:
    """A round in a temporary folder, and short names for what its annotators do."""

    def __init__(self, folder: Path, clips: int = 3, annotators: int = 2) -> None:
        self.database = Database(folder)
        set_up(self.database, listed(clips), annotators)
        self.links: Links = links(self.database)
        self.voting = Voting(self.database)
        self.tokens = list(self.links.annotators.values())

    def tickets(self, annotator: int = 0) -> list[str]:
        """Return the tickets that an annotator is shown now."""
        return [t["ticket"] for t in self.voting.state(self.tokens[annotator])["tasks"]]

    def ticket_of(self, annotator: int, phase: str, place: int = 0) -> str:
        """Return a ticket of any phase, which only the database knows."""
        query = (
            "SELECT ticket FROM tasks JOIN annotators ON annotators.id = annotator "
            "WHERE token = ? AND phase = ? AND place = ?"
        )
        with self.database.reading() as db:
            row = db.execute(query, (self.tokens[annotator], phase, place)).fetchone()
        return str(row["ticket"])

    def finish(self, annotator: int = 0, answer: int | str = 1) -> None:
        """Answer every clip of the current phase and close it."""
        token = self.tokens[annotator]
        for ticket in self.tickets(annotator):
            self.voting.vote(token, ticket, answer)
        self.voting.close(token, self.voting.state(token)["phase"])


@pytest.fixture
def panel(tmp_path: Path) -> Panel:
    """Two annotators, three clips."""
    return Panel(tmp_path / "round")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three demo clips with transcripts; read only."""
    return lay_out(tmp_path_factory.mktemp("corpus") / "raw")


@pytest.fixture(scope="session")
def cut_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests keep the files that they cut."""
    return tmp_path_factory.mktemp("cut")


def client(panel: Panel, cutter: Cutter) -> TestClient:
    """Return a client of the application."""
    return TestClient(
        application(panel.database, cutter),
        base_url="http://localhost",
        raise_server_exceptions=False,
    )


class Site:
    """The application on the small corpus, asked without a network."""

    def __init__(self, panel: Panel, cutter: Cutter) -> None:
        self.panel = panel
        self.client = client(panel, cutter)
        self.a = [f"/a/{token}/" for token in panel.tokens]
        self.o = f"/o/{panel.links.organiser}/"


@pytest.fixture
def site(corpus: Path, cut_files: Path, tmp_path: Path) -> Iterator[Site]:
    """Two annotators on the small corpus."""
    clips, left_out = read_clips(make_config({"raw": str(corpus)}), cut_files / "probes")
    assert left_out == []
    panel = Panel(tmp_path / "round", clips=0)
    set_up(panel.database, clips, 2)
    cutter = Cutter(corpus, cut_files / "media", "wheel")
    yield Site(panel, cutter)
    cutter.stop()
