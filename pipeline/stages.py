"""The per-clip stages, in the order of the data.

To add one: a folder with ``settings.py``, ``extractor.py`` and ``stage.py`` (read
``pipeline/audio``), its settings in ``config.py``, its name here (docs/extending.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from pipeline.audio.stage import AUDIO
from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError
from pipeline.faces.stage import FACES
from pipeline.frames.stage import FRAMES
from pipeline.image.stage import IMAGE, IMAGE_FRAMES
from pipeline.openface.stage import OPENFACE
from pipeline.opensmile.stage import OPENSMILE
from pipeline.speech.stage import SPEECH
from pipeline.stage import Stage
from pipeline.text.stage import TEXT
from pipeline.vision.stage import VISION

if TYPE_CHECKING:
    from pipeline.config import Config

_OWN = (FRAMES, FACES, OPENFACE, VISION, IMAGE, IMAGE_FRAMES, AUDIO, OPENSMILE, SPEECH, TEXT)

ENTRY_POINTS = "chsims_build.extractors"
"""Group of entry points through which other packages add stages; each names a `Stage`."""

NONE = "none"
"""Value of a slot in ``features`` that leaves out the modality."""

ADOPTED = "adopted"
"""Value of a slot whose feature others made; ``chsims-build adopt`` writes such configurations."""


def _all_stages() -> dict[str, Stage]:
    """Return our own stages, then those of other packages, by name."""
    stages = {stage.name: stage for stage in _OWN}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            stage = point.load()
        except Exception as error:  # code of another package: say which
            raise BuildError(
                f"the extractor {point.name} ({point.value}) cannot be loaded: {error!r}",
                f"repair or remove the package {point.dist.name if point.dist else '?'}",
            ) from error
        if not isinstance(stage, Stage) or stage.name in {*stages, "manifest", "dataset"}:
            raise BuildError(
                f"the entry point {point.name} ({point.value}) is not a Stage with a unique name",
                "it must name a pipeline.stage.Stage; see docs/extending.md",
            )
        if stage.transient and stage.inputs:
            raise BuildError(
                f"the stage {stage.name} ({point.value}) is transient and reads other stages",
                "a transient stage is computed by the jobs that read it, so it reads only the clip",
            )
        stages[stage.name] = stage
    return stages


STAGES: dict[str, Stage] = _all_stages()

STEPS = ("manifest", *STAGES, "dataset", "train", "report")
"""Every step of the DAG, in the order of the data."""


def extractors(slot: str) -> dict[str, Stage]:
    """Return the stages that can fill a slot, by their name in ``features``."""
    return {
        stage.feature.extractor: stage
        for stage in STAGES.values()
        if stage.feature is not None and stage.feature.slot == slot
    }


def slots(config: Config) -> dict[str, Stage]:
    """Return the stage of each slot that a stage fills, in the order of `MODALITIES`."""
    chosen = {slot: getattr(config.features, slot) for slot in MODALITIES}
    # asked for every clip, so all slots are looked up in one table
    known = {(s.feature.slot, s.feature.extractor): s for s in STAGES.values() if s.feature}
    return {slot: known[slot, n] for slot, n in chosen.items() if n not in (NONE, ADOPTED)}


def is_adopted(config: Config) -> bool:
    """Tell whether the dataset was made from other people's features, so that no stage runs."""
    return ADOPTED in (getattr(config.features, slot) for slot in MODALITIES)


def wanted(config: Config) -> list[str]:
    """Return the stages that the filled slots need, in the order of the data."""
    return needed_for(stage.name for stage in slots(config).values())


def with_jobs(config: Config) -> list[str]:
    """Return the `wanted` stages that have jobs of their own (`Stage.transient`)."""
    return [name for name in wanted(config) if not STAGES[name].is_lent(config)]


def read_of_clips(config: Config) -> frozenset[str]:
    """Return what of a clip the filled slots are made from: ``video``, ``sound``, ``text``."""
    needed = [STAGES[name] for name in wanted(config)]
    decoded = {stage.decodes for stage in needed if stage.decodes}
    return frozenset(decoded | {"text" for stage in needed if stage.source == "text"})


def steps_of(config: Config) -> list[str]:
    """Return the steps that a build of this configuration has, in the order of the data."""
    made = [] if is_adopted(config) else ["manifest", *wanted(config), "dataset"]
    return [*made, "train", "report"]


def stage_called(config: Config, name: str) -> Stage:
    """Return the stage with a name, or the stage in the slot of that name.

    Raises
    ------
    BuildError
        If the slot is empty.
    """
    if name in MODALITIES:
        filled = slots(config)
        if name not in filled:
            raise BuildError(
                f"features.{name} is none: no {name} feature is computed",
                f"choose one: --set features.{name}={next(iter(extractors(name)))}",
            )
        return filled[name]
    return STAGES[name]


def needed_for(names: Iterable[str]) -> list[str]:
    """Return the named stages and all stages whose files they need, in the order of the data."""
    waiting, found = [STAGES[name] for name in names], set()
    while waiting:
        stage = waiting.pop()
        found.add(stage.name)
        waiting += stage.inputs
    return [name for name in STAGES if name in found]


def consumers(config: Config, stage: Stage) -> list[Stage]:
    """Return the stages that read a stage's files, without those that no slot needs."""
    needed = wanted(config)
    readers = [other for other in STAGES.values() if stage in other.inputs]
    return [other for other in readers if other.name in needed] or readers
