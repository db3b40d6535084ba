"""A real server: what a kill leaves, how it ends, and the tables that it exports."""

from __future__ import annotations

import http.client
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.annotate.conftest import lay_out
from tests.conftest import ROOT

COMMAND = [sys.executable, "-c", "from pipeline.commands.cli import main; main()", "annotate"]


class Server:
    """A running ``chsims-build annotate``."""

    def __init__(self, raw: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, str(raw), "--port", "0", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        while "Ctrl-C stops" not in self.said:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, f"the server ended: {self.said}"
            self.said += line
        self.annotators = re.findall(r"^annotator_\d+ +(\S+)$", self.said, re.MULTILINE)
        self.organiser = re.findall(r"^organiser +(\S+)$", self.said, re.MULTILINE)[0]

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Send a signal; return the exit status and what was printed after the links."""
        self.process.send_signal(how)
        rest, _ = self.process.communicate(timeout=120)
        return self.process.returncode, rest


@contextmanager
def serving(raw: Path, *options: str) -> Iterator[Server]:
    """Serve a corpus, and end the server with the block."""
    server = Server(raw, *options)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def ask(address: str, body: object = None) -> Any:
    """Return the JSON answer of an address, as the page would."""
    headers = {"content-type": "application/json", "x-annotate": "1"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def answer_all(link: str, answer: int) -> None:
    """Answer every clip of the current phase and close it."""
    state = ask(f"{link}state")
    for task in state["tasks"]:
        ask(f"{link}vote", {"ticket": task["ticket"], "answer": answer})
    ask(f"{link}close", {"phase": state["phase"]})


def test_a_kill_loses_no_vote_that_was_acknowledged(tmp_path: Path) -> None:
    raw = lay_out(tmp_path / "raw", clips=6)
    acknowledged: dict[tuple[int, str], int] = {}

    def vote(annotator: int, link: str) -> None:
        tickets = [task["ticket"] for task in ask(f"{link}state")["tasks"]]
        for number in range(100_000):  # until the server is gone
            ticket, answer = tickets[number % 6], number % 3 - 1
            try:
                ask(f"{link}vote", {"ticket": ticket, "answer": answer})
            except (OSError, ValueError, http.client.HTTPException):
                sent[annotator] = (ticket, answer)
                return
            acknowledged[annotator, ticket] = answer
            count[annotator] += 1

    with serving(raw) as server:
        count, sent = [0] * 5, {}
        threads = [
            threading.Thread(target=vote, args=each) for each in enumerate(server.annotators)
        ]
        for thread in threads:
            thread.start()
        while sum(count) < 100:
            time.sleep(0.01)
        server.end(signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert sum(count) >= 100
    with serving(raw) as server:
        for annotator, link in enumerate(server.annotators):
            kept = {task["ticket"]: task["answer"] for task in ask(f"{link}state")["tasks"]}
            for (who, ticket), answer in acknowledged.items():
                # the vote on its way when the server died may have been stored or not
                allowed = {answer, *([sent[who][1]] if sent[who][0] == ticket else [])}
                assert who != annotator or kept[ticket] in allowed
    with sqlite3.connect(raw / ".annotate" / "votes.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_wrong_call_says_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments, words in (
        ((tmp_path / "nothing",), "does not exist"),
        ((tmp_path, "--export"), "holds no round"),
        ((tmp_path / "nothing", "--to", tmp_path), "--to needs --export"),
        ((tmp_path / "file",), "is a file"),
    ):
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_round_continues_after_ctrl_c_and_exports_while_it_runs(tmp_path: Path) -> None:
    raw = lay_out(tmp_path / "raw")
    with serving(raw, "--annotators", "2") as server:
        first, second = server.annotators
        answer_all(first, 1)
        code, rest = server.end(signal.SIGINT)
    assert (code, "Traceback" in rest) == (0, False)
    assert "The same command continues" in rest
    with serving(raw) as server:
        assert [link.partition("/a/")[2] for link in server.annotators] == [
            link.partition("/a/")[2] for link in (first, second)
        ]
        state = ask(f"{server.annotators[0]}state")
        assert (state["phase"], state["closed"]) == ("A", ["T"])
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(f"{server.annotators[1]}clip/{state['tasks'][0]['ticket']}")
        again = subprocess.run(
            [*COMMAND, str(raw), "--port", "0"], cwd=ROOT, capture_output=True, text=True
        )
        assert again.returncode == 2
        assert "serves" in again.stderr
        exported = subprocess.run([*COMMAND, str(raw), "--export"], cwd=ROOT, capture_output=True)
        assert exported.returncode == 0
        assert (raw / "annotations.csv").read_text("utf-8").splitlines() == [
            "video_id,clip_id,modality,annotator,vote",
            "video_0001,0001,T,annotator_1,1",
            "video_0002,0001,T,annotator_1,1",
            "video_0001,0002,T,annotator_1,1",
        ]
        code, rest = server.end(signal.SIGTERM)
    assert "Traceback" not in rest


def test_the_server_listens_on_this_machine_alone_unless_told_otherwise(tmp_path: Path) -> None:
    raw = lay_out(tmp_path / "raw", clips=1)
    with serving(raw) as server:
        assert server.organiser.startswith("http://127.0.0.1:")
        assert "WARNING" not in server.said
    with serving(raw, "--host", "0.0.0.0", "--name", "votes.example") as server:
        assert "WARNING" in server.said
        assert server.organiser.startswith("http://votes.example:")
        port = server.organiser.split("/")[2].partition(":")[2]
        page = f"http://127.0.0.1:{port}/" + server.organiser.split("/", 3)[3]
        for host, status in (("votes.example", 200), ("127.0.0.2", 200), ("evil.example", 400)):
            request = urllib.request.Request(page, headers={"host": host})
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    assert answer.status == status
            except urllib.error.HTTPError as error:
                assert error.code == status
