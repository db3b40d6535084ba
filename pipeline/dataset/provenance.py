"""What the dataset says about how it was made: its root attributes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pipeline
from pipeline.config import Config
from pipeline.corpus import CLASSES
from pipeline.dataset.clips import Clips
from pipeline.dataset.lengths import LengthStatistics
from pipeline.media.ffmpeg import ffmpeg_version
from pipeline.stage import Feature, Overview, Stage
from pipeline.stages import STAGES, slots, wanted
from pipeline.store.files import package_versions

FORMAT = "2"
"""Raised whenever the layout of the file changes in a way that a reader must know."""

_PACKAGES = (
    "numpy",
    "h5py",
    "av",
    "librosa",
    "torch",
    "facenet-pytorch",
    "opencv-python-headless",
    "transformers",
)
_NOT_THE_DATASETS = ("run", "train", "report")
"""Settings that say nothing of a dataset: what is trained on it says itself with which."""


def root_attributes(
    config: Config,
    clips: Clips,
    lengths: Mapping[str, LengthStatistics],
    warnings: Sequence[str],
) -> dict[str, str]:
    """Return the attributes of the file's root; all but plain words are JSON."""
    stages = slots(config)
    widths = {slot: int(clips.widths(slot)[0]) for slot in stages}
    names = {
        f"{slot}_names": list(_feature(stage).names(stage.settings(config), widths[slot]))
        for slot, stage in stages.items()
    }
    statistics = {f"{m}_length_statistics": asdict(values) for m, values in lengths.items()}
    made: dict[str, Any] = {
        "class_names": list(CLASSES),
        "modalities": {
            slot: {
                "extractor": _feature(stage).extractor,
                "step": _feature(stage).step_of(stage.settings(config)),
                "steps_per_second": _feature(stage).rate(config),
            }
            for slot, stage in stages.items()
        },
        "config": {k: v for k, v in config.defining().items() if k not in _NOT_THE_DATASETS},
        "versions": {**versions(config.media.ffmpeg), **_extractors_packages(config)},
        "warnings": [*_source_warnings(config, clips), *warnings],
        **_sources(config, clips),
    }
    if config.manifest.label_range is not None:
        made["label_range"] = list(config.manifest.label_range)
    plain = {
        "format": FORMAT,
        "preset": config.preset,
        "git_revision": git_revision(),
    }
    return {**plain, **{k: _json(v) for k, v in {**names, **statistics, **made}.items()}}


def versions(ffmpeg: str = "wheel") -> dict[str, str]:
    """Return the versions of Python, this package, ffmpeg and the libraries features come from."""
    return {
        **own_versions(),
        "ffmpeg": ffmpeg_version(ffmpeg),
        **package_versions(_PACKAGES),
    }


def _extractors_packages(config: Config) -> Mapping[str, str]:
    """Return the versions of the libraries that the features' keys name."""
    stages = [STAGES[name] for name in wanted(config)]
    named = {p for stage in stages for p in stage.extractor(stage.settings(config)).packages}
    return package_versions(tuple(sorted(named)))


def own_versions() -> dict[str, str]:
    """Return the versions of Python and this package."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, "chsims-build": pipeline.__version__}


@cache
def git_revision() -> str:
    """Return the commit this code was checked out from, ``-dirty`` if edited, or unknown."""
    home = Path(pipeline.__file__).resolve().parent.parent
    top = _git(home, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != home:
        return "unknown"  # installed into an environment that lies in someone else's repository
    revision = _git(home, "rev-parse", "HEAD")
    changes = _git(home, "status", "--porcelain", "--untracked-files=no", "--", "pipeline")
    if revision is None:
        return "unknown"
    return f"{revision}-dirty" if changes else revision


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _feature(stage: Stage) -> Feature:
    assert stage.feature is not None
    return stage.feature


def _sources(config: Config, clips: Clips) -> dict[str, list[str]]:
    """Return where the features of all clips come from, by attribute."""
    attributes = [name for stage in wanted(config) for name in STAGES[stage].sources]
    return {name: sorted(clips.sources.get(name, ())) for name in attributes}


def _source_warnings(config: Config, clips: Clips) -> list[str]:
    stages = [STAGES[name] for name in reversed(wanted(config))]
    return [
        remark
        for stage in stages
        for remark in stage.remarks(stage.settings(config), _overview(stage, clips))
    ]


def _overview(stage: Stage, clips: Clips) -> Overview:
    slot = stage.feature.slot if stage.feature else ""
    return Overview(
        sources=frozenset(s for name in stage.sources for s in clips.sources.get(name, ())),
        steps=sum(clips.steps(slot).tolist()) if slot in clips.all_steps else 0,
        totals={f.name: sum(clips.quality(f.name).tolist()) for f in stage.figures},
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
