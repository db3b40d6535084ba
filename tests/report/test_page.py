"""The page in a browser: it works, it is reachable, it asks nobody, it stays quick."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import Browser
from tests.report.conftest import HOSTILE

AXE = ("axe-core", "4.10.3", "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb")

IDS = "[...document.querySelectorAll('#clip-table tr.clip .opener')].map((e) => e.textContent)"


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.console.clear()
    browser.requests.clear()
    browser.prefer("light")
    browser.open(page)
    return browser


def choose(browser: Browser, field: str, value: str) -> str:
    """Fill in a field of the filter and return what the page says is shown."""
    browser.run(
        f"(() => {{ const f = document.getElementById({json.dumps(field)});"
        f" f.value = {json.dumps(value)};"
        " f.dispatchEvent(new Event(f.tagName === 'INPUT' ? 'input' : 'change')); })()"
    )
    shown: str = browser.run("document.getElementById('shown').textContent")
    return shown


def sort_by(browser: Browser, name: str) -> None:
    browser.run(
        "[...document.querySelectorAll('#clip-table thead button')]"
        f".find((b) => b.textContent.startsWith({json.dumps(name)})).click()"
    )


def test_it_opens_without_errors_and_asks_for_nothing_but_itself(
    opened: Browser, page: Path
) -> None:
    assert opened.console == []
    assert opened.requests == [page.resolve().as_uri()]


def test_the_worst_clip_comes_first(opened: Browser) -> None:
    assert opened.run(IDS)[0] == "video_0001/0004"  # the one whose face is lost for half the time
    assert "face in 50% of the frames" in opened.run(
        "document.querySelector('#clip-table tr.clip').textContent"
    )


def test_a_header_sorts_and_says_so(opened: Browser) -> None:
    def lengths() -> Any:
        return opened.run(
            "[...document.querySelectorAll('#clip-table tr.clip')]"
            ".map((row) => Number(row.cells[7].textContent))"
        )

    sort_by(opened, "Length")
    assert lengths() == sorted(lengths())
    sort_by(opened, "Length")
    assert lengths() == sorted(lengths(), reverse=True)
    state = "document.querySelectorAll('#clip-table thead th')[7].getAttribute('aria-sort')"
    assert opened.run(state) == "descending"
    assert opened.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_search_looks_into_ids_and_transcripts_and_filters_combine(opened: Browser) -> None:
    assert choose(opened, "search", "video_0002") == "10 of 30 clips"
    assert choose(opened, "search", "长长长") == "1 of 30 clips"
    assert choose(opened, "search", "") == "30 clips"
    assert choose(opened, "part", "test") == "6 of 30 clips"
    assert choose(opened, "part", "") == "30 clips"
    assert choose(opened, "kind", "face") == "1 of 30 clips"
    assert choose(opened, "search", "no such clip") == "0 of 30 clips"
    assert "No clip fits" in opened.run("document.querySelector('#clip-table tbody').textContent")


def test_a_row_opens_by_keyboard_and_shows_faces_tracks_and_tokens(opened: Browser) -> None:
    opened.run("document.querySelector('.opener').focus()")
    for kind, text in (("rawKeyDown", ""), ("char", "\r"), ("keyUp", "")):
        opened.send(
            "Input.dispatchKeyEvent", type=kind, key="Enter", text=text, windowsVirtualKeyCode=13
        )
    assert opened.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    shown = opened.run(
        "(() => { const d = document.querySelector('tr.detail'); return {"
        " labels: [...d.querySelectorAll('.label')].map((e) => e.textContent),"
        " faces: d.querySelectorAll('.film img').length, lost: d.querySelectorAll('.blank').length,"
        " pictures: [...d.querySelectorAll('.film img')].every((i) => i.naturalWidth > 0),"
        " lines: d.querySelectorAll('path').length, heats: d.querySelectorAll('canvas').length,"
        " tokens: d.querySelectorAll('.tokens span').length }; })()"
    )
    assert shown["labels"][:3] == ["Face", "Face position", "Faces found"]
    assert {"Action units", "Log F0", "MFCC", "Chroma", "Tokens"} <= set(shown["labels"])
    assert shown["faces"] == 3
    assert shown["lost"] == 3
    assert shown["pictures"]
    assert shown["lines"] > 10
    assert shown["heats"] == 2
    assert shown["tokens"] > 5


def test_a_link_to_a_clip_opens_it(browser: Browser, page: Path) -> None:
    browser.open(page, "#clip=video_0001/a'b%26c;d%3De")
    opened = "document.querySelector('tr.open .opener').textContent"
    assert browser.run(opened) == "video_0001/a'b&c;d=e"


def test_hostile_texts_stay_text(opened: Browser) -> None:
    choose(opened, "search", "owned")
    opened.run("document.querySelectorAll('.opener').forEach((e) => e.click())")
    assert opened.run("document.title") == "CH-SIMS build"
    assert opened.run("document.querySelectorAll('img[src=x]').length") == 0
    quotes = "[...document.querySelectorAll('.sheet blockquote')].map((e) => e.textContent)"
    assert HOSTILE in opened.run(quotes)
    assert HOSTILE in opened.run("document.getElementById('quarantine').textContent")
    assert opened.console == []


def test_a_text_of_5000_characters_does_not_widen_the_page(opened: Browser) -> None:
    choose(opened, "search", "长长长")
    opened.run("document.querySelector('.opener').click()")
    assert opened.run("document.documentElement.scrollWidth") <= opened.width
    assert opened.run("document.querySelector('.sheet blockquote').offsetHeight") < 200


def test_right_to_left_marks_do_not_turn_the_page(opened: Browser) -> None:
    choose(opened, "search", "evil")
    opened.run("document.querySelector('.opener').click()")
    isolated = "getComputedStyle(document.querySelector('.sheet blockquote bdi')).unicodeBidi"
    assert opened.run(isolated) == "isolate"


def test_the_colours_follow_the_system_and_the_buttons(opened: Browser) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = opened.run(background)
    opened.prefer("dark")
    dark = opened.run(background)
    assert dark != light
    opened.run("document.querySelector('[data-theme=light]').click()")
    assert opened.run(background) == light
    opened.run("document.querySelector('[data-theme=auto]').click()")
    assert opened.run(background) == dark


def test_a_clip_without_sound_says_so_in_place_of_tracks(opened: Browser) -> None:
    choose(opened, "search", "video_0001/0009")
    opened.run("document.querySelector('.opener').click()")
    sheet = opened.run("document.querySelector('.sheet').textContent")
    assert "The audio feature of this clip has no step" in sheet
    assert "Log F0" not in sheet
    assert "Face position" in sheet
    assert "sound from 0.25 to" in sheet
    assert opened.console == []


@pytest.mark.parametrize("width", [1440, 1280, 900, 480, 390])
def test_nothing_scrolls_sideways(opened: Browser, width: int) -> None:
    """Neither the page nor a table in it, with a row open, long ids and long findings."""
    try:
        opened.resize(width, 900)
        opened.run("document.querySelectorAll('.opener').forEach((e) => e.click())")
        assert opened.run("document.documentElement.scrollWidth") <= width
        if not 500 < width < 1280:  # between a phone and a screen, the wide tables may scroll
            wider = opened.run(
                "[...document.querySelectorAll('.scroll')]"
                ".filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.ariaLabel)"
            )
            assert wider == []
    finally:
        opened.resize(opened.width, opened.height)


def test_a_phone_shows_tracks_at_full_width_and_can_sort(opened: Browser) -> None:
    try:
        opened.resize(390, 844)
        opened.run("document.querySelector('.opener').click()")
        assert opened.run("document.querySelector('.track').offsetWidth") > 300
        choose(opened, "sort", "seconds")
        ids = opened.run(IDS)
        assert ids[0] != "video_0001/0004"
        assert len(ids) == 25
        shown = "getComputedStyle(document.querySelector('#clip-table td.figure')).display"
        assert opened.run(shown) == "none"  # a closed row is short
    finally:
        opened.resize(opened.width, opened.height)


def test_all_tracks_of_a_clip_share_one_scale_in_seconds(opened: Browser) -> None:
    """The sound of this clip lasts half as long as its picture."""
    choose(opened, "search", "video_0001/0008")
    opened.run("document.querySelector('.opener').click()")
    widths = opened.run(
        "(() => { const width = (e) => e.getBoundingClientRect().width;"
        " const named = (name) => document.querySelector(`.track > [aria-label^='${name}']`);"
        " const whole = width(document.querySelector('.track'));"
        " const of = { face: named('Face position'), pitch: named('Log F0'),"
        " chroma: named('Chroma'), film: document.querySelector('.film'),"
        " ruler: document.querySelector('.ruler') };"
        " return Object.fromEntries(Object.entries(of)"
        "   .map(([name, e]) => [name, width(e) / whole])); })()"
    )
    assert widths["face"] == pytest.approx(1, abs=0.02)
    assert widths["film"] == widths["face"]
    assert widths["ruler"] == pytest.approx(1)
    assert widths["pitch"] == pytest.approx(0.5, abs=0.02)
    assert widths["chroma"] == widths["pitch"]
    marks = opened.run(
        "[...document.querySelectorAll('.ruler span')].map((e) => [e.textContent, e.style.left])"
    )
    seconds = [float(text) for text, _ in marks]
    places = [float(left.removesuffix("%")) for _, left in marks]
    assert seconds[0] == places[0] == 0
    rates = [place / second for place, second in zip(places[1:], seconds[1:], strict=True)]
    assert rates == pytest.approx([rates[0]] * len(rates), rel=1e-3)


def test_it_prints_on_a4_pages_without_the_navigation(opened: Browser, tmp_path: Path) -> None:
    opened.print(tmp_path / "report.pdf")
    pdf = (tmp_path / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 14


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to(opened: Browser, scheme: str, axe: str, page: Path) -> None:
    opened.prefer(scheme)
    opened.open(page, "#clip=video_0001/0004")
    opened.run(f"{axe};1")
    found = opened.run(
        "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html.slice(0, 200)]))"
    )
    assert found == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, one pinned version."""
    name, version, digest = AXE
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm to fetch axe-core with")
    try:
        command = [npm, "pack", "--silent", f"{name}@{version}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    except subprocess.SubprocessError:
        pytest.skip("the npm registry cannot be reached")
    with tarfile.open(folder / f"{name}-{version}.tgz") as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        source = member.read()
    assert hashlib.sha256(source).hexdigest() == digest
    return source.decode()


def test_2281_clips_stay_quick(browser: Browser, page: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.html"
    large.write_text(enlarged(page.read_text("utf-8"), 2281), "utf-8")
    assert 5e6 < large.stat().st_size < 40e6
    # the best of three: other jobs on the machine delay a page, nothing speeds it up
    assert min(first_paint(browser, large) for _ in range(3)) < 1000
    times = browser.run(
        "['video_0003', '天', 'no such', ''].map((text) => {"
        " const s = document.getElementById('search'); s.value = text;"
        " const start = performance.now(); s.dispatchEvent(new Event('input'));"
        " document.body.offsetHeight; return performance.now() - start; })"
    )
    assert sorted(times)[1] < 100, times  # the median: a shared machine may hiccup once
    assert "2,281 clips" in browser.run("document.getElementById('shown').textContent")


def first_paint(browser: Browser, page: Path) -> float:
    browser.open(page)
    # an observer, as a busy machine may have loaded the page before it has painted it
    milliseconds: float = browser.run(
        "new Promise((tell) => new PerformanceObserver((list) => {"
        " for (const entry of list.getEntriesByName('first-contentful-paint'))"
        "   tell(entry.startTime); }).observe({type: 'paint', buffered: true}))"
    )
    return milliseconds


def enlarged(page: str, clips: int) -> str:
    """Repeat a page's rows and details until it has as many clips as the corpus."""
    pattern = r'(<script type="application/json" id="{}">)(.*?)(</script>)'
    table = re.search(pattern.format("table-data"), page, re.DOTALL)
    block = re.search(pattern.format("detail-0"), page, re.DOTALL)
    assert table is not None
    assert block is not None
    data = json.loads(table[2])
    short = [i for i, words in enumerate(data["columns"]["text"]) if len(words) < 100]
    for name, values in data["columns"].items():
        data["columns"][name] = [values[short[i % len(short)]] for i in range(clips)]
    data["columns"]["clip"] = [f"video_{i // 38:04d}/{i % 38:04d}" for i in range(clips)]
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    details = "".join(
        f'<script type="application/json" id="detail-{i}">{block[2]}</script>'
        for i in range(1, clips // data["block"] + 1)
    )
    return page.replace(table[0], f"{table[1]}{text}{table[3]}{details}")
