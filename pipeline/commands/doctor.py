"""chsims-build doctor: check whether this machine is ready for a build, and say what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.commands.checks import Check
from pipeline.config import Config, available_cores
from pipeline.errors import BuildError
from pipeline.extractor import check_device
from pipeline.manifest.sheet import sheet_rows
from pipeline.stage import Stage
from pipeline.stages import STAGES, is_adopted, wanted
from pipeline.train.experiments import job_memory, trained_experiments, weights_mb
from pipeline.train.registry import MODELS

MB_PER_SECOND = {True: 0.85, False: 0.2}
"""Feature files per second of clip: OpenFace's table, audio and text; with `faces.keep_crops` 30
crops of 23 kB, else 6 per clip."""

MEAN_SECONDS = 3.67
"""Mean length of a CH-SIMS clip (paper, Table 1), for the estimate before any clip is probed."""


OPENFACE_FAILED = 3
"""Exit status of ``doctor --openface`` if OpenFace does not work."""

_NO_OPENFACE = Check("OpenFace", None, "not tested: features.vision is none, so nothing needs it")


def examine(config: Config, *, with_openface: bool = False) -> list[Check]:
    """Run every check.

    Parameters
    ----------
    config : Config
        The configuration of the build.
    with_openface : bool
        Also run OpenFace on a packaged face clip, through the configured runtime.
    """
    adopted = is_adopted(config)
    checks = [
        *_guarded("python", _python),
        *(_guarded("ffmpeg", lambda: _ffmpeg(config)) if not adopted else ()),
        *(_guarded("corpus", lambda: _corpus(config)) if not adopted else ()),
        *_guarded("disk", lambda: _disk(config)),
        *_guarded("cores", _cores),
        *_guarded("training", lambda: _training(config)),
        *_guarded("gpu", lambda: _gpu(config)),
    ]
    needed = wanted(config)
    if "text" in needed:
        checks += _guarded("text model", lambda: _text_model(config))
    if "openface" in needed:
        checks += _guarded("openface", lambda: _openface_runtime(config))
    for name in (n for n in needed if n not in ("text", "openface")):
        checks += _guarded(name, partial(_ready, config, STAGES[name]))
    if with_openface:
        checks += _test_openface(config) if "openface" in needed else [_NO_OPENFACE]
    return checks


def exit_status(checks: Iterable[Check]) -> int:
    """Return the exit status of ``chsims-build doctor``.

    Returns
    -------
    int
        0 if nothing is missing; 3 if OpenFace was run and does not work; else 1.
    """
    failed = [check for check in checks if check.ok is False]
    if any(check.tests_openface for check in failed):
        return OPENFACE_FAILED
    return 1 if failed else 0


def _test_openface(config: Config) -> list[Check]:
    from pipeline.commands.doctor_openface import check_openface

    checks = [replace(check, tests_openface=True) for check in check_openface(config)]
    # of imported CSVs, the folder was checked already
    return checks[1:] or checks if config.openface.runtime == "import" else checks


def _guarded(name: str, check: Callable[[], Check | None]) -> Iterable[Check]:
    try:
        found = check()
        if found is not None:
            yield found
    except BuildError as error:
        yield Check(name, ok=False, found=error.problem, remedy=error.remedy)


def _python() -> Check:
    wanted = ("torch", "facenet-pytorch", "librosa", "transformers", "h5py", "snakemake")
    try:
        found = ", ".join(f"{name} {version(name)}" for name in wanted)
    except PackageNotFoundError as error:
        return Check(
            "python", ok=False, found=f"package {error.name} is missing", remedy="run: make setup"
        )
    python = ".".join(map(str, sys.version_info[:3]))
    return Check("python", ok=True, found=f"{python}; {found}")


def _ffmpeg(config: Config) -> Check:
    from pipeline.media.ffmpeg import ffmpeg_program, ffmpeg_version

    choice = config.media.ffmpeg
    return Check("ffmpeg", ok=True, found=f"{ffmpeg_version(choice)} ({ffmpeg_program(choice)})")


def _corpus(config: Config) -> Check:
    from pipeline.manifest.find import media_folders

    rows = sheet_rows(config)
    folders = media_folders(config)
    missing = [row.clip for row in rows if not folders.candidates(row.video_id, row.clip_id)]
    found = f"{len(rows)} clips in the sheet, media for {len(rows) - len(missing)}"
    if not missing:
        return Check("corpus", ok=True, found=found)
    return Check(
        "corpus",
        ok=False,
        found=f"{found}; none for {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}",
        remedy=f"put the files into {config.raw}, or let the build quarantine these clips",
    )


def _disk(config: Config) -> Check:
    adopted, table = is_adopted(config), config.layout.manifest
    seconds = 0.0 if adopted else len(sheet_rows(config)) * MEAN_SECONDS
    if table.is_file() and not adopted:
        from pipeline.manifest.build import read_manifest

        seconds = float(read_manifest(config.processed)["duration"].sum())
    needed = (seconds * MB_PER_SECOND[config.faces.keep_crops] + weights_mb(config.train)) / 1000
    folder = config.processed.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    found = f"{free:.1f} GB free at {folder}; the build needs about {needed:.1f} GB"
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check(
            "disk",
            ok=False,
            found=f"{folder} cannot be written to",
            remedy="fix its permissions, or build elsewhere: --set processed=FOLDER",
        )
    enough = free > 1.2 * needed
    remedy = "" if enough else "free space, or set processed to a larger disk: --set processed=..."
    return Check("disk", ok=enough, found=found, remedy=remedy)


def _cores() -> Check:
    memory = _memory_gb()
    cores = available_cores()
    found = f"{cores} cores, {memory:.0f} GB of memory"
    enough = memory / cores >= 1.5
    remedy = "" if enough else f"use fewer cores: --cores {max(1, int(memory / 1.5))}"
    return Check("cores", ok=enough or None, found=found, remedy=remedy)


def _training(config: Config) -> Check:
    """Compare the largest training job with the machine's memory."""
    models = {m for names in trained_experiments(config.train).values() for m in names}
    if not models:
        return Check("training", ok=None, found="no model to train")
    threads = min(available_cores(), len(config.train.seeds))
    needed, model = max((job_memory(m, threads) / 1000, m) for m in models)
    memory = _memory_gb()
    found = f"the largest job ({MODELS[model].title}) needs about {needed:.0f} GB of memory"
    if needed <= memory:
        return Check("training", ok=True, found=found)
    fitting = [t for t in range(1, threads) if job_memory(model, t) / 1000 <= memory]
    remedy = (
        f"train fewer seeds at once: --snakemake=--set-threads --snakemake=train={max(fitting)}"
        if fitting
        else f"leave {model} out: --set train.models=[...]"
    )
    return Check(
        "training", ok=False, found=f"{found}; this machine has {memory:.0f} GB", remedy=remedy
    )


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _gpu(config: Config) -> Check:
    for step in ("faces", "text", "train"):
        check_device(getattr(config, step).device, f"{step}.device")
    if not any(Path("/dev").glob("nvidia[0-9]*")) and shutil.which("nvidia-smi") is None:
        return Check("gpu", ok=None, found="none: faces, text and training run on the CPU")
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Check("gpu", ok=True, found=", ".join(names))
    return Check(
        "gpu",
        ok=False,
        found="torch cannot use it",
        remedy="update the NVIDIA driver, or set faces.device, text.device, train.device to cpu",
    )


