"""When a build fetches from S3, and what it stores there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.config import Config
from pipeline.stages import STAGES
from pipeline.store.features import Store
from pipeline.store.mirror import Mirror
from pipeline.store.s3 import JOURNAL
from pipeline.store.shards import read_shard
from pipeline.store.urls import Url
from pipeline.workflow.locks import is_building

_NEVER = (
    *("*.progress", "*.lock", "*.owner", "checkpoint_*.safetensors", ".tmp*"),
    *("logs/seen/*.json", "logs/labels.json", "*-journal"),
)
"""Files that only this machine needs: a checkpoint is for a training that was killed here, and
safetensors fills ``.tmp*`` before it gives it a checkpoint's name."""


def fetch(config: Config) -> list[str]:
    """Bring the local copies of what lies in S3 up to date; only after `claim_build`.

    Returns
    -------
    list of str
        A line for each place from which files were fetched.

    Raises
    ------
    BuildError
        If S3 cannot be read.
    """
    raw, processed = _raw(config), _processed(config)
    said = [*_fetched(raw, exactly=True), *_fetched(processed, exactly=False)]
    for mirror in (raw, processed):
        if mirror is not None:
            mirror.shorten_journal()
    return said


def fetch_to_look(config: Config) -> list[str]:
    """Bring the local copy of what was built up to date, unless a build works on it.

    The copy of ``raw`` stays as it is: a look must not undo what somebody edits there.

    Returns
    -------
    list of str
        Lines for the user: what was fetched, or why nothing was.

    Raises
    ------
    BuildError
        If S3 cannot be read.
    """
    raw, processed = _raw(config), _processed(config)
    said = []
    if raw is not None and not raw.is_begun:
        said.append(f"{raw.bucket.url}: not fetched yet; the next build fetches it")
    if processed is not None and is_building(config):
        said.append(f"{processed.bucket.url}: not fetched, since a build is running here")
        return said
    return [*said, *_fetched(processed, exactly=False)]


def lies_in_s3(config: Config) -> bool:
    """Tell whether the corpus or the build's folder stands for a place in S3."""
    return not (_raw(config) is None and _processed(config) is None)


def _fetched(mirror: Mirror | None, *, exactly: bool) -> list[str]:
    count = 0 if mirror is None else mirror.fetch(exactly=exactly)
    if mirror is None or not count:
        return []
    return [f"{mirror.bucket.url}: fetched {count} files into {mirror.folder}"]


def store_job(config: Config, stage: str, shards: Sequence[Path], record: Path) -> None:
    """Store what a job of a per-clip stage made, then its record."""
    mirror = _processed(config)
    if mirror is None or STAGES[stage].transient:
        return
    store = Store(config.processed)
    clips = [clip.clip for path in shards for clip in read_shard(path)]
    made = [stage, *(s.name for s in STAGES[stage].inputs if not s.transient)]
    own = [
        store.path(name, clip, suffix)
        for name in made
        for clip in clips
        for suffix in (".safetensors", ".failed.json", *STAGES[name].attachments)
    ]
    packs = [path for name in made for path in config.layout.packs(name).glob("*.zip")]
    mirror.store([*own, *packs, record])


def store_all(config: Config) -> None:
    """Store whatever the build has made and not stored yet; no job may be running."""
    mirror = _processed(config)
    if mirror is not None:
        mirror.store([*_files(config.processed), *mirror.known_files()])


def store_step(config: Config) -> None:
    """Store what a step of the whole corpus made or removed: all but the clips' files."""
    mirror = _processed(config)
    if mirror is not None:
        clips = {*STAGES, "packs"}
        known = [path for path in mirror.known_files() if _first(config, path) not in clips]
        mirror.store([*_files(config.processed, clips), *known])


def _raw(config: Config) -> Mirror | None:
    url = config.store.raw_url
    return None if url is None else Mirror(Url.parse(url), config.raw)


def _processed(config: Config) -> Mirror | None:
    url = config.store.processed_url
    return None if url is None else Mirror(Url.parse(url), config.processed)


def _first(config: Config, path: Path) -> str:
    return path.relative_to(config.processed).parts[0]


def _files(folder: Path, besides: Iterable[str] = ()) -> Iterator[Path]:
    """Yield the files of a build that are worth keeping."""
    transient = {stage.name for stage in STAGES.values() if stage.transient}
    left_out = {*transient, *besides, "scratch", JOURNAL}
    for entry in sorted(folder.iterdir()):
        if entry.name in left_out:
            continue
        found = [entry] if entry.is_file() else sorted(entry.rglob("*"))
        yield from (p for p in found if p.is_file() and not _is_unfinished(folder, p))


def _is_unfinished(folder: Path, path: Path) -> bool:
    """Tell whether a file is of no use in S3: its writer has not ended, or needs it alone."""
    being_made = any(part.endswith(".tmp") for part in path.relative_to(folder).parts)
    return being_made or any(path.match(pattern) for pattern in _NEVER)
