"""Five people who vote on clips of the demo film: ``python -m tests.voters raw/afternoon``.

The script starts the server of ``chsims-build annotate`` and votes over HTTP, as the page in a
browser does. Of each clip, the five votes average to the labels that the demo gives its words.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from tests.annotate.test_server import ask, serving
from tests.conftest import DEMO

PEOPLE = 5


def labels() -> dict[str, dict[str, float]]:
    """Return the demo's labels by transcript and phase."""
    with (DEMO / "label.csv").open(encoding="utf-8") as stream:
        return {
            row["text"]: {
                "M": float(row["label"]),
                **{phase: float(row[f"label_{phase}"]) for phase in "TAV"},
            }
            for row in csv.DictReader(stream)
        }


def vote_of(label: float, person: int) -> int:
    """Return one of five votes of -1, 0 and 1 whose mean is the label."""
    many = round(abs(label) * PEOPLE)
    return (1 if label > 0 else -1) if person < many else 0


def texts_by_ticket(raw: Path) -> dict[str, str]:
    """Return the transcript of every ticket: the pages do not tell in the phases A and V."""
    from pipeline.annotate.database import Database

    database = Database(raw / ".annotate")
    with database.reading() as db:
        query = "SELECT ticket, text FROM tasks JOIN clips ON clips.id = tasks.clip"
        found = {row["ticket"]: row["text"] for row in db.execute(query)}
    database.close()
    return found


def vote(raw: Path) -> int:
    """Let everybody vote on everything; return how many votes that were."""
    known = labels()
    votes = 0
    with serving(raw, "--annotators", str(PEOPLE)) as server:
        texts = texts_by_ticket(raw)
        for person, link in enumerate(server.annotators):
            for phase in "TAVM":
                for task in ask(f"{link}state")["tasks"]:
                    label = known[texts[task["ticket"]]][phase]
                    answer = vote_of(label, person)
                    ask(f"{link}vote", {"ticket": task["ticket"], "answer": answer})
                    votes += 1
                ask(f"{link}close", {"phase": phase})
    return votes


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    print(f"{vote(folder)} votes of {PEOPLE} people")
