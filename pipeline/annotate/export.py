"""The round as the tables that a build reads: annotations.csv and transcripts.csv."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.annotate.database import Database
from pipeline.annotate.organiser import corrections, most_common
from pipeline.errors import BuildError
from pipeline.store.files import file_digest, written_whole

VOTE_COLUMNS = ("video_id", "clip_id", "modality", "annotator", "vote")
TRANSCRIPT_COLUMNS = ("video_id", "clip_id", "text", "speaker", "gender", "age", "english", "mode")


def annotations_csv(database: Database) -> str:
    """Return ``annotations.csv``: one line per vote; "cannot judge" is no vote."""
    query = """
    SELECT video_id, clip_id, phase, annotators.name, vote
    FROM answers JOIN clips ON clips.id = clip JOIN annotators ON annotators.id = annotator
    WHERE vote IS NOT NULL
    ORDER BY clip, instr('TAVM', phase), annotator
    """
    with database.reading() as db:
        return _csv(VOTE_COLUMNS, db.execute(query))


def transcripts_csv(database: Database) -> str:
    """Return ``transcripts.csv``: one line per clip.

    Transcripts are corrected as `pipeline.annotate.organiser.corrections` says. The gender is the
    one that most annotators gave, the age the median; what the sheet says stands where they gave
    none or are tied.
    """
    with database.reading() as db:
        held = {each.clip: each.held for each in corrections(db)}
        said: defaultdict[tuple[int, str], list[Any]] = defaultdict(list)
        for row in db.execute("SELECT clip, gender, age FROM remarks"):
            for name in ("gender", "age"):
                if row[name] is not None:
                    said[row["clip"], name].append(row[name])
        lines = []
        for row in db.execute("SELECT * FROM clips ORDER BY id"):
            ages = said[row["id"], "age"]
            known = {
                "text": held.get(row["id"], row["text"]),
                "gender": most_common(said[row["id"], "gender"]) or row["gender"],
                "age": round(statistics.median(ages)) if ages else row["age"],
            }
            lines.append([known.get(name, row[name]) for name in TRANSCRIPT_COLUMNS])
    return _csv(TRANSCRIPT_COLUMNS, lines)


def _csv(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return stream.getvalue()


def write_tables(database: Database, folder: Path) -> list[Path]:
    """Write both tables into a folder.

    Parameters
    ----------
    database : Database
        The round's database.
    folder : Path
        Where they go: the corpus folder, so that a build finds them.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    BuildError
        If there is no vote yet, a file of that name holds votes from elsewhere, or one cannot be
        written.
    """
    votes, texts = annotations_csv(database), transcripts_csv(database)
    if votes.count("\n") == 1:
        raise BuildError(
            f"{database.path} has no vote yet", "open an annotator's link and vote, then export"
        )
    paths = [folder / "annotations.csv", folder / "transcripts.csv"]
    _refuse_foreign(database, paths[0])
    if paths[1].exists() and not _is_ours(database, paths[1]):
        _keep_aside(paths[1])
    for path, text in zip(paths, (votes, texts), strict=True):
        data = text.encode()
        with database.transaction() as db:  # before the file: a kill between must not disown it
            digest = hashlib.sha256(data).hexdigest()
            db.execute("INSERT OR IGNORE INTO written VALUES (?, ?)", (str(path.resolve()), digest))
        with written_whole(path) as temporary:
            temporary.write_bytes(data)
    return paths


def _keep_aside(path: Path) -> None:
    """Keep the transcripts that the round began with: the export has only its own columns."""
    kept = path.with_name("transcripts.original.csv")
    if not kept.exists():
        with written_whole(kept) as temporary:
            shutil.copyfile(path, temporary)


def _is_ours(database: Database, path: Path) -> bool:
    """Tell whether an earlier export of this round wrote a file as it is now."""
    with database.reading() as db:
        row = db.execute(
            "SELECT 1 FROM written WHERE path = ? AND digest = ?",
            (str(path.resolve()), file_digest(path)),
        ).fetchone()
    return row is not None


def _refuse_foreign(database: Database, path: Path) -> None:
    """Refuse to overwrite votes that this round did not export."""
    if path.exists() and not _is_ours(database, path):
        raise BuildError(
            f"{path} exists, and this round did not write it as it is now",
            "rename or remove it, or export elsewhere: --to FOLDER",
        )
