"""The pages and addresses: what they give away, and whom they answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from pipeline.annotate.cut import Cutter
from tests.annotate.conftest import POST, TEXTS, Site, client


def media(site: Site, annotator: int, phase: str) -> str:
    """Return the address of an annotator's first clip in a phase."""
    return f"{site.a[annotator]}media/{site.panel.ticket_of(annotator, phase)}"


def test_media_are_served_in_their_phase_only_and_cut_apart(site: Site, tmp_path: Path) -> None:
    kinds = {}
    for phase in "TAVM":
        for other in "TAVM":
            got = site.client.get(media(site, 0, other))
            if other == phase != "T":
                assert got.status_code == 200
                path = tmp_path / f"{phase}.mp4"
                path.write_bytes(got.content)
                with av.open(str(path)) as container:
                    kinds[phase] = sorted(stream.type for stream in container.streams)
            else:
                assert got.status_code in (403, 409)
                assert len(got.content) < 200
        site.panel.finish(0)
    assert kinds == {"A": ["audio"], "V": ["video"], "M": ["audio", "video"]}


def test_nothing_that_an_annotator_receives_names_a_clip(site: Site) -> None:
    received = []
    for phase in "TAVM":
        ticket = site.panel.tickets(0)[0]
        for path in ("", "state", f"clip/{ticket}", f"media/{ticket}"):
            got = site.client.get(site.a[0] + path)
            received.append(str(dict(got.headers)))
            if path != f"media/{ticket}":
                received.append(got.text)
        if phase in "AV":
            assert not any(text in "".join(received[-7:]) for text in TEXTS)
        site.panel.finish(0)
    leaks = re.findall(r"video_000\d|/000\d|0001\.mp4|content-disposition", "".join(received))
    assert leaks == []


def test_ranges(site: Site) -> None:
    site.panel.finish(0)
    address = media(site, 0, "A")
    whole = site.client.get(address)
    size, tag = len(whole.content), whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes"

    def part(value: str, **more: str) -> tuple[int, bytes, str]:
        got = site.client.get(address, headers={"range": value, **more})
        return got.status_code, got.content, got.headers.get("content-range", "")

    assert part("bytes=0-99") == (206, whole.content[:100], f"bytes 0-99/{size}")
    assert part("bytes=-10") == (206, whole.content[-10:], f"bytes {size - 10}-{size - 1}/{size}")
    assert part(f"bytes={size - 5}-")[:2] == (206, whole.content[-5:])
    assert part(f"bytes={size}-")[::2] == (416, f"bytes */{size}")
    assert part("bytes=5-9", **{"if-range": tag})[0] == 206
    assert part("bytes=5-9", **{"if-range": '"other"'})[:2] == (200, whole.content)
    assert part("letters=1-2")[0] == 400
    assert site.client.head(address).headers["content-length"] == str(size)


OUTSIDE = (
    "../../static/style.css",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "....//....//etc/passwd",
    "video_0001/0001.mp4",
    "video_0001%2f0001.mp4",
    "..\\..\\etc\\passwd",
    "a%00b",
    "",
)


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("start", ["/static/", "media/", "clip/"])
def test_paths_lead_nowhere(site: Site, start: str, path: str) -> None:
    site.panel.finish(0)
    address = start if start.startswith("/") else site.a[0] + start
    got = site.client.get(address + path)
    # the client itself resolves ../../static/style.css to a file that everybody may read
    assert got.status_code == 404 or got.headers["content-type"].startswith("text/css")


def test_a_link_laid_later_does_not_lead_out_of_the_corpus(
    site: Site, corpus: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes((corpus / "video_0001" / "0001.mp4").read_bytes())
    raw = tmp_path / "raw"
    for name in ("video_0001/0001", "video_0001/0002", "video_0002/0001"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / f"{name}.mp4").symlink_to(secret)
    cutter = Cutter(raw, tmp_path / "media", "wheel")
    site.panel.finish(0)
    assert client(site.panel, cutter).get(media(site, 0, "A")).status_code == 422
    assert not (tmp_path / "media").exists() or list((tmp_path / "media").iterdir()) == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8321", 200),
        ("127.0.0.1:8321", 200),
        ("[::1]:8321", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("192.168.0.7", 400),
        ("localhost@evil.example", 400),
        ("", 400),
        ("[::1", 400),
    ],
)
def test_only_known_hosts_are_answered(site: Site, host: str, status: int) -> None:
    got = site.client.get(site.a[0], headers={"host": host})
    assert got.status_code == status


