"""Snakemake as chsims-build runs it: the same DAG and jobs, but few messages on the console.

Jobs print their own messages (`pipeline.terminal.tell`). Of Snakemake's messages, the user
needs the errors, the warnings, "nothing to be done", and the jobs of a dry run; ``--quiet all``
would hide the errors, too. Run it as ``python -m pipeline.commands.console``, with Snakemake's
arguments.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import textwrap

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from pipeline.runner.children import at_the_end_of
from pipeline.terminal import tell

TOLD = "BuildStopped"
"""Class name of the exception that carries a BuildError through Snakemake (rules/common.smk)."""

SAY = "chsims_say"
"""Attribute of the log records of our rules that the user should see."""

_PLUGIN = "snakemake_logger_plugin_chsims"

_LOCKED = """\
error: another build is using these files
  -> wait until it has ended; if no build is running (one was killed on another machine, or by
     another Snakemake), remove its lock: chsims-build --snakemake=--unlock"""

_OURS_SAYS_IT = (
    "At least one job did not complete successfully",
    "Exiting because a job execution failed",
)
"""Snakemake's last messages after a failed job, whose reason has been printed already."""


_HARMLESS = (
    "No SLURM account given",
    "No account was given",
    "Unable to guess SLURM account",
)
"""How messages of Slurm's plugin begin on a cluster that keeps no accounts."""


class LogHandler(LogHandlerBase):
    """Prints those of Snakemake's messages that the user needs to standard error."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True  # otherwise Snakemake adds its own; only `emit` decides
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self._jobs_told = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message, or nothing."""
        words = self._words(record)
        if words:
            tell(words)

    def _words(self, record: logging.LogRecord) -> str:
        event = getattr(record, "event", None)
        message = str(record.msg or "")
        if getattr(record, SAY, False):
            return message
        if event == LogEvent.JOB_ERROR:
            return _failed_job(record)
        if event == LogEvent.RUN_INFO and self.common_settings.dryrun and not self._jobs_told:
            self._jobs_told = True
            return message
        if message.startswith("Nothing to be done"):
            return "nothing to be done: everything requested exists and is up to date"
        if record.levelno < logging.WARNING or message.startswith(_HARMLESS):
            return ""
        return _error(message, getattr(record, "exception", ""))


def _failed_job(record: logging.LogRecord) -> str:
    logs = ", ".join(getattr(record, "log", None) or ())
    where = f"; its log: {logs}" if logs else ""
    said = str(getattr(record, "rule_msg", None) or "").partition("\n")[0].strip()  # a cluster's
    why = f" ({said})" if said else ""
    return f"{getattr(record, 'rule_name', 'a job')}: not finished{why}{where}"


def _error(message: str, exception: str) -> str:
    """Return an error or a warning without Snakemake's internals."""
    if exception == "LockException":
        return _LOCKED
    if TOLD in message:
        return f"error: {_told(message)}"
    if any(words in message for words in _OURS_SAYS_IT):
        return ""
    if "CalledProcessError" in message:
        signal = re.search(r"died with <Signals\.(\w+)", message)
        return f"its process was ended by {signal[1]} (memory?)" if signal else ""
    return message


def _told(message: str) -> str:
    """Extract the BuildError's message from Snakemake's, which names lines of our rules."""
    _, _, words = message.partition(TOLD)
    lines = words.splitlines()[1:]
    ends = [i for i, line in enumerate(lines) if re.match(r'Wildcards:|Traceback:|  File "', line)]
    return textwrap.dedent("\n".join(lines[: ends[0]] if ends else lines)).strip()


def main(arguments: list[str] | None = None) -> None:
    """Run Snakemake with these arguments, or with those of this process."""
    from snakemake.cli import main as snakemake

    # a shell's background job starts with interrupts ignored; here they are how the build ends
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # as by Ctrl-C: Snakemake and its jobs form a process group
    at_the_end_of(os.getppid(), lambda: os.killpg(os.getpgrp(), signal.SIGINT))
    sys.argv[0] = "snakemake"  # the name in its usage message
    LoggerPluginRegistry().register_plugin(_PLUGIN, sys.modules[__name__])
    snakemake(["--logger", "chsims", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    main()
