"""A job's end: errors for a person are a message, also when the disk takes nothing more."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.workflow.closing import closing_words
from pipeline.workflow.job import job


def snakemake(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(
        config={"processed": str(folder)},
        log=[str(folder / "logs" / "job.log")],
        rule="dataset",
        input=[],
        output=[],
        wildcards=[],
    )


def test_a_full_disk_ends_the_job_with_the_remedy(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "dataset.h5")
    with pytest.raises(SystemExit), job(snakemake(tmp_path)) as config:
        raise full
    words = capfd.readouterr().err
    assert "ERROR in dataset: cannot write dataset.h5: No space left" in words
    assert "run the same command again" in words
    assert "Traceback" not in words
    assert "cannot write dataset.h5" in closing_words(config)


def test_a_full_disk_without_a_file_name_names_both_folders(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), job(snakemake(tmp_path)) as config:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    words = capfd.readouterr().err
    assert f"in {config.processed}, or a temporary one in {tempfile.gettempdir()}" in words
    assert "Traceback" not in words


def test_an_error_nobody_foresaw_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), job(snakemake(tmp_path)):
        raise ZeroDivisionError
