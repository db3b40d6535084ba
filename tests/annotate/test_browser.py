"""Five annotators in a browser, from clips to votes; and the pages as people find them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

import chsims
from tests.annotate.conftest import lay_out
from tests.annotate.test_server import answer_all, ask, serving
from tests.conftest import ROOT
from tests.report.browser import CHROMIUM, Browser

pytestmark = pytest.mark.long

CLIPS = 6
ANSWERS = {"0001": -1, "0002": 0, "0003": 1}
"""What every annotator answers, by clip id; annotator 5 disagrees about sound."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium with a small window."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH (apt-get install chromium)")
    with Browser(800, 700) as opened:
        yield opened


def wait(browser: Browser, condition: str, seconds: float = 60) -> None:
    """Wait until an expression holds in the page."""
    limit = time.monotonic() + seconds
    while not browser.run(f"!!({condition})"):
        if time.monotonic() > limit:
            raise AssertionError(
                f"{condition} does not hold: {browser.run('document.body.innerText')}"
            )
        time.sleep(0.02)


def played(browser: Browser) -> dict[str, object]:
    """Wait until the clip plays by itself, and return what the browser found in it."""
    wait(browser, "document.querySelector('#stage > *')?.currentTime > 0")
    return dict(
        browser.run(
            "(() => { const p = document.querySelector('#stage > *'); return {"
            "kind: p.tagName, seconds: p.duration, width: p.videoWidth ?? 0, "
            "sound: p.webkitAudioDecodedByteCount} })()"
        )
    )


def go_through(browser: Browser, link: str, annotator: int, names: dict[str, str]) -> list[str]:
    """Be one annotator through all four phases, by keyboard; return the order of the clips."""
    order = []
    browser.visit(link)
    for phase in "TAVM":
        wait(browser, f"state?.phase === '{phase}' && panel === 'intro'")
        browser.click("#begin")
        for place in range(CLIPS):
            wait(browser, f"panel === 'work' && place === {place} && !busy")
            clip = names[browser.run("shown")]
            order.append(clip)
            if phase != "T" and place == 0:
                found = played(browser)
                assert found["kind"] == ("AUDIO" if phase == "A" else "VIDEO")
                assert (found["width"] != 0) == (phase != "A")
                assert (found["sound"] != 0) == (phase != "V")
            text = browser.run("getComputedStyle(document.getElementById('text')).display")
            if phase in "AV":
                assert text == "none"
            else:
                wait(browser, "!document.getElementById('text').hidden")
            answer = ANSWERS[clip.partition("/")[2]]
            if annotator == 4 and phase == "A":
                answer = -answer
            browser.press(str(answer + 2))
            wait(browser, f"state.tasks[{place}].answer === {answer}")
            if phase == "M":
                browser.click("#next")
        wait(browser, "panel === 'end'")
        browser.click("#close")
    wait(browser, "panel === 'done'")
    return order


def tickets(raw: Path) -> dict[str, str]:
    """Return the clip of every ticket, from the round's database."""
    from pipeline.annotate.database import Database

    query = (
        "SELECT ticket, video_id || '/' || clip_id FROM tasks JOIN clips ON clips.id = tasks.clip"
    )
    database = Database(raw / ".annotate")
    with database.reading() as db:
        found = {row[0]: row[1] for row in db.execute(query)}
    database.close()
    return found


def test_five_annotators_vote_through_all_four_phases(browser: Browser, tmp_path: Path) -> None:
    raw = lay_out(tmp_path / "raw", clips=CLIPS)
    browser.console.clear()
    browser.requests.clear()
    with serving(raw) as server:
        assert len(server.annotators) == 5
        names = tickets(raw)
        orders = [
            go_through(browser, link, number, names)
            for number, link in enumerate(server.annotators)
        ]
        parts = {tuple(o[i : i + CLIPS]) for o in orders for i in range(0, 4 * CLIPS, CLIPS)}
        assert len(parts) > 4  # 20 shuffles of 6
        browser.visit(server.organiser)
        page = browser.run("document.body.innerText")
    assert page.count("6 of 6, closed") == 20
    assert "1.000" in page  # everybody agrees on T, V and M
    assert browser.console == []
    assert {url.split("/")[2] for url in browser.requests} == {server.organiser.split("/")[2]}
    check_build(tmp_path, raw)


