"""chsims-build adopt: a feature file to a folder that trains and reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pipeline.adopt.content import Part, read_parts
from pipeline.adopt.features import Fitting, fittings
from pipeline.adopt.known import PUBLISHED
from pipeline.adopt.record import Adopted, read_adopted, write_adopted
from pipeline.adopt.stored import RefusedError
from pipeline.adopt.writer import configuration, manifest_rows, name_clips, write_dataset
from pipeline.config import Config, load_config
from pipeline.errors import BuildError
from pipeline.manifest.build import write_manifest
from pipeline.runner.costs import note_run
from pipeline.store.files import file_digest, written_whole
from pipeline.store.freshness import note_inputs
from pipeline.store.layout import Layout
from pipeline.store.made import note_made
from pipeline.store.quarantine import write_entries, write_quarantine


def adopt(
    file: Path,
    folder: Path,
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda words: None,
) -> Config:
    """Make a dataset of a feature file, in a folder of its own.

    Parameters
    ----------
    file : Path
        A pickle as MMSA and MMSA-FET write it. Nothing in it is executed.
    folder : Path
        Where the dataset goes: a new folder, or one that an earlier call made.
    force : bool
        Put another file's dataset in the place of an adopted one.
    say : callable
        Prints a line for the user.

    Returns
    -------
    Config
        The configuration of the folder, as its ``config.yaml`` gives it.

    Raises
    ------
    BuildError
        If the file cannot be read safely or is no feature file, or the folder holds
        something else.
    """
    started, layout = time.monotonic(), Layout(folder)
    status = file.stat()
    digest = file_digest(file)
    _check_folder(layout, digest, force=force)
    parts = read_parts(file)
    published = PUBLISHED.get(digest)
    remarks = name_clips(parts)
    adopted = Adopted(
        file=str(file.absolute()),
        size=status.st_size,
        changed=status.st_mtime_ns,
        digest=digest,
        published=published.title if published else "",
        remarks=remarks,
    )
    fitted = _fittings(file, parts, status.st_size)
    for step in ("manifest", "dataset"):  # if this ends early, nothing passes for this file's
        layout.made(step).unlink(missing_ok=True)
    write_adopted(layout, adopted)
    _write_config(layout.adopted_config, configuration(folder, list(fitted), adopted), say)
    config = load_config((layout.adopted_config,))
    remarks = write_dataset(config, parts, fitted, adopted, published)
    write_manifest(folder, manifest_rows(parts))
    write_entries(layout.manifest_quarantine, [])
    write_quarantine(layout.quarantine, [])
    write_adopted(layout, Adopted(**{**adopted.__dict__, "remarks": remarks}))
    note_made(layout, "manifest", [layout.manifest, layout.manifest_quarantine])
    note_made(layout, "dataset", [layout.dataset, layout.quarantine])
    note_inputs(layout, [str(layout.made("dataset"))], [str(layout.adopted)])
    note_run(layout, "dataset", "", 0, time.monotonic() - started)
    say(f"{adopted.described()}")
    counts = ", ".join(f"{name} {len(part.rows):,}" for name, part in parts.items())
    say(f"clips: {counts}")
    for words in remarks:
        say(words)
    return config


def _write_config(path: Path, text: str, say: Callable[[str], None]) -> None:
    """Write the folder's settings, unless its user has added some to the same slots."""
    before = path.read_text("utf-8", errors="replace") if path.is_file() else text
    if before != text:
        if text[text.index("features:") :] in before:
            say(f"{path}: kept with the settings that you added")
            return
        old = path.with_name(f"{path.name}.old")
        path.replace(old)
        say(f"{path}: written anew; the one before is {old.name}")
    with written_whole(path) as temporary:
        temporary.write_text(text, "utf-8")


def _fittings(file: Path, parts: dict[str, Part], size: int) -> dict[str, Fitting]:
    try:
        return fittings(parts, size)
    except RefusedError as error:
        raise BuildError(f"{file} is not adopted: {error}", "see docs/adopting.md") from error


def _check_folder(layout: Layout, digest: str, *, force: bool) -> None:
    """Refuse a folder that holds something other than the same file's dataset."""
    if not layout.root.exists():
        return
    if not layout.root.is_dir():
        raise BuildError(f"{layout.root} is a file, expected a folder", "choose another --to")
    earlier = read_adopted(layout)
    if earlier is None and any(layout.root.iterdir()):
        raise BuildError(
            f"{layout.root} holds something else, e.g. {next(layout.root.iterdir()).name}",
            "choose a new folder: --to processed/NAME",
        )
    if earlier is not None and earlier.digest != digest and not force:
        raise BuildError(
            f"{layout.root} holds the dataset of another file, {earlier.described()}",
            "choose another --to, or add --force to replace it; the models trained there then "
            "count as out of date",
        )
