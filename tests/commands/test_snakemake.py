"""chsims-build as people use it: what it says when a build cannot start, and after a kill."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from pipeline.commands.console import LogHandler
from pipeline.commands.snakemake import cores_or_profile
from pipeline.config import Config, available_cores, load_config
from pipeline.errors import BuildError
from pipeline.workflow import locks
from pipeline.workflow.locks import claim_build, claim_job
from tests.commands.test_cli import chsims
from tests.conftest import DEMO, ROOT
from tests.corpora import Corpus, small_corpus

pytestmark = pytest.mark.long

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
        (("--set", "raw=bare"), "has a header and no clip"),
        (("--set", "text.model=empty"), "empty lacks config.json, model.safetensors, vocab.txt"),
        (("--set", "openface.import_folder=nowhere"), "nowhere, which is not a folder"),
        (("--snakemake=--no-such-option",), "snakemake: error: unrecognized arguments: --no-such"),
    ],
)
def test_a_build_that_cannot_start_says_why_and_nothing_else(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "label.csv").write_text("video_id,clip_id,label\nv,1,0.2\n", "utf-8")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "label.csv").write_text("video_id,clip_id,text,label\n", "utf-8")
    status, output = demo(tmp_path, *arguments)
    assert status not in (0, 130)
    assert words in output
    for noise in ("Traceback", "common.smk", "At least one job"):
        assert noise not in output
    assert list(tmp_path.glob("p/logs/**/*.log")) == [], "no job was started"


def test_nothing_to_do_is_said_in_one_line(tmp_path: Path) -> None:
    assert demo(tmp_path, "--stage", "manifest")[0] == 0
    status, output = demo(tmp_path, "--stage", "manifest")
    assert status == 0
    assert output == "nothing to be done: everything requested exists and is up to date\n"


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "pipeline.commands.cli",
        "--config",
        str(folder / "config.yaml"),
    ]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # nohup ignores it
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: object, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Eight clips and their manifest."""
    corpus = small_corpus(tmp_path_factory.mktemp("planned"), clips=8)
    corpus.build("manifest")
    return corpus


@pytest.fixture
def corpus(planned: Corpus, tmp_path: Path) -> Corpus:
    """A copy of it in a folder of its own."""
    corpus = Corpus(tmp_path)
    corpus.rows = dict(planned.rows)
    shutil.copytree(planned.raw, corpus.raw)
    shutil.copytree(planned.processed, corpus.processed)
    words = (planned.folder / "config.yaml").read_text("utf-8")
    own = words.replace(str(planned.folder), str(tmp_path))
    (tmp_path / "config.yaml").write_text(own, "utf-8")
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
    words, _ = build.communicate(timeout=240)
    if how != signal.SIGKILL:
        assert build.returncode == 130
        assert "repeat the command to resume from here" in words
        assert "Traceback" not in words
    time.sleep(0.5)
    stored = faces(corpus)
    assert 2 <= len(stored) < 8
    corpus.computed()
    again = start(corpus.folder, "--stage", "vision")
    words, _ = again.communicate(timeout=600)
    assert again.returncode == 0, words
    counts = corpus.computed()
    assert counts["faces"] == 8 - len(stored)
    assert counts["openface"] == counts["vision"] == 8
    for path, data in stored.items():
        assert path.read_bytes() == data


def is_called(process: psutil.Process, words: str) -> bool:
    with suppress(psutil.NoSuchProcess):
        return words in " ".join(process.cmdline())
    return False


def lives(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that has ended may wait for ever to be collected."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize(
    ("killed", "status", "words"),
    [
        ("pipeline.commands.cli", -signal.SIGKILL, ""),
        ("pipeline.commands.console", 128 + signal.SIGKILL, "the build was ended by SIGKILL"),
        ("scripts/tmp", 1, "its process was ended by SIGKILL (memory?)"),
    ],
)
def test_no_process_outlives_the_one_it_works_for(
    corpus: Corpus, killed: str, status: int, words: str
) -> None:
    """A kill -9 of chsims-build, of Snakemake or of a job alone ends what it has started."""
    build = start(corpus.folder, "--stage", "faces")
    wait_for(lambda: len(faces(corpus)) >= 2)
    family = psutil.Process(build.pid).children(recursive=True)
    shells = {p for p in family if is_called(p, "bash")}
    victims = [p for p in [psutil.Process(build.pid), *family] if is_called(p, killed)]
    victim = next(p for p in victims if p not in shells)
    below = set(victim.children(recursive=True))
    assert below
    victim.kill()
    output, _ = build.communicate(timeout=240)  # until the last of them has let go of the pipe
    assert build.returncode == status
    assert words in output
    assert "Traceback" not in output
    wait_for(lambda: not any(lives(process) for process in below), seconds=60)
    stored = faces(corpus)
    assert len(stored) < 8
    corpus.computed()
    again = start(corpus.folder, "--stage", "faces")
    output, _ = again.communicate(timeout=600)
    assert again.returncode == 0, output
    assert corpus.computed()["faces"] == 8 - len(stored)


