"""The per-clip stages, in the order that data takes.

To add one: a folder with ``settings.py``, ``extractor.py`` and ``stage.py`` (read
``pipeline/audio``), its settings in ``config.py``, its name here, one rule in ``rules/``.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.audio.stage import AUDIO
from pipeline.faces.stage import FACES
from pipeline.frames.stage import FRAMES
from pipeline.openface.stage import OPENFACE
from pipeline.stage import Stage
from pipeline.text.stage import TEXT
from pipeline.vision.stage import VISION

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (FRAMES, FACES, OPENFACE, VISION, AUDIO, TEXT)
}


STEPS = ("manifest", *STAGES, "dataset", "train", "report")
"""Every step of the DAG, in the order that data takes."""


def needed_for(names: Iterable[str]) -> list[str]:
    """Return the stages of these names and all whose files they need, in the order data takes."""
    waiting, found = [STAGES[name] for name in names], set()
    while waiting:
        stage = waiting.pop()
        found.add(stage.name)
        waiting += stage.inputs
    return [name for name in STAGES if name in found]


def consumers(stage: Stage) -> list[Stage]:
    """Return the stages that read a stage's files."""
    return [other for other in STAGES.values() if stage in other.inputs]
