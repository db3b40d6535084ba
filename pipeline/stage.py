"""What a per-clip stage is: what it reads, which extractor it runs, what its key is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pipeline.config import Config
from pipeline.extractor import Extractor
from pipeline.store.features import Store
from pipeline.store.files import digest, package_versions
from pipeline.store.shards import Clip


@dataclass(frozen=True, eq=False)
class Stage:
    """One per-clip step of the DAG.

    Parameters
    ----------
    name : str
        Also the name of its settings in the configuration and of its folder.
    source : {'media', 'text', 'none'}
        What of the clip itself goes into the key.
    inputs : tuple of Stage
        Earlier stages whose feature files it reads.
    load : callable
        Opens one clip's inputs for the extractor.
    extractor : callable
        Imports the extractor's class.
    identity : callable, optional
        What else identifies the extractor in a key: a model's weights, a program's version.
    external : callable, optional
        Digest of a further file of the user's that the clip's result depends on.
    batch : callable
        Clips that the extractor takes at once; 1 sends them through a process pool.
    transient : bool
        Its files are only kept until the stages that read them are done.
    job_shards : int
        Shards that one job handles: more where loading the libraries takes longer than a shard.
    """

    name: str
    source: Literal["media", "text", "none"]
    inputs: tuple[Stage, ...]
    load: Callable[[Build, Clip], Any]
    extractor: Callable[[Any], type[Extractor]]
    identity: Callable[[Any], Mapping[str, Any]] = lambda settings: {}
    external: Callable[[Config, Clip], str] = lambda config, clip: ""
    batch: Callable[[Any], int] = lambda settings: 1
    transient: bool = False
    job_shards: int = 1

    def make(self, config: Config, threads: int) -> Extractor:
        """Make the extractor, with its models loaded."""
        settings = self.settings(config)
        return self.extractor(settings).make(settings, threads)

    def settings(self, config: Config) -> Any:
        """Return the stage's own settings."""
        return getattr(config, self.name)

    def settings_digest(self, config: Config) -> str:
        """Return the digest of all that is the same for every clip: a rule's parameter."""
        inputs = [stage.settings_digest(config) for stage in self.inputs]
        return digest([self.name, _common(self, self.settings(config)), inputs])

    def key(self, build: Build, clip: Clip) -> str:
        """Return the digest of all that this clip's feature file depends on."""
        sources = {"media": clip.media_digest, "text": digest(clip.text), "none": ""}
        return digest(
            {
                "stage": self.name,
                "common": _common(self, self.settings(build.config)),
                "source": sources[self.source],
                "external": self.external(build.config, clip),
                "inputs": [build.key(stage, clip) for stage in self.inputs],
            }
        )


@dataclass(frozen=True)
class Build:
    """One build: its configuration and its feature files."""

    config: Config
    store: Store
    _keys: dict[tuple[str, Clip], str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, config: Config) -> Build:
        """Return the build a configuration describes."""
        return cls(config, Store(config.processed))

    def key(self, stage: Stage, clip: Clip) -> str:
        """Return the digest of all that a clip's feature file depends on, worked out once."""
        if (stage.name, clip) not in self._keys:
            self._keys[stage.name, clip] = stage.key(self, clip)
        return self._keys[stage.name, clip]

    def media(self, clip: Clip) -> Path:
        """Return the path of a clip's media file."""
        return self.config.raw / clip.media


@lru_cache
def _common(stage: Stage, settings: Any) -> str:
    """Return the digest of what all clips' keys share."""
    extractor = stage.extractor(settings)
    return digest(
        {
            "settings": settings.defining(),
            "version": extractor.version,
            "packages": dict(package_versions(extractor.packages)),
            "identity": dict(stage.identity(settings)),
        }
    )


def decoder(settings: Any) -> Mapping[str, Any]:
    """Return what else identifies the extractor of a stage that reads media."""
    from pipeline.media import ffmpeg_version

    return {"ffmpeg": ffmpeg_version()}
