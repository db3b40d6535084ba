"""What is left for people: ``candidates.csv`` and a page that works offline, from a file."""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.propose.folder import FilmRecord
from pipeline.propose.segments import REASONS, TAKEN
from pipeline.propose.thumbnails import Thumbnails
from pipeline.report.pages import page_templates
from pipeline.report.palette import DARK, LIGHT, css_variables
from pipeline.store.files import written_whole

Told = Sequence[tuple[FilmRecord, dict[str, Any]]]

COLUMNS = (
    *("film", "video_id", "clip_id", "verdict", "begin", "end", "seconds", "first_picture"),
    *("last_picture", "shot", "begins_at", "ends_at", "pictures_searched", "one_face_share"),
    *("no_face_share", "other_face_share", "same_face_share", "face_pixels", "speech_share"),
    *("transcript", "transcript_source", "note"),
)
"""Columns of ``candidates.csv``; times in seconds on the film's clock."""

_MOST_TAKEN = 500
_MOST_LEFT = 120
"""So many segments are shown, taken and left for each reason, spread over the films; the table
has all."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With these a cell begins that spreadsheets would calculate."""

_BAR = 9
"""Characters of the longest bar."""

_TEMPLATES = Path(__file__).parent / "templates"


def write_candidates(path: Path, told: Told) -> None:
    """Write one line per segment of every film, taken or left.

    Raises
    ------
    BuildError
        If the file cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record, candidates in told:
        for each in candidates["segments"]:
            writer.writerow(_line(record, candidates, each))
    with written_whole(path) as temporary:
        temporary.write_bytes(stream.getvalue().encode("utf-8", "replace"))


def _line(record: FilmRecord, candidates: dict[str, Any], each: dict[str, Any]) -> list[Any]:
    return [
        _text(candidates["film"]),
        record.video_id,
        each["clip_id"],
        each["verdict"],
        f"{each['begin']:.3f}",
        f"{each['end']:.3f}",
        f"{each['end'] - each['begin']:.3f}",
        each["first"],
        each["stop"] - 1,
        each["shot"],
        each["begins_at"],
        each["ends_at"],
        each["pictures"],
        *(f"{each[f'{name}_share']:.3f}" for name in ("one_face", "no_face", "other_face")),
        f"{each['same_face_share']:.3f}",
        f"{each['face_size']:.0f}",
        f"{each['speech_share']:.3f}",
        *(_text(each[name]) for name in ("text", "source", "note")),
    ]


def _text(words: str) -> str:
    """Return a cell's words so that a spreadsheet takes them for words."""
    return f"'{words}" if words.startswith(_FORMULA) else words


def write_page(path: Path, told: Told, thumbnails: Thumbnails, *, dry_run: bool) -> None:
    """Write the page: counts, thresholds, and segments with thumbnails.

    Raises
    ------
    BuildError
        If the file cannot be written.
    """
    from markupsafe import Markup

    environment = page_templates(_TEMPLATES)
    environment.filters["clock"] = clock
    style = (_TEMPLATES / "propose.css").read_text("utf-8")
    for mark, colours in (("/*light*/", LIGHT), ("/*dark*/", DARK)):
        style = style.replace(mark, css_variables(colours))
    page = environment.get_template("propose.html.j2").render(
        style=Markup(style),  # noqa: S704  our own style sheet
        dry_run=dry_run,
        **_content(told, thumbnails),
    )
    with written_whole(path) as temporary:
        temporary.write_bytes(page.encode("utf-8", "replace"))


def _content(told: Told, thumbnails: Thumbnails) -> dict[str, Any]:
    shown = [
        {**each, "film": candidates["film"], "video_id": record.video_id}
        for record, candidates in told
        for each in candidates["segments"]
    ]
    counts = Counter(each["verdict"] for each in shown)
    groups = []
    for verdict in (TAKEN, *REASONS):
        own = [each for each in shown if each["verdict"] == verdict]
        some = _spread(own, _MOST_TAKEN if verdict == TAKEN else _MOST_LEFT)
        rows = [{**each, "picture": _picture(thumbnails, each)} for each in some]
        groups.append({"verdict": verdict, "count": len(own), "rows": rows})
    taken = [each for each in shown if each["verdict"] == TAKEN]
    return {
        "films": [
            {
                **candidates,
                "video_id": record.video_id,
                "taken": sum(each["verdict"] == TAKEN for each in candidates["segments"]),
            }
            for record, candidates in told
        ],
        "reasons": [(name, REASONS[name], counts[name]) for name in REASONS],
        "groups": groups,
        "tries": _tries(told),
        "total": len(shown),
        "taken": len(taken),
        "seconds": sum(each["end"] - each["begin"] for each in taken),
        "with_text": sum(bool(each["text"]) for each in taken),
        "film_seconds": sum(candidates["seconds"] for _, candidates in told),
    }


def _spread(rows: Sequence[Any], most: int) -> list[Any]:
    step = max(1.0, len(rows) / most)
    return [rows[int(place * step)] for place in range(min(most, len(rows)))]


def _picture(thumbnails: Thumbnails, each: dict[str, Any]) -> str:
    data = thumbnails.nearest(each["video_id"], each["first"], each["stop"])
    return "" if data is None else f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _tries(told: Told) -> list[dict[str, Any]]:
    """Add the films' counts up, value by value; films with other settings have other values."""
    names = list(dict.fromkeys(name for _, candidates in told for name in candidates["tries"]))
    found = []
    for name in names:
        sums: Counter[float] = Counter()
        seconds: Counter[float] = Counter()
        films: Counter[float] = Counter()
        for _, candidates in told:
            for value, clips, length in candidates["tries"][name]:
                sums[value] += clips
                seconds[value] += length
                films[value] += 1
        own = {candidates["settings"][name] for _, candidates in told}
        values = [value for value in sorted(sums) if films[value] == len(told)]
        most = max((sums[value] for value in values), default=0)
        rows = [
            {
                "value": value,
                "clips": sums[value],
                "seconds": seconds[value],
                "own": value in own,
                "bar": round(_BAR * sums[value] / most) if most else 0,
            }
            for value in values
        ]
        found.append({"name": name, "rows": rows})
    return found


def clock(seconds: float) -> str:
    """Return a moment of a film as h:mm:ss.t."""
    tenths = round(seconds * 10)
    hours, rest = divmod(tenths, 36000)
    minutes, rest = divmod(rest, 600)
    return f"{hours}:{minutes:02d}:{rest // 10:02d}.{rest % 10}"