def check_build(folder: Path, raw: Path) -> None:
    """Build a dataset and a report from the votes, and find the votes in them."""
    command = [sys.executable, "-m", "pipeline.commands.cli"]
    subprocess.run([*command, "annotate", str(raw), "--export"], cwd=ROOT, check=True)
    settings = (
        *(f"raw={raw}", f"processed={folder / 'processed'}", "text.model=demo"),
        *("features.audio=none", "features.vision=none"),
    )
    options = [word for setting in settings for word in ("--set", setting)]
    subprocess.run([*command, "--stage", "dataset", *options], cwd=ROOT, check=True)
    labels = {}
    for part in ("train", "valid", "test"):
        for sample in chsims.open_dataset(folder / "processed" / "dataset.h5", part=part):
            labels[sample["id"]] = [round(float(sample["labels"][m]), 2) for m in "TAVM"]
    assert len(labels) == CLIPS
    for clip, found in labels.items():
        answer = ANSWERS[clip.partition("/")[2]]
        assert found == [answer, round(0.6 * answer, 2), answer, answer]
    subprocess.run([*command, "report", *options], cwd=ROOT, check=True)
    page = (folder / "processed" / "report.html").read_text("utf-8")
    assert "Votes and agreement" in page
    assert "Fig. 2, left." in page
    assert "Votes: M -1 -1 -1 -1 -1, T -1 -1 -1 -1 -1, A -1 -1 -1 -1 1" in page


def test_two_windows_of_one_annotator_agree(browser: Browser, tmp_path: Path) -> None:
    with serving(lay_out(tmp_path / "raw")) as server:
        link = server.annotators[0]
        browser.visit(link)
        wait(browser, "panel === 'intro'")
        browser.click("#begin")
        wait(browser, "panel === 'work'")
        ticket = browser.run("shown")
        ask(f"{link}vote", {"ticket": ticket, "answer": 1})  # in the other window
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        wait(browser, "state.tasks[0].answer === 1")
        pressed = browser.run("document.querySelector('[aria-pressed=true]').dataset.answer")
        assert pressed == "1"
        answer_all(link, 0)  # the other window closes the phase
        browser.press("3")
        wait(browser, "panel === 'intro' && state.phase === 'A'")
        wait(browser, "document.getElementById('status').textContent.includes('has been closed')")
        server.process.kill()
        server.process.wait()
        browser.click("#begin")
        wait(browser, "panel === 'work' && document.getElementById('status').textContent === ''")
        browser.press("2")
        wait(browser, "document.getElementById('status').textContent.startsWith('Not saved')")
        assert browser.run("state.tasks[0].answer") is None


@pytest.mark.parametrize("width", [390, 1440])
def test_the_pages_are_accessible_and_fit_a_phone(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    axe = (files("axe_core_python") / "axe.min.js").read_text("utf-8")

    def check(name: str) -> None:
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            browser.run(f"{axe}; 0")
            found = browser.run(
                "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)]))"
            )
            assert found == [], f"{name}, {scheme}: {found}"
        assert browser.run("document.documentElement.scrollWidth") <= width, name

    browser.resize(width, 844)
    with serving(lay_out(tmp_path / "raw", clips=2), "--annotators", "2") as server:
        link = server.annotators[0]
        for phase in "TAVM":
            browser.visit(link)
            wait(browser, "panel === 'intro'")
            check(f"intro of {phase}")
            browser.click("#begin")
            wait(browser, "panel === 'work'")
            if phase == "M":
                wait(browser, "!document.getElementById('remark').hidden")
                ticket = browser.run("shown")
                ask(f"{link}remark", {"ticket": ticket, "text": "改了。", "gender": "male"})
            check(f"work in {phase}")
            answer_all(link, 1)
            answer_all(server.annotators[1], -1)
        browser.visit(link)
        wait(browser, "panel === 'done'")
        check("done")
        browser.visit(server.organiser)
        check("organiser")
        browser.visit(f"{server.organiser}transcripts")
        check("transcripts")
    browser.prefer("light")
    browser.resize(800, 700)
