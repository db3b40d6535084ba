"""chsims-build as people use it: what it says when a build cannot start, and after a kill."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from pipeline.console import LogHandler
from tests.conftest import DEMO, ROOT
from tests.corpora import Corpus, small_corpus
from tests.test_cli import chsims

DEMO_CONFIG = ROOT / "config" / "demo.yaml"


def demo(tmp_path: Path, *arguments: str | Path) -> tuple[int, str]:
    """Build the demo from another folder, so that this test's Snakemake is its own."""
    places = ("--set", f"raw={DEMO}", "--set", f"openface.import_folder={DEMO / 'openface'}")
    config = ("--config", DEMO_CONFIG, *places, "--set", f"processed={tmp_path / 'p'}")
    return chsims(*config, *arguments, cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "raw=nowhere"), "the folder nowhere does not exist"),
        (("--set", "raw=empty"), "no label sheet: expected label.csv"),
        (("--set", "raw=lacking"), "lacks text"),
        (("--set", "processed=/proc/none"), "cannot write into /proc/none"),
        (("--set", "text.model=empty"), "empty"),
        (("--set", "openface.import_folder=nowhere"), "nowhere, which is not a folder"),
        (("--snakemake=--no-such-option",), "no-such-option"),
    ],
)
def test_a_build_that_cannot_start_says_why_and_nothing_else(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "label.csv").write_text("video_id,clip_id,label\nv,1,0.2\n", "utf-8")
    status, output = demo(tmp_path, *arguments)
    assert status not in (0, 130)
    assert words in output
    for noise in ("Traceback", "common.smk", "At least one job"):
        assert noise not in output


def test_nothing_to_do_is_said_in_one_line(tmp_path: Path) -> None:
    assert demo(tmp_path, "--stage", "manifest")[0] == 0
    status, output = demo(tmp_path, "--stage", "manifest")
    assert status == 0
    assert output == "nothing to be done: everything asked for is there and up to date\n"


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline.cli", "--config", str(folder / "config.yaml")]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # nohup ignores it
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: object, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = small_corpus(tmp_path, clips=8)
    corpus.build("manifest")
    return corpus


def faces(corpus: Corpus) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in corpus.processed.glob("faces/**/*.safetensors")}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_same_command_goes_on_after_any_end(corpus: Corpus, how: signal.Signals) -> None:
    """Ctrl-C and a polite end are told of; after a kill of everything nothing is to unlock."""
    build = start(corpus.folder, "--stage", "vision")
    wait_for(lambda: len(faces(corpus)) >= 2)
    if how == signal.SIGKILL:
        processes = psutil.Process(build.pid)
        for process in [processes, *processes.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # it has ended with one killed before
                process.kill()
    else:
        build.send_signal(how)
    words, _ = build.communicate(timeout=60)
    if how != signal.SIGKILL:
        assert build.returncode == 130
        assert "the same command goes on from here" in words
        assert "Traceback" not in words
    time.sleep(0.5)
    stored = faces(corpus)
    assert 2 <= len(stored) < 8
    corpus.computed()
    again = start(corpus.folder, "--stage", "vision")
    words, _ = again.communicate(timeout=200)
    assert again.returncode == 0, words
    counts = corpus.computed()
    assert counts["faces"] == 8 - len(stored)
    assert counts["openface"] == counts["vision"] == 8
    for path, data in stored.items():
        assert path.read_bytes() == data


def test_a_second_build_is_refused_and_disturbs_nothing(corpus: Corpus) -> None:
    first = start(corpus.folder, "--stage", "vision")
    wait_for(lambda: len(faces(corpus)) >= 1)
    second = start(corpus.folder, "--stage", "vision", "--set", "faces.margin=0.1")
    words, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "another build is at work on these files" in words
    words, _ = first.communicate(timeout=200)
    assert first.returncode == 0, words
    status, words = corpus.run("stage_vision")
    assert status == 0
    assert "Nothing to be done" in words


def record(level: int, message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", level, __file__, 1, message, None, None)
    vars(made).update(extra)
    return made


@pytest.mark.parametrize(
    ("level", "message", "extra", "words"),
    [
        (logging.INFO, "Building DAG of jobs...", {}, ""),
        (logging.WARNING, "a file is newer than now", {}, "a file is newer than now\n"),
        (
            logging.ERROR,
            "ProtectedOutputException in rule audio:\nWrite-protected output files: a.json",
            {"event": LogEvent.ERROR, "exception": "ProtectedOutputException"},
            "ProtectedOutputException in rule audio:\nWrite-protected output files: a.json\n",
        ),
        (
            logging.ERROR,
            "RuleException:\nCalledProcessError: Command 'x' returned non-zero exit status 1.",
            {"event": LogEvent.ERROR, "exception": "RuleException"},
            "",  # the job has said why
        ),
        (
            logging.ERROR,
            "RuleException:\nCalledProcessError: Command 'x' died with <Signals.SIGKILL: 9>.",
            {"event": LogEvent.ERROR, "exception": "RuleException"},
            "its process was ended by SIGKILL (memory?)\n",
        ),
        (
            logging.ERROR,
            "Error in rule audio, jobid: 3",
            {
                "event": LogEvent.JOB_ERROR,
                "rule_name": "audio",
                "log": ["logs/audio/0003.log"],
            },
            "audio: not finished; its log: logs/audio/0003.log\n",
        ),
    ],
)
def test_the_console_shows_what_a_person_needs_of_snakemakes_messages(
    level: int,
    message: str,
    extra: dict[str, object],
    words: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    handler = LogHandler(OutputSettings(), None)
    handler.handle(record(level, message, **extra))
    assert capfd.readouterr().err == words
