"""What the organiser sees and decides: progress, agreement, spread, marks, transcripts."""

from __future__ import annotations

import hmac
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.annotate.database import Database
from pipeline.annotate.rounds import PHASES, fact
from pipeline.annotate.voting import RefusedError, Task, missing_transcripts, transcript
from pipeline.report.corpus import agreement

_SHOWN = 20

_VOTES = """
SELECT clip, annotators.name AS annotator, phase AS modality, vote
FROM answers JOIN annotators ON annotators.id = answers.annotator
"""


@dataclass(frozen=True)
class Correction:
    """The transcripts that annotators proposed for a clip, and what holds.

    Parameters
    ----------
    clip : int
        The clip's row.
    shown : str
        The transcript that the annotators saw.
    proposed : mapping of str to int
        Each proposal, and how many annotators wrote it.
    held : str
        The text that is exported.
    is_decided : bool
        Whether the organiser chose it.
    """

    clip: int
    shown: str
    proposed: Mapping[str, int]
    held: str
    is_decided: bool


def corrections(db: sqlite3.Connection) -> list[Correction]:
    """Return the clips with proposed transcripts.

    The organiser's decision holds. Without one, a text holds that more than half of all
    annotators wrote alike, or else the one that was shown.
    """
    needed = db.execute("SELECT count(*) FROM annotators").fetchone()[0] / 2
    proposals: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for row in db.execute("SELECT clip, text FROM remarks WHERE text IS NOT NULL"):
        proposals[row["clip"]][row["text"]] += 1
    found = []
    for row in db.execute("SELECT id, text, decided FROM clips ORDER BY id"):
        proposed = proposals.get(row["id"], Counter())
        agreed = next((text for text, count in proposed.items() if count > needed), row["text"])
        if proposed or row["decided"] is not None:
            held = agreed if row["decided"] is None else row["decided"]
            found.append(
                Correction(row["id"], row["text"], proposed, held, row["decided"] is not None)
            )
    return found


class Organiser:
    """The organiser's side of a round; every method takes the token of the organiser's link."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self, token: str) -> None:
        """Raise `RefusedError` (404) for a token that is not the organiser's."""
        with self._database.reading() as db:
            self._check(db, token)

    def overview(self, token: str) -> dict[str, Any]:
        """Return the content of the organiser's page."""
        with self._database.reading() as db:
            self._check(db, token)
            clips = {
                row["id"]: f"{row['video_id']}/{row['clip_id']}"
                for row in db.execute("SELECT id, video_id, clip_id FROM clips ORDER BY id")
            }
            answers = pd.DataFrame(
                [tuple(row) for row in db.execute(_VOTES)],
                columns=["clip", "annotator", "modality", "vote"],
            ).astype({"vote": float})
            shown = {
                "clips": clips,
                "missing": missing_transcripts(db),
                "annotators": _progress(db, answers),
                "corrections": corrections(db),
                "speakers": _speakers(db),
            }
        # not while the database is held: votes would wait
        return {
            **shown,
            "agreement": _agreement(answers),
            "spread": _widest(answers),
            "marks": _marks(answers),
        }

    def transcripts(self, token: str) -> list[dict[str, Any]]:
        """Return every clip with its transcript, and whether that may still be changed."""
        with self._database.reading() as db:
            self._check(db, token)
            rows = db.execute(
                "SELECT id, video_id || '/' || clip_id AS name, text, EXISTS (SELECT 1 FROM "
                "answers WHERE answers.clip = clips.id) AS locked FROM clips ORDER BY id"
            )
            return [dict(row) for row in rows]

    def media(self, token: str, clip: int) -> Task:
        """Return the task that plays a whole clip."""
        with self._database.reading() as db:
            self._check(db, token)
            row = db.execute(
                "SELECT media, digest, video, audio FROM clips WHERE id = ?", (clip,)
            ).fetchone()
        if row is None:
            raise RefusedError(404, "there is no such clip")
        return Task("M", clip, **dict(row))

    def set_transcript(self, token: str, clip: object, text: object) -> None:
        """Store the transcript that annotators are shown, as long as nobody has voted on it."""
        typed = transcript(text)
        if not typed:
            raise RefusedError(400, "the transcript is empty")
        with self._database.transaction() as db:
            self._check(db, token)
            self._known(db, clip)
            if db.execute("SELECT 1 FROM answers WHERE clip = ?", (clip,)).fetchone():
                raise RefusedError(409, "an annotator has voted on this transcript already")
            db.execute("UPDATE clips SET text = ? WHERE id = ?", (typed, clip))

    def decide(self, token: str, clip: object, text: object) -> None:
        """Choose the transcript that is exported for a clip; None takes the choice back."""
        chosen = None if text is None else transcript(text)
        if chosen == "":
            raise RefusedError(400, "the transcript is empty")
        with self._database.transaction() as db:
            self._check(db, token)
            self._known(db, clip)
            db.execute("UPDATE clips SET decided = ? WHERE id = ?", (chosen, clip))

    @staticmethod
    def _known(db: sqlite3.Connection, clip: object) -> None:
        known = type(clip) is int and db.execute("SELECT 1 FROM clips WHERE id = ?", (clip,))
        if not known or known.fetchone() is None:
            raise RefusedError(404, "there is no such clip")

    @staticmethod
    def _check(db: sqlite3.Connection, token: str) -> None:
        expected = fact(db, "organiser") or ""
        if not expected or not hmac.compare_digest(token.encode(), expected.encode()):
            raise RefusedError(404, "there is no such link")


