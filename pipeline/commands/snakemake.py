"""Running Snakemake: the same DAG and the same files as ``snakemake --cores 8 all``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.commands.status import clips_due
from pipeline.config import Config, available_cores
from pipeline.errors import BuildError
from pipeline.stages import STAGES
from pipeline.store.files import digest, write_json
from pipeline.terminal import tell
from pipeline.workflow.project import project_folder
from pipeline.workflow.surroundings import check_memory_limit

_PATIENCE = 3
"""At this many Ctrl-C, jobs are killed instead of waited for."""


@dataclass(frozen=True)
class Call:
    """One run of Snakemake.

    Parameters
    ----------
    values : dict
        Nested settings that differ from config/config.yaml.
    cores : int, optional
        Number of cores that the build may use; None if Snakemake's profile decides.
    stages : tuple of str
        Stages to build, with the stages they need; if empty, everything.
    dry_run : bool
        Only print what would run.
    extra : tuple of str
        Further options for Snakemake.
    """

    values: dict[str, Any]
    cores: int | None
    stages: tuple[str, ...] = ()
    dry_run: bool = False
    extra: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """Return the argument list, after writing the settings where Snakemake reads them."""
        forced = self.values.get("run", {}).get("force", ())
        return [
            sys.executable,
            "-m",
            "pipeline.commands.console",
            "--snakefile",
            str(project_folder() / "Snakefile"),
            *(["--cores", str(self.cores)] if self.cores else []),
            "--rerun-incomplete",
            "--scheduler",
            "greedy",
            *(["--dry-run"] if self.dry_run else []),
            *(["--forcerun", *forced] if forced else []),
            *(["--configfile", str(_config_file(self.values))] if self.values else []),
            *self.extra,
            "--",
            *([_target(stage) for stage in self.stages] or ["all"]),
        ]


def cores_or_profile(asked: int | None, extra: Sequence[str]) -> int | None:
    """Return the cores of a build: those that were asked for, or all of this machine.

    Returns
    -------
    int, optional
        None if an option for Snakemake names a profile or an executor. Its jobs may run on other
        machines, whose cores a number would limit to those of this one.
    """
    elsewhere = ("--profile", "--workflow-profile", "--executor", "-e")
    if asked is None and any(each.partition("=")[0] in elsewhere for each in extra):
        return None
    return asked or available_cores()


def _config_file(values: dict[str, Any]) -> Path:
    """Write settings to a file named after its content, for Snakemake and its jobs.

    Snakemake's ``--config`` would turn numbers in nested values into strings.
    """
    path = Path(".snakemake") / "chsims-build" / f"{digest(values)[:16]}.json"
    if not path.is_file():
        write_json(path, values)
    return path


def _target(stage: str) -> str:
    return stage if stage == "manifest" else f"stage_{stage}"


def run(call: Call, config: Config) -> int:
    """Run Snakemake and return its exit status, with progress bars on a terminal.

    Ctrl-C and other requests to end are passed on to Snakemake and its jobs, and this process
    waits for them.
    """
    check_memory_limit()
    _check_notes_can_be_written()
    if sys.stderr.isatty() and not call.dry_run:
        return _run_with_bars(call, config)
    process, stopper = _started(call)
    status = process.wait()
    if call.dry_run and status == 0 and set(call.stages) != {"manifest"}:
        tell(clips_due(config, call.stages))
    return stopper.status(status)


def _check_notes_can_be_written() -> None:
    """Refuse a read-only folder, in which Snakemake fails with a traceback."""
    notes = Path.cwd() / ".snakemake"
    places = [path for path in (notes, notes / "log", notes / "iocache") if path.is_dir()]
    for place in places or [Path.cwd()]:
        if not os.access(place, os.W_OK | os.X_OK):
            raise BuildError(
                f"cannot write into {place}, where Snakemake keeps notes, also of a dry run",
                "see what is done with chsims-build status, which writes nothing; or call "
                "chsims-build from another folder, with the full paths of raw and processed",
            )


class _Handover:
    """Passes the signals that end a program on to another process group."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.group = process.pid
        self.times = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self)

    def __call__(self, number: int, frame: object) -> None:
        self.times += 1
        with suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGINT if self.times < _PATIENCE else signal.SIGKILL)
        if self.times == 1:
            tell("stopping: repeat the command to resume from here")

    def status(self, status: int) -> int:
        """Return the exit status: 130 by convention if the user ended the build."""
        if self.times:
            return 130
        if status < 0:
            name = signal.Signals(-status).name
            tell(
                f"error: the build was ended by {name}\n"
                "  -> repeat the command to resume from here; if memory ran out (SIGKILL), use "
                "fewer --cores"
            )
            return 128 - status
        return status


def _started(call: Call, **options: Any) -> tuple[subprocess.Popen[str], _Handover]:
    """Start Snakemake in its own process group, so that signals reach its jobs, too."""
    process = subprocess.Popen(
        call.command(),
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        process_group=0,
        **options,
    )
    return process, _Handover(process)


def _run_with_bars(call: Call, config: Config) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    for counter in config.layout.logs.glob("*/*.progress"):
        counter.unlink()
    process, stopper = _started(
        call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    columns = (
        TextColumn("{task.description:>9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("clips"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        reader = threading.Thread(target=_echo, args=(process, bars.console))
        reader.start()
        tasks: dict[str, Any] = {}
        running = True
        while running:
            reader.join(0.5)
            running = reader.is_alive()
            for stage, (done, total) in clips_done(config.layout.logs).items():
                if total and stage not in tasks:
                    tasks[stage] = bars.add_task(stage)
                if stage in tasks:
                    bars.update(tasks[stage], completed=done, total=total)
    return stopper.status(process.wait())


def _echo(process: subprocess.Popen[str], console: Any) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        console.print(line.rstrip("\n"), markup=False, highlight=False)


def clips_done(logs: Path) -> dict[str, tuple[int, int]]:
    """Return, for each stage, how many clips its jobs have computed, and how many in total."""
    found: dict[str, tuple[int, int]] = {}
    for stage in STAGES:
        counts = [_count(path) for path in sorted(logs.glob(f"{stage}/*.progress"))]
        if counts:
            found[stage] = (sum(c[0] for c in counts), sum(c[1] for c in counts))
    return found


def _count(path: Path) -> tuple[int, int]:
    try:
        done, total = path.read_text("utf-8").split()
        return int(done), int(total)
    except (OSError, ValueError):  # it is being written
        return 0, 0
