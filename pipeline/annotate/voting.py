"""What one annotator may see and do: the protocol, enforced here whatever a page asks for."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.annotate.database import Database
from pipeline.annotate.rounds import PHASES
from pipeline.manifest.columns import clean
from pipeline.manifest.row import LONGEST_TEXT, is_visible

CANNOT_JUDGE = "cannot"
"""The answer of an annotator who cannot judge a clip; it is no vote."""

_OLDEST = 120


class RefusedError(Exception):
    """A request that the protocol does not allow.

    Parameters
    ----------
    status : int
        The status of the HTTP response.
    reason : str
        What the annotator reads.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Task:
    """One clip in one annotator's current phase.

    Parameters
    ----------
    phase : str
        T, A, V or M.
    clip : int
        The clip's row in the database.
    media, digest : str
        Its file relative to the corpus folder, and the file's SHA-256.
    video, audio : int
        Index of each stream in the file.
    """

    phase: str
    clip: int
    media: str
    digest: str
    video: int
    audio: int


class Voting:
    """The annotators' side of a round.

    Every method takes the token of an annotator's link and raises `RefusedError`: 404 for a token
    or ticket that does not exist or belongs to somebody else, 403 for a phase that is not open,
    409 for a phase that has been closed, 400 for a value that cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, token: str) -> dict[str, Any]:
        """Return the annotator's progress, and tickets and answers of the current phase only."""
        with self._database.reading() as db:
            return _state(db, _annotator(db, token))

    def clip(self, token: str, ticket: str) -> dict[str, Any]:
        """Return what may be read about a clip: the transcript in the phases T and M."""
        with self._database.reading() as db:
            annotator, task = self._open_task(db, token, ticket)
            if task.phase in "AV":
                return {}
            row = db.execute("SELECT text FROM clips WHERE id = ?", (task.clip,)).fetchone()
            shown: dict[str, Any] = {"text": row["text"]}
            if task.phase == "M":
                remark = db.execute(
                    "SELECT text, gender, age FROM remarks WHERE annotator = ? AND clip = ?",
                    (annotator["id"], task.clip),
                ).fetchone()
                shown["remark"] = dict(remark) if remark else None
            return shown

    def media(self, token: str, ticket: str) -> Task:
        """Return the task whose media may be played now; phase T has none."""
        with self._database.reading() as db:
            _, task = self._open_task(db, token, ticket)
        if task.phase == "T":
            raise RefusedError(403, "this phase shows the transcript only")
        return task

    def vote(self, token: str, ticket: str, answer: object) -> dict[str, Any]:
        """Store an answer: -1, 0, 1 or `CANNOT_JUDGE`. It replaces an earlier one."""
        if answer != CANNOT_JUDGE and (type(answer) is not int or answer not in (-1, 0, 1)):
            raise RefusedError(400, "an answer is -1, 0, 1 or cannot")
        vote = None if answer == CANNOT_JUDGE else answer
        with self._database.transaction() as db:
            annotator, task = self._open_task(db, token, ticket)
            db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)",
                (annotator["id"], task.phase, task.clip, vote, _now()),
            )
            return {"answered": _answers(db, annotator["id"], task.phase)}

    def remark(self, token: str, ticket: str, values: dict[str, Any]) -> None:
        """Store a corrected transcript and the speaker's gender and age; phase M only."""
        gender, age = values.get("gender") or None, values.get("age")
        if gender not in (None, "female", "male"):
            raise RefusedError(400, "the gender is female, male or empty")
        if age is not None and (type(age) is not int or not 0 <= age <= _OLDEST):
            raise RefusedError(400, f"the age is a whole number from 0 to {_OLDEST}, or empty")
        typed = transcript(values.get("text"))
        with self._database.transaction() as db:
            annotator, task = self._open_task(db, token, ticket)
            if task.phase != "M":
                raise RefusedError(403, "remarks belong to the last phase")
            shown = db.execute("SELECT text FROM clips WHERE id = ?", (task.clip,)).fetchone()
            text = typed if typed not in ("", shown["text"]) else None
            db.execute(
                "INSERT OR REPLACE INTO remarks VALUES (?, ?, ?, ?, ?, ?)",
                (annotator["id"], task.clip, text, gender, age, _now()),
            )

    def close(self, token: str, phase: object) -> dict[str, Any]:
        """Close the current phase, once every clip has an answer; the next one opens."""
        with self._database.transaction() as db:
            annotator = _annotator(db, token)
            if phase not in PHASES:
                raise RefusedError(400, "a phase is T, A, V or M")
            _require_open(db, annotator, str(phase))
            left = _tasks(db, annotator["id"], str(phase)) - _answers(db, annotator["id"], phase)
            if left:
                raise RefusedError(409, f"{left} clip(s) of this phase have no answer yet")
            db.execute("UPDATE annotators SET closed = closed + 1 WHERE id = ?", (annotator["id"],))
            return _state(db, _annotator(db, token))

    @staticmethod
    def _open_task(db: sqlite3.Connection, token: str, ticket: str) -> tuple[sqlite3.Row, Task]:
        annotator = _annotator(db, token)
        row = db.execute(
            "SELECT phase, clip, media, digest, video, audio FROM tasks "
            "JOIN clips ON clips.id = tasks.clip WHERE ticket = ? AND annotator = ?",
            (ticket, annotator["id"]),
        ).fetchone()
        if row is None:
            raise RefusedError(404, "there is no such clip")
        _require_open(db, annotator, row["phase"])
        return annotator, Task(**dict(row))


