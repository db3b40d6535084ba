"""The end of a build: the limit on lost clips, and the closing message."""

from __future__ import annotations

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.manifest.build import read_manifest
from pipeline.store.quarantine import read_quarantine


def check_quarantine(config: Config) -> None:
    """End the build with an error if more clips were lost than ``max_quarantined`` allows.

    Raises
    ------
    BuildError
        Names the share, the limit and the file with the reasons.
    """
    path = config.layout.quarantine
    lost = {entry.clip for entry in read_quarantine(path)}
    known = set(read_manifest(config.processed)["clip"]) | lost
    share = len(lost) / max(len(known), 1)
    if share > config.max_quarantined:
        raise BuildError(
            f"{len(lost)} of {len(known)} clips ({share:.0%}) are in quarantine, more than "
            f"max_quarantined = {config.max_quarantined:.0%}; dataset and report are written",
            f"read the reasons in {path} or the report, repair the clips and build again, or "
            "raise the limit with --set max_quarantined=...",
        )


def closing_words(config: Config) -> str:
    """Return the closing message: what was built, what was lost, where the report is.

    For single clips (``--clip``), the jobs have already said everything.
    """
    from pipeline.report.summary import summary_text

    summary = "" if config.run.clips or config.run.quiet else f"{summary_text(config)}\n"
    stopped = config.layout.stopped
    if not stopped.is_file():
        return summary
    words = (
        stopped.read_text("utf-8").strip() or "a job that could not write its reason to the disk"
    )
    return f"{summary}\nThe build stopped in {words}\n"


def forget_stop(config: Config) -> None:
    """Forget why the previous build stopped."""
    config.layout.stopped.unlink(missing_ok=True)


def note_stop(config: Config, where: str, error: BuildError) -> None:
    """Store the reason why the build stops for the closing message."""
    path = config.layout.stopped
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{where}: {error}\n", "utf-8")
