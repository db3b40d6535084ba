"""A build in a few lines: for the console, and for the top of the report."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import Config
from pipeline.report.sources import Build, LeftOut, read_build

UNTRAINED = "untrained text model: demo only"
_SHOWN = 5


@dataclass(frozen=True)
class Warned:
    """Something a reader must know before using a build, and where the page says more."""

    text: str
    more: str
    section: str


def build_warnings(build: Build) -> list[Warned]:
    """List what limits the use of a build, the gravest first."""
    config = build.config
    found = []
    if config.text.model == "demo":
        found.append(
            Warned(
                UNTRAINED,
                "The text features come from a random network. Do not report any score made with them.",
                "made",
            )
        )
    lost, total = len(build.quarantine), build.clips_in
    if total and lost / total > config.max_quarantined:
        found.append(
            Warned(
                f"{lost} of {total} clips in quarantine, more than max_quarantined allows",
                f"The limit is {config.max_quarantined:.0%}.",
                "quarantine",
            )
        )
    runtime = config.openface.runtime
    if runtime == "import":
        found.append(
            Warned(
                "OpenFace output was imported",
                "The pipeline did not run OpenFace; its version and settings are those of the CSVs.",
                "made",
            )
        )
    elif runtime != "native" and config.openface.digest is None:
        found.append(
            Warned(
                "the OpenFace image is not pinned",
                "Set openface.digest so that the same image is used next time.",
                "made",
            )
        )
    missing = [gap for name, gap in build.gaps.items() if name != "runs"]
    if missing:
        more = f"First: {missing[0].what} ({missing[0].command})."
        found.append(
            Warned(f"the build is not complete: {len(missing)} piece(s) missing", more, "made")
        )
    return found


def summary_text(config: Config) -> str:
    """Return the console's last lines: what was built, left out, and where to look.

    Parameters
    ----------
    config : Config
        Names the build's folder.
    """
    build = read_build(config)
    lines = [_built(build), *_quarantined(build.quarantine)]
    lines += [f"WARNING: {warned.text}" for warned in build_warnings(build)]
    report = config.processed / "report.html"
    lines.append(
        f"report: {report}" if report.is_file() else "report: not made yet (chsims-build report)"
    )
    return "\n".join(lines)


def _built(build: Build) -> str:
    if build.dataset is None:
        return f"built: {len(build.usable)} of {build.clips_in} clips so far, no dataset yet"
    parts = ", ".join(f"{part} {len(clips)}" for part, clips in build.dataset.clips.items())
    total = sum(map(len, build.dataset.clips.values()))
    return f"built: {build.root / 'dataset.h5'}: {total} of {build.clips_in} clips ({parts})"


def _quarantined(items: list[LeftOut]) -> list[str]:
    if not items:
        return ["quarantined: none"]
    by_reason: dict[tuple[str, str], list[str]] = {}
    for item in items:
        by_reason.setdefault((item.stage, item.reason), []).append(item.clip)
    lines = [f"quarantined: {len(items)}"]
    for (stage, reason), clips in sorted(by_reason.items(), key=lambda pair: -len(pair[1]))[
        :_SHOWN
    ]:
        more = f" and {len(clips) - 3} more" if len(clips) > 3 else ""
        lines.append(f"  {len(clips)} x {stage}: {_short(reason)} ({', '.join(clips[:3])}{more})")
    if len(by_reason) > _SHOWN:
        lines.append(f"  {len(by_reason) - _SHOWN} further reason(s): see the report")
    return lines


def _short(text: str, limit: int = 160) -> str:
    """Keep one printable line: a reason may quote a hostile transcript."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
