"""The page on what was proposed, as people find it in a browser."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pipeline.propose.folder import FilmRecord
from pipeline.propose.output import COLUMNS, write_candidates, write_page
from pipeline.propose.thumbnails import Thumbnails
from pipeline.store.features import Store
from pipeline.store.files import read_sealed
from tests.propose.conftest import Proposed
from tests.propose.test_subtitles import segment
from tests.report.browser import CHROMIUM, Browser

EVIL = "</style><script>document.title='evil'</script><img src=x onerror=alert(1)>\n\x07‮电影"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH (apt-get install chromium)")
    with Browser(1200, 900) as opened:
        yield opened


def told(proposed: Proposed) -> tuple[dict[str, Any], Thumbnails]:
    """Return what is stored of the film, and its thumbnails."""
    store = proposed.folder / ".propose"
    stored = read_sealed(store / "candidates" / "video_0001.json")
    parts = [f"{stored['digest'][:20]}/{part}" for part in stored["parts"]]
    return stored, Thumbnails(Store(store), {"video_0001": parts})


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_accessible_offline_and_fits_a_phone(
    proposed: Proposed, browser: Browser, width: int
) -> None:
    axe = (files("axe_core_python") / "axe.min.js").read_text("utf-8")
    browser.console.clear()
    browser.requests.clear()
    browser.resize(width, 900)
    page = proposed.folder / "candidates.html"
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.open(page)
        assert browser.console == []
        browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("[...document.images].every((i) => i.complete && i.naturalWidth > 100)")
        assert browser.run("document.images.length") == 6
        browser.run(f"{axe}; 0")
        found = browser.run(
            "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)]))"
        )
        assert found == [], scheme
        browser.console.clear()  # axe's own styles are against the page's policy
    assert {url.split(":")[0] for url in browser.requests} == {"file"}


def test_the_page_shows_counts_reasons_and_thresholds(proposed: Proposed) -> None:
    page = (proposed.folder / "candidates.html").read_text("utf-8")
    text = re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S))
    assert "segments 6" in text
    assert "taken 4" in text
    assert "several faces too many of the pictures show another face as well 1" in text
    assert "no face in too many of the pictures, no face was found 1" in text
    for name in ("min_face", "one_face_share", "pause", "shortest", "longest", "speech_threshold"):
        assert f"propose.{name} value clips length" in text
    assert '<tr class="own"><th scope="row" class="n">64</th><td class="n">4</td>' in page


def test_names_and_words_cannot_leave_their_places(
    proposed: Proposed, browser: Browser, tmp_path: Path
) -> None:
    stored, thumbnails = told(proposed)
    stored["film"] = stored["subtitles"] = EVIL
    stored["notes"] = [f"warning: {EVIL}"]
    for each in stored["segments"]:
        each["text"] = each["note"] = EVIL
    record = FilmRecord("video_0001", stored["digest"], EVIL)
    write_page(tmp_path / "page.html", [(record, stored)], thumbnails, dry_run=False)
    browser.console.clear()
    browser.open(tmp_path / "page.html")
    assert browser.run("document.title") == "Proposed clips"
    assert browser.run("document.scripts.length") == 0
    assert browser.run("document.images.length") == 6
    assert browser.console == []
    assert "<script>" in browser.run("document.querySelector('td.name').innerText")
    write_candidates(tmp_path / "candidates.csv", [(record, stored)])
    with (tmp_path / "candidates.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(stored["segments"])
    assert all(tuple(line) == COLUMNS and line["film"] == EVIL for line in lines)


def many(segments: int, words: str = "") -> list[tuple[FilmRecord, dict[str, Any]]]:
    """Return a film of which so many segments were taken."""
    taken = asdict(segment(0.0, 1.0)) | {"text": words, "note": words, "source": words}
    film = {
        "film": words,
        "seconds": 9.0,
        "size": [320, 240],
        "shots": 1,
        "speech": 1.0,
        "subtitles": "",
        "cues": 0,
        "notes": [],
        "tries": {},
        "settings": {},
        "segments": [{**taken, "clip_id": f"{number + 1:04d}"} for number in range(segments)],
    }
    return [(FilmRecord("video_0001", "a" * 64, words), film)]


def test_a_page_on_many_clips_shows_some_of_them_from_all_over_the_film(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", many(2000), Thumbnails(Store(tmp_path), {}), dry_run=False)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "taken: 2000, 500 of them shown" in page
    shown = re.findall(r"video_0001/(\d{4})", page)
    assert shown == [f"{number:04d}" for number in range(1, 2001, 4)]


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1"])
def test_a_spreadsheet_finds_no_formulas(tmp_path: Path, words: str) -> None:
    write_candidates(tmp_path / "candidates.csv", many(1, words))
    with (tmp_path / "candidates.csv").open(encoding="utf-8", newline="") as stream:
        (line,) = csv.DictReader(stream)
    for name in ("film", "transcript", "transcript_source", "note"):
        assert line[name] == f"'{words}"
