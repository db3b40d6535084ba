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
from pipeline.dataset.inputs import ClipInput
from pipeline.dataset.lengths import LengthStatistics
from pipeline.media import ffmpeg_version
from pipeline.store.files import package_versions
from pipeline.text.demo_model import LABEL
from pipeline.text.source import UNKNOWN_LIMIT

FORMAT = "1"
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

_CONTAINERS = ("apptainer", "podman", "docker")


def root_attributes(
    config: Config,
    clips: Sequence[ClipInput],
    lengths: Mapping[str, LengthStatistics],
    warnings: Sequence[str],
) -> dict[str, str]:
    """Return the attributes of the file's root; all but plain words are JSON."""
    from pipeline.audio.extractor import feature_names
    from pipeline.openface.columns import FEATURE_NAMES

    width = clips[0].widths["text"]
    names = {
        "text_names": [f"bert_{i:03d}" for i in range(width)],
        "audio_names": list(feature_names(config.audio)),
        "vision_names": list(FEATURE_NAMES),
        "class_names": list(CLASSES),
    }
    statistics = {f"{m}_length_statistics": asdict(values) for m, values in lengths.items()}
    made = {
        "config": {k: v for k, v in config.defining().items() if k not in _NOT_THE_DATASETS},
        "versions": versions(),
        "warnings": [*_source_warnings(config, clips), *warnings],
        "text_models": sorted({clip.text_model for clip in clips if clip.text_model}),
        "openface_runtimes": sorted({c.openface_runtime for c in clips if c.openface_runtime}),
    }
    plain = {
        "format": FORMAT,
        "preset": config.preset,
        "git_revision": git_revision(),
    }
    return {**plain, **{k: _json(v) for k, v in {**names, **statistics, **made}.items()}}


def versions() -> dict[str, str]:
    """Return the versions of Python, this package, ffmpeg and the libraries features come from."""
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "chsims-build": pipeline.__version__,
        "ffmpeg": ffmpeg_version(),
        **package_versions(_PACKAGES),
    }


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


def _source_warnings(config: Config, clips: Sequence[ClipInput]) -> list[str]:
    runtimes = {clip.openface_runtime for clip in clips}
    models = {clip.text_model for clip in clips if clip.text_model}
    warnings = [LABEL] if LABEL in models else []
    tokens = sum(clip.steps["text"] for clip in clips)
    unknown = sum(clip.quality["unknown_tokens"] for clip in clips) / max(tokens, 1)
    if unknown > UNKNOWN_LIMIT:  # never of NaN: features without this figure
        warnings.append(
            f"{unknown:.0%} of the transcripts' tokens are unknown to the text model: is its "
            "vocabulary that of Chinese?"
        )
    if "import" in runtimes:
        warnings.append("vision features come from imported OpenFace CSVs, not run by this build")
    if runtimes & set(_CONTAINERS) and config.openface.digest is None:
        warnings.append("the OpenFace image is not pinned by a digest (openface.digest)")
    return warnings


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
