"""Computing some clips of a build anew, to compare them with what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pipeline.commands.status import clips_of
from pipeline.config import Config
from pipeline.runner.numba_cache import claim_numba_cache
from pipeline.runner.run import run_stage
from pipeline.stage import Build
from pipeline.stages import STAGES, with_jobs
from pipeline.store.features import Features, Store
from pipeline.store.records import read_record
from pipeline.store.shards import Clip, shard_content, shard_name, write_shard

_NAMES_OF_ORIGIN = ("identity", "pinned")
"""Entries of OpenFace's ``info`` that name an image, which may have several names."""


def differences(
    config: Config, count: int, cores: int, folder: Path
) -> Iterator[tuple[str, str, str]]:
    """Compute clips in an empty folder and compare each of their feature files.

    Parameters
    ----------
    config : Config
        The build's configuration.
    count : int
        Clips to compute, spread evenly over the corpus.
    cores : int
        Processes that compute them.
    folder : Path
        Empty; it takes what is computed.

    Yields
    ------
    stage, clip, difference : str
        `difference` is empty if the arrays and figures are the same to the last bit.

    Raises
    ------
    BuildError
        If a stage cannot run on this machine.
    """
    claim_numba_cache()
    stored, clips = Build.of(config), _spread(clips_of(config), count)
    whole = config.faces.model_copy(update={"keep_crops": True})  # to compare all that is stored
    update = {"processed": folder, "on_bad_clip": "quarantine", "faces": whole}
    apart = config.model_copy(update=update)
    shard, record = apart.layout.shard(shard_name(0)), folder / "record.json"
    write_shard(shard, shard_content(asdict(clip) for clip in clips))
    anew = Store(folder)
    for name in with_jobs(apart):
        run_stage(apart, name, [shard], record, threads=cores)
        refused = {entry.clip: entry.reason for entry in read_record(record).quarantine}
        for clip in clips if not STAGES[name].transient else ():
            if name in _lost(stored, clip) and clip.clip in refused:
                continue  # in quarantine then and now
            yield name, clip.clip, _difference(stored, anew, name, clip, refused.get(clip.clip))


def _spread(clips: list[Clip], count: int) -> list[Clip]:
    step = max(1, len(clips) / count)
    return [clips[int(i * step)] for i in range(min(count, len(clips)))]


def _lost(build: Build, clip: Clip) -> set[str]:
    """Return the stages that have no feature file of a clip."""
    return {name for name in STAGES if build.store.header(name, clip.clip) is None}


def _difference(stored: Build, anew: Store, name: str, clip: Clip, refused: str | None) -> str:
    header = stored.store.header(name, clip.clip)
    if header is None:
        return f"{stored.store.path(name, clip.clip)} is missing or damaged"
    if refused is not None:
        return f"it cannot be computed now ({refused})"
    if header["key"] != stored.key(STAGES[name], clip):
        return "it was made with other settings, other versions or from other inputs"
    # the key says that the same program or model made it; its name may have changed
    origin = {*_NAMES_OF_ORIGIN, *STAGES[name].sources.values()}
    before, now = stored.store.read(name, clip.clip), anew.read(name, clip.clip)
    if before.trimmed is not None:
        now = STAGES[name].trimmed(now, before.trimmed)
    return _unlike(before, now, origin)


def _unlike(before: Features, now: Features, origin: set[str]) -> str:
    import numpy as np

    if before.arrays.keys() != now.arrays.keys():
        return f"it holds {', '.join(before.arrays)}, computed {', '.join(now.arrays)}"
    for name, old in before.arrays.items():
        new = now.arrays[name]
        if old.shape != new.shape or old.dtype != new.dtype:
            return f"{name} is {old.dtype} {old.shape}, computed {new.dtype} {new.shape}"
        if old.tobytes() != new.tobytes():
            apart = np.nanmax(np.abs(old.astype(np.float64) - new.astype(np.float64)))
            return f"{name} differs by at most {apart:.3g} from what is computed now"
    keys = [k for k in before.info if k not in origin and before.info[k] != now.info.get(k)]
    if keys or now.info.keys() - before.info.keys() - origin:
        return f"its figures differ from those computed now: {', '.join(keys)}"
    return ""
