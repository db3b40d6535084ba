"""A round of annotation: its clips, its annotators' links, and the order of each one's clips."""

from __future__ import annotations

import random
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.annotate.clips import Clip
from pipeline.annotate.database import Database
from pipeline.errors import BuildError

PHASES = ("T", "A", "V", "M")
"""The paper's order: text, sound, silent picture, everything."""

PHASE_NAMES = {"T": "text", "A": "sound", "V": "silent picture", "M": "everything"}

_PANEL = 5
"""Annotators in the paper."""


@dataclass(frozen=True)
class Links:
    """The secret parts of a round's links: the organiser's, and each annotator's by name."""

    organiser: str
    annotators: dict[str, str]


def set_up(database: Database, clips: Sequence[Clip], annotators: int | None = None) -> list[str]:
    """Begin a round, or continue it.

    Until the first answer, the round follows the folder. After it, the clips are fixed: those
    that were added later are named and left out.

    Parameters
    ----------
    database : Database
        The round's database.
    clips : sequence of Clip
        What the folder holds now.
    annotators : int, optional
        How many annotators there should be: five for a new round, or as many as there are. More
        may be added at any time; none is removed.

    Returns
    -------
    list of str
        What the organiser should know.

    Raises
    ------
    BuildError
        If a clip that was voted on has been removed or changed.
    """
    with database.transaction() as db:
        notes = []
        if db.execute("SELECT 1 FROM answers LIMIT 1").fetchone():
            notes += _compare(db, clips, database.path.parent)
        else:
            _replace_clips(db, clips)
        notes += _add_annotators(db, annotators)
        _add_tasks(db)
        if fact(db, "organiser") is None:
            set_fact(db, "organiser", secrets.token_urlsafe())
    return notes


def links(database: Database) -> Links:
    """Return the secret parts of the links.

    Raises
    ------
    BuildError
        If no round has been set up.
    """
    with database.reading() as db:
        organiser = fact(db, "organiser")
        rows = db.execute("SELECT name, token FROM annotators ORDER BY id").fetchall()
    if organiser is None:
        raise BuildError(
            f"{database.path} has no round of annotation", "start it: chsims-build annotate FOLDER"
        )
    return Links(organiser, {row["name"]: row["token"] for row in rows})


def fact(db: sqlite3.Connection, name: str) -> str | None:
    """Return a fact about the round, or None."""
    row = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])


def set_fact(db: sqlite3.Connection, name: str, value: str) -> None:
    """Store a fact about the round."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _compare(db: sqlite3.Connection, clips: Sequence[Clip], store: Path) -> list[str]:
    """Hold the folder against the clips of a round that has answers."""
    now = {clip.name: clip for clip in clips}
    rows = db.execute("SELECT *, video_id || '/' || clip_id AS name FROM clips").fetchall()
    for row in rows:
        clip = now.get(row["name"])
        if clip is None or clip.digest != row["digest"]:
            change = "cannot be used any longer" if clip is None else "has changed"
            raise BuildError(
                f"clip {row['name']} ({row['media']}) {change} since the votes began; expected the "
                f"file with SHA-256 {row['digest'][:12]}...",
                "put the same file back; or start a new round: --store FOLDER (this one stays in "
                f"{store} and can be exported with --export)",
            )
        if clip.media != row["media"]:  # moved into Raw/, say
            db.execute("UPDATE clips SET media = ? WHERE id = ?", (clip.media, row["id"]))
    added = sorted(now.keys() - {row["name"] for row in rows})
    if not added:
        return []
    return [
        f"{len(added)} clip(s) were added after the first vote and are not in this round: "
        f"{', '.join(added[:5])}{' ...' if len(added) > 5 else ''}. Annotate them in a round of "
        "their own: --store FOLDER"
    ]


def _replace_clips(db: sqlite3.Connection, clips: Sequence[Clip]) -> None:
    """Make the round's clips those of the folder; transcripts that were typed are kept."""
    columns = ("video_id", "clip_id", "media", "digest", "video", "audio", "original")
    before = db.execute("SELECT * FROM clips ORDER BY id").fetchall()
    optional = ("speaker", "gender", "age", "english", "mode")
    new = [{**asdict(clip), "original": clip.text} for clip in clips]
    if [[row[c] for c in (*columns, *optional)] for row in before] == [
        [clip[c] for c in (*columns, *optional)] for clip in new
    ]:
        return
    typed = {
        (row["video_id"], row["clip_id"]): row["text"]
        for row in before
        if row["text"] != row["original"]
    }
    for table in ("remarks", "tasks", "clips"):
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of tables, from above
    for clip in new:
        clip["text"] = typed.get((clip["video_id"], clip["clip_id"]), clip["text"])
    names = (*columns, "text", *optional)
    db.executemany(
        f"INSERT INTO clips ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})",  # noqa: S608 - names of columns
        new,
    )


def _add_annotators(db: sqlite3.Connection, number: int | None) -> list[str]:
    there = db.execute("SELECT count(*) FROM annotators").fetchone()[0]
    wanted = number or there or _PANEL
    for place in range(there + 1, wanted + 1):
        db.execute(
            "INSERT INTO annotators (name, token) VALUES (?, ?)",
            (f"annotator_{place}", secrets.token_urlsafe()),
        )
    if there <= wanted:
        return []
    return [f"the round has {there} annotators; --annotators {wanted} removes none of them"]


def _add_tasks(db: sqlite3.Connection) -> None:
    """Give each annotator without tasks an order of clips for each phase."""
    seed = fact(db, "seed")
    if seed is None:
        seed = secrets.token_hex(16)
        set_fact(db, "seed", seed)
    clips = [row["id"] for row in db.execute("SELECT id FROM clips ORDER BY id")]
    idle = db.execute(
        "SELECT id FROM annotators WHERE id NOT IN (SELECT annotator FROM tasks)"
    ).fetchall()
    for row in idle:
        for phase in PHASES:
            order = list(clips)
            random.Random(f"{seed}/{row['id']}/{phase}").shuffle(order)  # noqa: S311 - no secret
            db.executemany(
                "INSERT INTO tasks (annotator, phase, clip, place, ticket) VALUES (?, ?, ?, ?, ?)",
                [
                    (row["id"], phase, clip, place, secrets.token_urlsafe(16))
                    for place, clip in enumerate(order)
                ],
            )
