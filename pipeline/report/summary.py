"""A build in a few lines: for the console, and for the top of the report."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import Config
from pipeline.dataset.inputs import not_applied
from pipeline.report.read import read_build
from pipeline.report.sources import Build
from pipeline.stages import wanted
from pipeline.store.freshness import is_outdated
from pipeline.store.layout import Layout
from pipeline.store.quarantine import QuarantineEntry
from pipeline.text.demo_model import LABEL

_SHOWN = 5


@dataclass(frozen=True)
class Warned:
    """Something a reader must know before using a build, and where the page says more."""

    text: str
    more: str
    section: str


_EXPLAINED = (
    (
        "untrained",
        "The text features come from a random network: report no scores based on them.",
    ),
    ("unknown to the text model", "They all get the same vector: choose a model of this language."),
    ("imported OpenFace", "This build does not know their OpenFace version and settings."),
    ("were not applied", "Faces are only found for a vision feature."),
    ("not pinned", "Set openface.digest, so that the same image is used next time."),
)


def build_warnings(build: Build, *, damaged: bool = True) -> list[Warned]:
    """List what limits the use of a build, the gravest first.

    Parameters
    ----------
    build : Build
        What the build's folder holds.
    damaged : bool
        Also name damaged files.
    """
    broken = [
        Warned(f"{gap.what}, so it cannot be trusted", f"Make it again: {gap.command}.", "made")
        for gap in (build.damaged if damaged else ())
    ]
    texts = (
        [str(text) for text in build.dataset.attributes.get("warnings", [])]
        if build.dataset and not build.outdated
        else _expected(build.config)
    )
    found = broken + [
        Warned(text, next((more for part, more in _EXPLAINED if part in text), ""), "made")
        for text in texts
    ]
    lost, total = len(build.quarantine), build.clips_in
    limit = build.config.max_quarantined
    if total and lost / total > limit:
        text = f"{lost} of {total} clips are in quarantine"
        found.append(Warned(text, f"max_quarantined allows {limit:.0%}.", "quarantine"))
    if build.outdated:
        text = "the dataset is older than its features"
        found.append(Warned(text, "Run chsims-build to renew it.", "made"))
    if build.older_results:
        text = f"the models of {', '.join(build.older_results)} were trained on an earlier dataset"
        more = "Their scores do not apply to this dataset. Run chsims-build --stage train."
        found.append(Warned(text, more, "results"))
    missing = [gap for name, gap in build.gaps.items() if name != "runs"]
    if missing:
        first = f"The first: {missing[0].what} ({missing[0].command})."
        found.append(Warned("the build is not complete", first, "made"))
    return found


def _expected(config: Config) -> list[str]:
    """Return the warnings that the dataset will carry, before there is one."""
    found, stages = [], wanted(config)
    if "text" in stages and config.text.model == "demo":
        found.append(LABEL)
    if "openface" in stages and config.openface.runtime == "import":
        found.append("vision features come from imported OpenFace CSVs, not run by this build")
    return [*found, *not_applied(stages)]


def summary_text(config: Config) -> str:
    """Return the console's last lines: what was built, left out, and where to look.

    Parameters
    ----------
    config : Config
        Names the build's folder.
    """
    build = read_build(config)
    lines = [_built(build), *_quarantined(build.quarantine)]
    lines += [f"DAMAGED: {gap.what}\n  -> {gap.command}" for gap in build.damaged]
    lines += [f"WARNING: {warned.text}" for warned in build_warnings(build, damaged=False)]
    lines.append(_report(config.layout))
    return "\n".join(lines)


def _report(layout: Layout) -> str:
    path = layout.report
    if not path.is_file():
        return "report: not made yet (chsims-build report)"
    stale = is_outdated(layout, path)
    return f"report: {path}" + (" (out of date)" if stale else "")


def _built(build: Build) -> str:
    if build.dataset is None or build.outdated:
        features = ", ".join(f"{name} {count}" for name, count in build.features.items())
        dataset = "dataset.h5 is from an earlier build" if build.outdated else "no dataset yet"
        return f"so far: {build.clips_in} clips; features: {features}; {dataset}"
    counts = build.dataset.clips["part"].value_counts(sort=False)
    parts = ", ".join(f"{part} {count}" for part, count in counts.items())
    total = len(build.dataset.clips)
    return f"built: {build.config.layout.dataset}: {total} of {build.clips_in} clips ({parts})"


def _quarantined(items: list[QuarantineEntry]) -> list[str]:
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
        lines.append(
            f"  {len(clips)} x {stage}: {_short(reason)} ({_short(', '.join(clips[:3]))}{more})"
        )
    if len(by_reason) > _SHOWN:
        lines.append(f"  {len(by_reason) - _SHOWN} more reasons: see the report")
    return lines


def _short(text: str, limit: int = 160) -> str:
    """Keep one printable line: a reason may quote a hostile transcript."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
