"""Reading what a build folder holds for the report; every missing piece is kept as a gap."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from pipeline.config import Config
from pipeline.corpus import MODALITIES
from pipeline.dataset.info import DatasetInfo
from pipeline.errors import BuildError
from pipeline.manifest.parquet import column_names, read_table
from pipeline.report.damage import damaged_files
from pipeline.report.sources import Build, Gap
from pipeline.stages import STAGES, STEPS, wanted
from pipeline.store.freshness import is_outdated
from pipeline.store.layout import Layout
from pipeline.store.quarantine import QuarantineEntry, read_entries, read_quarantine
from pipeline.store.records import read_record

T = TypeVar("T")

_NOT_READ = frozenset(
    (
        *("clip_id", "row", "english", "media", "media_digest", "size", "rotation", "channels"),
        *("video_stream", "audio_stream", "audio_track", "audio_tracks"),
        *("time_zero", "streams_apart"),
    )
)
"""Columns of the manifest that the report does not show, and of which there may be very many."""

_OF_DATASET = ("id", "part", "class", *(f"{modality}_lengths" for modality in MODALITIES))


def read_build(config: Config) -> Build:
    """Read a build folder, however much of it is there."""
    layout = config.layout
    gaps: dict[str, Gap] = {}
    manifest = _optional(
        gaps, "manifest", layout.manifest, _read_manifest, "chsims-build --stage manifest"
    )
    dataset = _optional(
        gaps, "dataset", layout.dataset, _read_dataset, "chsims-build --stage dataset"
    )
    runs = _optional(gaps, "runs", layout.runs, _read_lines, "snakemake --cores all all")
    votes = None
    if layout.votes.is_file():
        command = "chsims-build --stage manifest"
        votes = _optional(gaps, "votes", layout.votes, read_table, command)
    done, from_records = _read_records(config)
    outdated = is_outdated(layout, layout.dataset)
    for stage in wanted(config):
        if not done[stage]:
            gaps[stage] = Gap(
                f"the {stage} stage has not finished any shard", f"chsims-build --stage {stage}"
            )
    return Build(
        config=config,
        manifest=manifest,
        votes=votes,
        quarantine=_quarantine(layout, from_records, outdated=outdated),
        dataset=dataset,
        done=done,
        runs=[*(runs or []), *_read_benchmarks(layout)],
        gaps=gaps,
        damaged=[Gap(f"{name} {fault}", again) for name, fault, again in damaged_files(layout)],
        outdated=outdated,
    )


def _optional(
    gaps: dict[str, Gap], name: str, path: Path, read: Callable[[Path], T], command: str
) -> T | None:
    if not path.is_file():
        gaps[name] = Gap(f"the file {path.name} has not been made", command)
        return None
    try:
        return read(path)
    except (OSError, ValueError, KeyError, BuildError) as error:
        gaps[name] = Gap(f"the file {path.name} cannot be read ({error})", f"{command} --force")
        return None


def _read_manifest(path: Path) -> pd.DataFrame:
    table = read_table(path, [name for name in column_names(path) if name not in _NOT_READ])
    table["warnings"] = [tuple(map(str, warnings)) for warnings in table["warnings"]]
    table["clip"] = pd.Series([sys.intern(clip) for clip in table["clip"]], dtype=object)
    return table


def _read_dataset(path: Path) -> DatasetInfo:
    return DatasetInfo(path, _OF_DATASET)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines; a last line cut short by a killed job is left out."""
    lines = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and "stage" in value:
            lines.append(value)
    return lines


def _read_benchmarks(layout: Layout) -> list[dict[str, Any]]:
    """Read what Snakemake measured of training jobs, in the form of ``runs.jsonl``."""
    runs = []
    for path in sorted((layout.logs / "train").glob("*.tsv")):
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream, delimiter="\t"):
                    peak = row["max_rss"]
                    runs.append(
                        {
                            "stage": "train",
                            "seconds": float(row["s"]),
                            "peak_mb": 0.0 if peak in ("-", "NA") else float(peak),
                        }
                    )
        except (OSError, ValueError, KeyError, csv.Error):
            continue
    return runs


def _read_records(config: Config) -> tuple[dict[str, set[str]], list[QuarantineEntry]]:
    """Return each stage's finished clips, and the quarantine of the stages that are needed."""
    done: dict[str, set[str]] = {stage: set() for stage in STAGES}
    entries: list[QuarantineEntry] = []
    needed = wanted(config)
    for name in STAGES:
        for path in sorted(config.layout.records(name).glob("*.json")):
            with suppress(OSError, ValueError):  # an unreadable record: its shard is not done
                record = read_record(path)
                done[name].update(map(sys.intern, record.clips))  # the same ones in all stages
                entries += record.quarantine if name in needed else ()
    for name, stage in reversed(STAGES.items()):
        if stage.transient:  # its records go once the stages that read its files are done
            done[name] = done[name].union(
                *(done[other] for other, reader in STAGES.items() if stage in reader.inputs)
            )
    return done, entries


def _quarantine(
    layout: Layout, from_records: list[QuarantineEntry], *, outdated: bool
) -> list[QuarantineEntry]:
    """Take quarantine.csv, else (or if newer) what the manifest and the records say so far."""
    entries: list[QuarantineEntry] = []
    whole = False
    if layout.quarantine.is_file() and not outdated:
        with suppress(BuildError):  # `damaged` names it
            entries += read_quarantine(layout.quarantine)
            whole = True
    if not whole:
        with suppress(BuildError):  # the first step left none, or it is damaged
            entries += read_entries(layout.manifest_quarantine)
        entries += from_records
    found: dict[str, QuarantineEntry] = {}
    for entry in entries:
        if entry.clip:
            found.setdefault(entry.clip, entry)
    rank = {stage: index for index, stage in enumerate(STEPS)}
    return sorted(found.values(), key=lambda entry: (rank.get(entry.stage, 99), entry.clip))