def forged() -> Iterator[dict[str, str]]:
    """Yield the headers that pages of other sites can make a browser send."""
    yield {"content-type": "application/json"}
    yield {"content-type": "text/plain", **POST}
    yield {"content-type": "application/x-www-form-urlencoded"}
    yield {"content-type": "application/json", **POST, "origin": "https://evil.example"}
    yield {"content-type": "application/json", **POST, "origin": "null"}
    yield {"content-type": "application/json", **POST, "origin": "http://localhost:9"}
    yield {"content-type": "application/json", **POST, "sec-fetch-site": "cross-site"}
    yield {"content-type": "application/json", **POST, "sec-fetch-site": "same-site"}


@pytest.mark.parametrize("headers", list(forged()))
def test_other_sites_cannot_vote(site: Site, headers: dict[str, str]) -> None:
    ticket = site.panel.tickets(0)[0]
    body = f'{{"ticket": "{ticket}", "answer": 1}}'
    got = site.client.post(f"{site.a[0]}vote", content=body, headers=headers)
    assert got.status_code == 403
    own = {"content-type": "application/json", **POST, "origin": "http://localhost"}
    assert site.client.post(f"{site.a[0]}vote", content=body, headers=own).status_code == 200


def test_other_sites_cannot_embed_a_clip_but_a_link_in_a_chat_opens(site: Site) -> None:
    site.panel.finish(0)
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert site.client.get(media(site, 0, "A"), headers=embedded).status_code == 403
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert site.client.get(site.a[0], headers=followed).status_code == 200


@pytest.mark.parametrize(
    "body", ["", "[]", "1", "{", '{"ticket": []}', "[" * 9000, '{"ticket": "' + "x" * 20000]
)
def test_bodies_that_are_no_vote_are_refused(site: Site, body: str) -> None:
    headers = {"content-type": "application/json", **POST}
    for path in ("vote", "remark", "close"):
        got = site.client.post(f"{site.a[0]}{path}", content=body, headers=headers)
        assert 400 <= got.status_code < 500
        assert got.json()["reason"]


def test_every_response_carries_the_security_headers(site: Site) -> None:
    for path in (site.a[0], "/static/annotate.js", "/nothing", f"{site.a[0]}clip/x", site.o):
        headers = site.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers


def test_unknown_links_open_nothing(site: Site) -> None:
    organiser, annotator = site.panel.links.organiser, site.panel.tokens[0]
    for path in (
        "/",
        "/a/",
        "/o/",
        "/a/x/",
        f"/a/{organiser}/",
        f"/o/{annotator}/",
        f"/o/{annotator}/annotations.csv",
        f"/o/{annotator}/media/1",
        f"/a/{annotator[:-1]}/",
        f"/a/{annotator.swapcase()}/state",
    ):
        assert site.client.get(path).status_code == 404, path
    assert len(annotator) >= 43  # 32 random bytes
    assert site.client.get(f"/a/{annotator}").url.path == f"/a/{annotator}/"


def test_the_organisers_page_opens_at_any_time(site: Site) -> None:
    assert "No vote yet" in site.client.get(site.o).text
    for annotator, answer in ((0, "cannot"), (1, "cannot"), (0, 1), (1, -1)):
        site.panel.finish(annotator, answer)
        page = site.client.get(site.o)
        assert (page.status_code, "3 of 3, closed" in page.text) == (200, True)
        assert site.client.get(f"{site.o}transcripts").status_code == 200
    assert "-1, 1" in page.text


def test_the_organiser_reads_everything_and_hostile_texts_stay_text(site: Site) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    for _ in range(3):
        site.panel.finish(0, answer="cannot")
    ticket = site.panel.tickets(0)[0]
    body = {"ticket": ticket, "text": hostile, "gender": "male", "age": 41}
    assert site.client.post(f"{site.a[0]}remark", json=body, headers=POST).status_code == 200
    site.panel.finish(0)
    page = site.client.get(site.o).text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count("annotator_1") >= 4
    assert all(token in page for token in site.panel.tokens)
    assert "text/csv" in site.client.get(f"{site.o}annotations.csv").headers["content-type"]
