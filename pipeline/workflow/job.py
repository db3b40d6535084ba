"""Job setup: every Snakemake job's configuration, log, thread limits and signals."""

from __future__ import annotations

import errno
import gc
import logging
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from pipeline.config import Config, make_config
from pipeline.errors import BuildError
from pipeline.runner.children import end_with_builder
from pipeline.runner.costs import note_run
from pipeline.runner.limits import memory_hint
from pipeline.runner.threads import bound_threads
from pipeline.stages import STAGES
from pipeline.store.freshness import note_inputs
from pipeline.terminal import tell
from pipeline.workflow.closing import note_stop
from pipeline.workflow.locks import claim_job
from pipeline.workflow.mirrors import store_job, store_step

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


@contextmanager
def job(snakemake: Any) -> Iterator[Config]:
    """Run a job's body with its checked configuration.

    Errors meant for the user end the job with a message, not with a traceback. The message is
    also stored in ``logs/stopped.txt`` for the end of the build.

    Parameters
    ----------
    snakemake : object
        The object that Snakemake passes to a ``script:``.
    """
    bound_threads()
    config = make_config(snakemake.config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _terminated)
    end_with_builder()
    started = time.monotonic()
    try:
        _log_into(Path(snakemake.log[0]))
        yield config
        note_inputs(config.layout, snakemake.output, snakemake.input)
        _store_in_s3(config, snakemake)
    except BuildError as error:
        _stop(config, snakemake.rule, error)
    except (MemoryError, ImportError, OSError) as error:
        known = _machine_error(config, error)
        if known is None:
            raise
        _stop(config, snakemake.rule, known)
    if snakemake.rule not in STAGES:  # these report themselves how many clips they computed
        seconds = time.monotonic() - started
        name = " ".join([snakemake.rule, *snakemake.wildcards])
        tell(f"{name}: done ({seconds:.1f} s)")
        if snakemake.rule in ("manifest", "dataset"):
            note_run(config.layout, snakemake.rule, "", 0, seconds)
    gc.freeze()  # else Python would visit all of torch's objects again before the process ends


def _store_in_s3(config: Config, snakemake: Any) -> None:
    """Store what the job made, if the build's folder lies in S3."""
    if snakemake.rule in STAGES:
        shards = [Path(shard) for shard in snakemake.input.shards]
        store_job(config, snakemake.rule, shards, Path(snakemake.output.record))
    else:
        store_step(config)


def _log_into(path: Path) -> None:
    claim_job(path)
    logging.basicConfig(
        filename=path,
        filemode="w",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a log that cannot be written must not hide the error
    warnings.simplefilter("default")


def _stop(config: Config, rule: str, error: BuildError) -> NoReturn:
    if memory_hint() and memory_hint() not in error.remedy:
        error = BuildError(error.problem, "; ".join(filter(None, (error.remedy, memory_hint()))))
    tell(f"\nERROR in {rule}: {error}\n")
    with suppress(OSError):  # on a full disk, both fail
        logging.getLogger(__name__).error("%s", error)
        note_stop(config, rule, error)
    sys.exit(1)


def _machine_error(config: Config, error: MemoryError | ImportError | OSError) -> BuildError | None:
    """Return what the user can do about an error of the machine; None for another error."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return _disk_error(config, error)
    out_of_memory = isinstance(error, MemoryError) or getattr(error, "errno", 0) == errno.ENOMEM
    if out_of_memory or (isinstance(error, ImportError) and memory_hint()):
        return BuildError(
            f"out of memory ({str(error)[:200] or 'MemoryError'})",
            "free memory, or build with fewer --cores; then run the same command again",
        )
    return None


def _disk_error(config: Config, error: OSError) -> BuildError:
    if error.filename is None:
        folder = tempfile.gettempdir()
        return BuildError(
            f"cannot write a file in {config.processed}, or a temporary one in {folder}: "
            f"{error.strerror}",
            "free disk space in both folders, or name another folder for temporary files: "
            "export TMPDIR=FOLDER",
        )
    return BuildError(
        f"cannot write {error.filename}: {error.strerror}",
        "free disk space or fix the folder's permissions, then run the same command again",
    )


def _terminated(number: int, frame: object) -> None:
    sys.exit(128 + number)
