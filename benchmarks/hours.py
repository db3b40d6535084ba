"""Work out how long each experiment takes on 2,281 clips, from the table of training.

    python benchmarks/hours.py       # renews docs/reproducing.md; `train.py --docs` does it, too

Time on two cores = trainings x epochs x CPU seconds per epoch / 2. Where a model was stopped after
an epoch, 30 epochs are assumed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page import MODELS as PAGE
from page import REPRODUCING, put_into_page, table_of

from pipeline.train.experiments import variants
from pipeline.train.registry import MODELS
from pipeline.train.settings import TrainSettings

ASSUMED = 30
CORES = 2


def put_hours() -> None:
    """Write the table into docs/reproducing.md."""
    lines = [
        "| experiment | trainings | CPU s per epoch of a seed | epochs | time on two cores |",
        "|---|---|---|---|---|",
    ]
    rows = {row["model"]: row for row in table_of(PAGE, "trained")}
    settings = TrainSettings()
    total = 0.0
    count = len(settings.seeds)
    for info in MODELS.values():
        if info.title not in rows:
            lines.append(f"| `table2`, {info.title} | {count} | not measured | | |")
            continue
        total += _seconds(rows[info.title], count)
        lines.append(_line(f"`table2`, {info.title}", rows[info.title], count))
    lines.append(f"| `table2`, all that were measured | | | | {_spoken(total)} |")
    row = rows[MODELS["mlf_dnn"].title]
    for name in ("table4", "table5", "search"):
        count = sum(len(found.seeds) for found in variants(name, "mlf_dnn", settings))
        lines.append(_line(f"`{name}`, MLF-DNN (at most)", row, count))
    lines += [
        "| `figure2` | none | | | seconds |",
        "| `figure4` | none: `table2`'s models | | | about half a minute per model |",
    ]
    put_into_page(REPRODUCING, "hours", lines)


def _seconds(row: dict[str, str], trainings: int) -> float:
    return trainings * float(row["epochs"] or ASSUMED) * float(row["CPU s"]) / CORES


def _line(name: str, row: dict[str, str], trainings: int) -> str:
    epochs = row["epochs"] or f"{ASSUMED} (assumed)"
    time = _spoken(_seconds(row, trainings))
    return f"| {name} | {trainings} | {row['CPU s']} | {epochs} | {time} |"


def _spoken(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


if __name__ == "__main__":
    put_hours()
