"""Snakemake as chsims-build calls it: its DAG and its jobs, but few words on the console.

Jobs speak for themselves (`pipeline.runner.costs.tell`). Of what Snakemake says, a person at the
keyboard needs its errors, its warnings, that there is nothing to do, and of a dry run the
jobs; ``--quiet all`` would hide the errors too. Run as ``python -m pipeline.commands.console`` with
Snakemake's own arguments.
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
from pipeline.runner.costs import tell

TOLD = "BuildStopped"
"""Class name of the exception that carries a BuildError through Snakemake (rules/common.smk)."""

SAY = "chsims_say"
"""Attribute of a log record of our rules that is meant for the person at the keyboard."""

_PLUGIN = "snakemake_logger_plugin_chsims"

_LOCKED = """\
error: another build is at work on these files
  -> wait until it has ended; if none is running (a build was killed on another machine, or
     with another Snakemake), remove its lock: chsims-build --snakemake=--unlock"""

_OURS_SAYS_IT = (
    "At least one job did not complete successfully",
    "Exiting because a job execution failed",
)
"""Snakemake's last words when a job failed, whose reason has been told."""


class LogHandler(LogHandlerBase):
    """Prints what a person needs of Snakemake's messages to standard error."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True  # or Snakemake would add its own: `emit` alone decides
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
            return "nothing to be done: everything asked for is there and up to date"
        if record.levelno < logging.WARNING:
            return ""
        return _error(message, getattr(record, "exception", ""))


def _failed_job(record: logging.LogRecord) -> str:
    logs = ", ".join(getattr(record, "log", None) or ())
    where = f"; its log: {logs}" if logs else ""
    return f"{getattr(record, 'rule_name', 'a job')}: not finished{where}"


def _error(message: str, exception: str) -> str:
    """Return an error or a warning without what only Snakemake's authors can read."""
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
    """Return a BuildError's words from between Snakemake's, which name lines of our rules."""
    _, _, words = message.partition(TOLD)
    lines = words.splitlines()[1:]
    ends = [i for i, line in enumerate(lines) if re.match(r'Wildcards:|Traceback:|  File "', line)]
    return textwrap.dedent("\n".join(lines[: ends[0]] if ends else lines)).strip()


def main(arguments: list[str] | None = None) -> None:
    """Call Snakemake with these arguments, or with those of this process."""
    from snakemake.cli import main as snakemake

    # like Ctrl-C: Snakemake and its jobs are a process group
    at_the_end_of(os.getppid(), lambda: os.killpg(os.getpgrp(), signal.SIGINT))
    sys.argv[0] = "snakemake"  # its usage names the program
    LoggerPluginRegistry().register_plugin(_PLUGIN, sys.modules[__name__])
    snakemake(["--logger", "chsims", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    main()