def transcript(value: object) -> str:
    """Return a transcript that somebody typed, without control characters.

    Raises
    ------
    RefusedError
        If it is too long or holds only invisible characters.
    """
    text = clean(value) if isinstance(value, str) else ""
    if len(text) > LONGEST_TEXT:
        raise RefusedError(
            400, f"a transcript has at most {LONGEST_TEXT:,} characters (found {len(text):,})"
        )
    if text and not is_visible(text):
        raise RefusedError(400, "the transcript holds only invisible characters")
    return text


def missing_transcripts(db: sqlite3.Connection) -> int:
    """Return how many clips have no transcript; phase T opens when none is left."""
    return int(db.execute("SELECT count(*) FROM clips WHERE text = ''").fetchone()[0])


def _annotator(db: sqlite3.Connection, token: str) -> sqlite3.Row:
    found = db.execute("SELECT * FROM annotators WHERE token = ?", (token,))
    row: sqlite3.Row | None = found.fetchone()
    if row is None:
        raise RefusedError(404, "there is no such link")
    return row


def _require_open(db: sqlite3.Connection, annotator: sqlite3.Row, phase: str) -> None:
    """Let only the current phase through."""
    place = PHASES.index(phase)
    if place < annotator["closed"]:
        raise RefusedError(409, "this phase has been closed; the page shows the current one")
    if place > annotator["closed"]:
        raise RefusedError(403, "this phase is not open yet")
    if missing_transcripts(db):
        raise RefusedError(403, "the transcripts are not complete yet")


def _state(db: sqlite3.Connection, annotator: sqlite3.Row) -> dict[str, Any]:
    closed = annotator["closed"]
    phase = PHASES[closed] if closed < len(PHASES) else None
    is_waiting = phase is not None and bool(missing_transcripts(db))
    rows: list[sqlite3.Row] = []
    if not is_waiting:
        rows = db.execute(
            "SELECT ticket, vote, at FROM tasks LEFT JOIN answers USING (annotator, phase, clip) "
            "WHERE annotator = ? AND phase = ? ORDER BY place",
            (annotator["id"], phase),
        ).fetchall()
    return {
        "name": annotator["name"],
        "phase": phase,
        "waiting": is_waiting,
        "closed": list(PHASES[:closed]),
        "tasks": [{"ticket": row["ticket"], "answer": _answer(row)} for row in rows],
    }


def _answer(row: sqlite3.Row) -> int | str | None:
    if row["at"] is None:
        return None
    return CANNOT_JUDGE if row["vote"] is None else int(row["vote"])


def _tasks(db: sqlite3.Connection, annotator: int, phase: str) -> int:
    query = "SELECT count(*) FROM tasks WHERE annotator = ? AND phase = ?"
    return int(db.execute(query, (annotator, phase)).fetchone()[0])


def _answers(db: sqlite3.Connection, annotator: int, phase: object) -> int:
    query = "SELECT count(*) FROM answers WHERE annotator = ? AND phase = ?"
    return int(db.execute(query, (annotator, phase)).fetchone()[0])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
