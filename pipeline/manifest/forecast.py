"""Which shards the manifest will write, before it runs: a build plans only the jobs of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import ClipError
from pipeline.manifest.build import shards_of
from pipeline.manifest.examine import examine
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.media import Media, MediaReader
from pipeline.manifest.sheet import Sheet
from pipeline.store.shards import holds, shard_name


@dataclass(frozen=True)
class Forecast:
    """The shards as they will be once the manifest has been made.

    Parameters
    ----------
    shards : list of str
        The names of all shards.
    changed : list of str
        Those whose files will be new or have another content.
    """

    shards: list[str]
    changed: list[str]


def forecast(config: Config, sheet: Sheet, folders: MediaFolders) -> Forecast:
    """Tell which shards will change when the manifest is made now.

    It is made here, too, but without opening a media file and without writing anything. A shard
    with a clip whose file is new or has changed counts as changed, as does one whose clip could not
    be probed the last time.
    """
    reader = MediaReader(folders, config.processed, 1, config.media.audio_track)

    def read(paths: Sequence[Path]) -> Iterator[Media | ClipError | None]:
        return map(reader.remembered, paths)

    examined = examine(config, sheet, folders, read)
    contents = shards_of(config, sheet, examined)
    shards = [shard_name(number) for number in range(len(contents))]
    changed = [
        name
        for name, content in zip(shards, contents, strict=True)
        if not examined.unknown.isdisjoint(content["places"])
        or not holds(config.layout.shard(name), content)
    ]
    return Forecast(shards, changed)
