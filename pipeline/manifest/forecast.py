"""Which shards the manifest will write, before it runs: a build plans only the jobs of these."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial

from pipeline.config import Config
from pipeline.manifest.build import shards_of
from pipeline.manifest.examine import examine
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.media import MediaReader
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

    It is made here, too, but without opening a media file and without writing into the build's
    folder. A shard with a clip whose file is new or has changed counts as changed, as does one
    whose clip could not be probed the last time.
    """
    reader = MediaReader(folders, config.processed, 0, config.media.audio_track)
    with closing(reader):
        examined = examine(config, sheet, folders, partial(map, reader.remembered))
    found = Forecast([], [])
    for number, content in enumerate(shards_of(config, sheet, examined)):
        name = shard_name(number)
        found.shards.append(name)
        is_known = examined.unknown.isdisjoint(content["places"])
        if not is_known or not holds(config.layout.shard(name), content):
            found.changed.append(name)
    return found
