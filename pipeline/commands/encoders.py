"""chsims-build encoders: what can fill each slot of the dataset, and what each needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from pipeline.config import Config
from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError
from pipeline.stage import Stage
from pipeline.stages import STAGES, extractors, needed_for
from pipeline.store.files import package_versions


@dataclass(frozen=True)
class Requirement:
    """A model, a program, a folder or a library that an extractor needs.

    Parameters
    ----------
    what : str
        Its name, with the setting that names it.
    here : bool
        Whether it is on this machine, whole.
    found : str
        What is wrong with it; empty if it is here.
    remedy : str
        How to get it; empty if it is here.
    """

    what: str
    here: bool
    found: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Encoder:
    """An extractor, as it is configured now.

    Parameters
    ----------
    slot, name : str
        The slot that it fills, and its name in ``features``.
    chosen : bool
        Whether the configuration has it in this slot.
    about : str
        What it computes.
    width : int, optional
        Values per step; None if only the model, or a computed clip, tells it.
    step : str
        What a step is.
    steps_per_second : float, optional
        None if a step is no span of time, or only the model tells it.
    rate_known : bool
        False if only the model tells the steps per second.
    settings : str
        Name of its group of settings.
    stages : list of str
        The stages that it runs, in the order of the data.
    needs : list of Requirement
        What must be on the machine.
    """

    slot: str
    name: str
    chosen: bool
    about: str
    width: int | None
    step: str
    steps_per_second: float | None
    rate_known: bool
    settings: str
    stages: list[str]
    needs: list[Requirement]

    @property
    def here(self) -> bool:
        """Whether everything that it needs is on this machine."""
        return all(need.here for need in self.needs)


def encoders(config: Config) -> list[Encoder]:
    """Describe every extractor of every slot, other packages' included; nothing is downloaded."""
    return [
        _encoder(config, slot, name, stage)
        for slot in MODALITIES
        for name, stage in extractors(slot).items()
    ]


def _encoder(config: Config, slot: str, name: str, stage: Stage) -> Encoder:
    feature = stage.feature
    assert feature is not None
    settings, run = stage.settings(config), needed_for([stage.name])
    width, _ = _asked(lambda: feature.width_of(settings))
    rate, rate_known = _asked(lambda: feature.rate(config))
    return Encoder(
        slot,
        name,
        getattr(config.features, slot) == name,
        stage.about,
        width,
        feature.step_of(settings),
        rate,
        rate_known,
        stage.name,
        run,
        [need for each in run for need in _needs(STAGES[each], config)],
    )


def _asked(ask: Callable[[], Any]) -> tuple[Any, bool]:
    """Return an answer, and whether all that it takes is on this machine."""
    try:
        return ask(), True
    except (BuildError, ImportError):
        return None, False


def _needs(stage: Stage, config: Config) -> list[Requirement]:
    """List a stage's libraries that are missing, and all else that it needs."""
    settings = stage.settings(config)
    needs = []
    for package in stage.extractor(settings).packages:
        found = _required(package, partial(package_versions, (package,)))
        needs += [] if found.here else [found]
    return needs + [_required(need.what, need.check) for need in stage.needs(settings)]


def _required(what: str, check: Callable[[], object]) -> Requirement:
    try:
        check()
    except BuildError as error:
        return Requirement(what, False, error.problem, error.remedy)
    return Requirement(what, True)


def as_json(found: list[Encoder]) -> str:
    """Return the list as JSON, with one object per extractor."""
    return json.dumps([{**asdict(e), "here": e.here} for e in found], ensure_ascii=False, indent=1)


def print_encoders(found: list[Encoder]) -> None:
    """Print the extractors of each slot, then what is missing, with the way to get it."""
    from rich.console import Console

    console = Console()
    for slot in dict.fromkeys(encoder.slot for encoder in found):
        console.print(f"[bold]{slot}[/bold]")
        for encoder in (each for each in found if each.slot == slot):
            for line in _lines(encoder):
                console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print()
    for line in (
        "* chosen. Choose another: --set features.audio=opensmile; none leaves the slot empty.",
        "The settings of each: chsims-build config, under the name of its stage.",
        *(["?: known once the model is here, or a clip is computed."] if _unknown(found) else []),
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    missing = {need.what: need for encoder in found for need in encoder.needs if not need.here}
    for need in missing.values():
        words = f"\nmissing: {need.found}\n  -> {need.remedy}"
        console.print(words, highlight=False, markup=False, soft_wrap=True)


def _lines(encoder: Encoder) -> list[str]:
    name = f"{encoder.name} *" if encoder.chosen else encoder.name
    width = "?" if encoder.width is None else str(encoder.width)
    first = f"  {name:<14} {width:>5} values, {_steps(encoder):<12} {encoder.about}"
    needs = (f"{need.what} ({'here' if need.here else 'missing'})" for need in encoder.needs)
    return [first, *(f"  {'':<14} needs {need}" for need in needs)]


def _unknown(found: list[Encoder]) -> bool:
    return any(encoder.width is None or not encoder.rate_known for encoder in found)


def _steps(encoder: Encoder) -> str:
    """Say how many steps there are per second, or what a step is."""
    if not encoder.rate_known:
        return "? per s"
    if encoder.steps_per_second is None:
        return f"per {encoder.step}"
    return f"{encoder.steps_per_second:.4g} per s"
