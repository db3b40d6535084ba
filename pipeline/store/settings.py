"""Settings of the build folder."""

from __future__ import annotations

from pathlib import Path

from pipeline.settings import Settings, operational


class StoreSettings(Settings):
    """How the files of a build are kept."""

    pack: bool = operational(False)
    """true: one file per job of a stage (packs/STAGE/0000.zip) in place of one per clip, where the
    number of files is limited. It can be changed at any time and recomputes nothing: packs and
    single files are both read."""
    latency_wait: float = operational(5.0, ge=0, le=3600)
    """How many seconds a job waits for files that another machine has written and that a shared
    file system shows late. On NFS, set it to the value of Snakemake's --latency-wait."""
    mirror: Path = operational(Path("s3"))
    """Folder for the local copies of raw and processed, where these lie in S3 (s3://BUCKET/PREFIX).
    A build works on the copies, and stores in S3 what each job has made."""
    raw_url: str | None = operational(None)
    """Set by raw: s3://..., not by hand."""
    processed_url: str | None = operational(None)
    """Set by processed: s3://..., not by hand."""
