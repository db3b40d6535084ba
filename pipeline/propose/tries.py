"""How many clips there would be with other thresholds: the report's slider, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.propose.segments import TAKEN, segments
from pipeline.propose.settings import ProposeSettings
from pipeline.propose.utterances import Analysis

_VALUES: dict[str, Sequence[float]] = {
    "min_face": (0, 32, 48, 64, 96, 128, 192, 256),
    "one_face_share": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    "speech_share": (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9),
    "speech_threshold": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    "pause": (0.2, 0.3, 0.4, 0.6, 0.8, 1.2),
    "shortest": (0.5, 1.0, 1.5, 2.0, 3.0),
    "longest": (4.0, 6.0, 8.0, 10.0, 15.0, 20.0),
}
_LOWEST = {"min_face": 16}


def tries(film: Analysis, settings: ProposeSettings) -> dict[str, list[list[Any]]]:
    """Return, for each threshold, values with the clips and seconds that they would give.

    Parameters
    ----------
    film : Analysis
        The film.
    settings : ProposeSettings
        All other settings stay as they are.

    Returns
    -------
    dict of str to list of [value, clips, seconds]
        The value in force is one of them.
    """
    found: dict[str, list[list[Any]]] = {}
    for name, values in _VALUES.items():
        own = float(getattr(settings, name))
        rows = found[name] = []
        for value in sorted({own, *(max(v, _LOWEST.get(name, v)) for v in values)}):
            changed = settings.model_copy(update={name: value})
            if changed.shortest > changed.longest:
                continue
            taken = [s for s in segments(film, changed) if s.verdict == TAKEN]
            rows.append([value, len(taken), round(sum(s.seconds for s in taken), 1)])
    return found
