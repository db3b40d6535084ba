"""Predict the clips of a folder or of a label sheet, and write them to a CSV file.

The clips are extracted by a build of their own: manifest, features, quarantine and records lie
in a folder, so that an interrupted call resumes, and new clips cost only themselves.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.commands.predict import features_of, for_model, trained_folder
from pipeline.commands.snakemake import Call, run
from pipeline.config import Config, make_config
from pipeline.corpus import LABELS
from pipeline.errors import BuildError
from pipeline.manifest.build import read_manifest
from pipeline.manifest.find import find_corpus
from pipeline.runner.jobs import shard_names
from pipeline.stages import slots
from pipeline.store.features import Store
from pipeline.store.files import digest, written_whole
from pipeline.store.quarantine import QuarantineEntry, merged, read_entries, write_quarantine
from pipeline.store.records import read_record
from pipeline.terminal import tell, tracked

SHEETS = (".csv", ".tsv", ".xlsx")
"""Suffixes of label sheets; any other file is a clip."""


@dataclass(frozen=True)
class Request:
    """What to predict, with what.

    Parameters
    ----------
    clips : Path
        A folder of clips, with or without a label sheet, or a label sheet.
    model : str
        One of the trained models, e.g. ``mlf_dnn``.
    output : Path, optional
        The CSV file; by default ``predictions.csv`` in the folder of this call's features.
    parts : bool
        Whether to write the part that the sheet names for each clip.
    cores : int
        Number of cores that the extraction may use.
    """

    clips: Path
    model: str
    output: Path | None
    parts: bool
    cores: int


def predict_many(values: Mapping[str, Any], request: Request) -> int:
    """Extract the clips with the slots that the model was trained on, and write its predictions.

    Parameters
    ----------
    values : mapping
        The settings of the build whose model is used, as `pipeline.config.make_config` takes
        them.
    request : Request
        The clips, the model, and where to write.

    Returns
    -------
    int
        The exit status: that of the extraction; 0 if a CSV was written.

    Raises
    ------
    BuildError
        If there is no such model, the configuration would extract other features than those
        it was trained on, or no clip is left.
    """
    config, inner = _settings(values, request)
    _check_sheet(inner, request)
    stages = tuple(stage.name for stage in slots(inner).values())
    build = _nested(inner, values)
    status = run(Call(build, request.cores, stages), inner)
    if status:
        return status
    lost = _quarantine(inner)
    path = request.output or inner.processed / "predictions.csv"
    count = _write(path, config, inner, request, {entry.clip for entry in lost})
    write_quarantine(inner.layout.quarantine, lost)
    tell(f"predicted by {request.model}: {count} clips: {path}")
    if lost:
        tell(f"in quarantine: {len(lost)}, e.g. {lost[0].clip} ({lost[0].reason})")
        tell(f"  all, with reasons and remedies: {inner.layout.quarantine}")
    return 0


def _settings(values: Mapping[str, Any], request: Request) -> tuple[Config, Config]:
    """Return the configuration of the trained model, and that of the clips' own build."""
    config = make_config(values)
    chosen = for_model(config, trained_folder(config.layout.experiment("table2"), request.model))
    is_sheet = request.clips.is_file()
    corpus = (request.clips.parent if is_sheet else request.clips).resolve()
    name = f"{corpus.name}-{digest([str(corpus), request.clips.name])[:8]}"
    manifest = config.manifest.model_copy(
        update={"sheet": request.clips.name if is_sheet else None, "keep_columns": ()}
    )
    inner = chosen.model_copy(
        update={
            "raw": corpus,
            "processed": config.processed / "predict" / name,
            "manifest": manifest,
            "store": config.store.model_copy(update={"raw_url": None, "processed_url": None}),
            "run": config.run.model_copy(update={"quiet": True}),
        }
    )
    return config, inner


def _check_sheet(inner: Config, request: Request) -> None:
    """Refuse clips without transcripts for a model that reads them."""
    try:
        find_corpus(inner)
    except BuildError as error:
        if "text" not in slots(inner):
            raise
        raise BuildError(
            f"{error.problem}; the model {request.model} reads transcripts",
            "put label.csv there (columns video_id, clip_id and text; docs/data-format.md), or "
            "use a model that was trained without text",
        ) from error


def _nested(inner: Config, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the clips' build as Snakemake reads them."""
    return {
        **values,
        "raw": str(inner.raw),
        "processed": str(inner.processed),
        "features": inner.features.model_dump(mode="json"),
        "manifest": inner.manifest.model_dump(mode="json"),
        "run": {"quiet": True},
    }


def _quarantine(inner: Config) -> list[QuarantineEntry]:
    """Return the clips that the manifest or a stage could not use."""
    entries = read_entries(inner.layout.manifest_quarantine)
    current = set(shard_names(inner))
    for stage in slots(inner).values():
        for path in sorted(inner.layout.records(stage.name).glob("*.json")):
            if path.stem in current:
                entries += read_record(path).quarantine
    return merged(entries)


def _write(path: Path, config: Config, inner: Config, request: Request, lost: set[str]) -> int:
    """Write the predictions in the order of the manifest; return how many there are."""
    from pipeline.train.load import Predictor

    table = read_manifest(inner.processed)
    rows = [row for row in table.to_dict("records") if row["clip"] not in lost]
    if not rows:
        raise BuildError(
            f"no clip of {request.clips} can be predicted: {len(lost)} in quarantine",
            f"read the reasons in {inner.layout.manifest_quarantine}",
        )
    folder = trained_folder(config.layout.experiment("table2"), request.model)
    predictor = Predictor(folder, config.train.device)
    store = Store(inner.processed)
    columns = ["clip", *LABELS, *(f"{name}_std" for name in LABELS)]
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, [*columns, *(["part"] if request.parts else [])])
        writer.writeheader()
        for row in tracked(rows, "predict", len(rows)):
            found = predictor.predict(*features_of(inner, store, str(row["clip"])))
            line = {"clip": row["clip"], **_scores(found)}
            writer.writerow({**line, "part": _text(row["mode"])} if request.parts else line)
    return len(rows)


def _scores(found: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """Return the cells of a line; those of tasks that the model has not learned are empty."""
    scores = {}
    for name, (mean, spread) in found.items():
        scores[name], scores[f"{name}_std"] = f"{mean:.6f}", f"{spread:.6f}"
    return scores


def _text(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)