def _text_model(config: Config) -> Check:
    from pipeline.text.loading import load_text_model
    from pipeline.text.source import DEMO, find_model, label

    if config.text.model == DEMO:
        return Check("text model", ok=None, found="demo: untrained, its features are meaningless")
    load_text_model(config.text)
    found = f"{label(config.text)}, in {find_model(config.text).folder}"
    return Check("text model", ok=True, found=found)


def _ready(config: Config, stage: Stage) -> Check | None:
    """Check that what a stage needs is on this machine."""
    if stage.ready is None:
        return None
    stage.ready(config)
    return Check(stage.name, ok=True, found="everything it needs is available")


def _openface_runtime(config: Config) -> Check:
    if config.openface.runtime == "import":
        from pipeline.commands.doctor_openface import check_openface

        return check_openface(config)[0]
    from pipeline.openface.runtimes.select import select_runtime

    selection = select_runtime(config.openface)
    found = f"{selection.found.description}; {selection.reason}"
    return Check("openface", ok=True, found=f"{found} (to test it: doctor --openface)")


def print_checks(checks: list[Check]) -> None:
    """Print one line per check, with the remedy below each problem."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    marks = {True: ("ok", "green"), False: ("no", "bold red"), None: ("note", "yellow")}
    for check in checks:
        mark, style = marks[check.ok]
        line = Text.assemble((f"{mark:>4}", style), f"  {check.name:<12} {check.found}")
        console.print(line, soft_wrap=True)
        if check.remedy:
            console.print(Text(f"      -> {check.remedy}"), soft_wrap=True)