def _progress(db: sqlite3.Connection, answers: pd.DataFrame) -> list[dict[str, Any]]:
    total = db.execute("SELECT count(*) FROM clips").fetchone()[0]
    counts = answers.groupby(["annotator", "modality"]).size()
    return [
        {
            "name": row["name"],
            "token": row["token"],
            "closed": PHASES[: row["closed"]],
            "answered": {phase: int(counts.get((row["name"], phase), 0)) for phase in PHASES},
            "total": total,
        }
        for row in db.execute("SELECT * FROM annotators ORDER BY id")
    ]


def _agreement(answers: pd.DataFrame) -> dict[str, float]:
    """Return Krippendorff's alpha (ordinal), as the report does; NaN where nothing varies."""
    return agreement(answers.dropna(subset="vote"))


def _widest(answers: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the clips and modalities whose votes differ most, widest first."""
    groups = answers.dropna(subset="vote").groupby(["clip", "modality"])["vote"]
    spread = groups.std(ddof=0)
    widest = sorted(
        ((clip, modality) for clip, modality in spread[spread > 0].index),
        key=lambda each: (-spread[each], each[0], PHASES.index(each[1])),
    )
    return [
        {
            "clip": clip,
            "modality": modality,
            "votes": sorted(int(vote) for vote in groups.get_group((clip, modality))),
            "std": float(spread[clip, modality]),
        }
        for clip, modality in widest[:_SHOWN]
    ]


def _marks(answers: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the clips that annotators could not judge, by modality."""
    return [
        {"clip": clip, "modality": modality, "annotators": sorted(group["annotator"])}
        for (clip, modality), group in answers[answers["vote"].isna()].groupby(["clip", "modality"])
    ]


def _speakers(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return each clip's remarks on its speaker."""
    found: defaultdict[int, dict[str, list[Any]]] = defaultdict(lambda: {"gender": [], "age": []})
    for row in db.execute("SELECT clip, gender, age FROM remarks ORDER BY clip, annotator"):
        for name in ("gender", "age"):
            if row[name] is not None:
                found[row["clip"]][name].append(row[name])
    return [
        {
            "clip": clip,
            "genders": Counter(said["gender"]).most_common(),
            "ages": sorted(said["age"]),
            "gender": most_common(said["gender"]),
        }
        for clip, said in found.items()
        if said["gender"] or said["age"]
    ]


def most_common(values: Sequence[str]) -> str | None:
    """Return the value that was given most often; None for none, or for a tie."""
    counts = Counter(values).most_common(2)
    if not counts or (len(counts) == 2 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0]