def test_a_job_left_behind_on_another_machine_is_not_run_into(corpus: Corpus) -> None:
    """It cannot be ended from here: the build, or else the job, stops and says who it is."""
    config = load_config((corpus.folder / "config.yaml",))
    log = config.processed / "logs" / "faces" / "0000.log"
    claim_job(log)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.workflow.locks._JOBS_END_SECONDS", 0.5)
        with pytest.raises(BuildError, match=rf"process {os.getpid()} on .*faces/0000\.log"):
            claim_build(config)
        with pytest.raises(BuildError, match="still running"):
            claim_job(log)
    locks.let_go()
    assert claim_build(config)
    locks.let_go()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """A build in q, with Snakemake's locks of an earlier build of it and of one in q/demo."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".snakemake" / "locks"
    folder.mkdir(parents=True)
    (folder / "0.output.lock").write_text("q/manifest.parquet\nq/shards/0000.json\n", "utf-8")
    (folder / "1.output.lock").write_text("q/demo/manifest.parquet\n", "utf-8")
    yield load_config((), ("processed=q",))
    locks.let_go()


def left_locks() -> list[str]:
    return sorted(path.name for path in Path(".snakemake/locks").iterdir())


def test_only_locks_of_dead_builds_of_the_same_folder_are_removed(settings: Config) -> None:
    assert claim_build(settings)
    assert left_locks() == ["1.output.lock"]
    assert not claim_build(settings), "a second one"


def test_where_a_file_system_has_no_locks_those_of_snakemake_serve(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert not claim_build(settings)
    assert left_locks() == ["0.output.lock", "1.output.lock"]
    Path(".snakemake/locks/0.output.lock").unlink()
    assert claim_build(settings)
    claim_job(Path("q/logs/audio/0000.log"))


def test_a_second_build_is_refused_and_disturbs_nothing(corpus: Corpus) -> None:
    first = start(corpus.folder, "--stage", "vision")
    wait_for(lambda: len(faces(corpus)) >= 1)
    second = start(corpus.folder, "--stage", "vision", "--set", "faces.margin=0.1")
    words, _ = second.communicate(timeout=240)
    assert second.returncode == 1
    assert "another build is using these files" in words
    words, _ = first.communicate(timeout=600)
    assert first.returncode == 0, words
    status, words = corpus.run("stage_vision")
    assert status == 0
    assert "Nothing to be done" in words


@pytest.mark.parametrize(
    ("asked", "extra", "cores"),
    [
        (3, (), 3),
        (None, ("--keep-going",), available_cores()),
        (None, ("--profile=profiles/slurm",), None),
        (None, ("--executor", "slurm"), None),
        (3, ("--profile=profiles/slurm",), 3),
    ],
)
def test_a_profile_decides_about_cores_unless_the_user_does(
    asked: int | None, extra: tuple[str, ...], cores: int | None
) -> None:
    """The cores of a login node must not limit the jobs of a cluster."""
    assert cores_or_profile(asked, extra) == cores


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
        (
            logging.ERROR,
            "Error in rule audio, jobid: 3",
            {
                "event": LogEvent.JOB_ERROR,
                "rule_name": "audio",
                "rule_msg": "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'.\n    sbatch call",
                "log": ["logs/audio/0003.log"],
            },
            "audio: not finished (SLURM-job '7' failed, SLURM status is: 'TIMEOUT'.); its log: "
            "logs/audio/0003.log\n",
        ),
        (logging.WARNING, "No SLURM account given, trying to guess.", {}, ""),
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
