"""The description of a per-clip stage: its inputs, its extractor, and what its key consists of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import BuildError
from pipeline.extractor import Extractor
from pipeline.settings import Settings
from pipeline.store.features import Features, Store, again
from pipeline.store.files import digest, package_versions
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config


@dataclass(frozen=True)
class Figure:
    """A number per clip that describes the quality of a stage's result.

    Parameters
    ----------
    name : str
        Its name in the dataset's ``quality`` group.
    key : str
        Its name in the ``info`` of the stage's feature files.
    title : str
        Column heading in the report.
    unit : {'', '%', 'dB', ...}
        '%' for a share between 0 and 1, which the report shows as a percentage.
    """

    name: str
    key: str
    title: str
    unit: str = ""


@dataclass(frozen=True)
class Feature:
    """What a stage contributes to a slot of the dataset.

    Parameters
    ----------
    slot : {'text', 'audio', 'vision'}
        The modality that it describes.
    extractor : str
        The value of ``features.SLOT`` that selects this stage, e.g. ``librosa``.
    names : callable
        Maps the stage's settings and the feature's width to the name of each dimension.
    rate : callable
        Maps the configuration to steps per second; None if a step is not a span of time.
    step : str or callable
        What a step is: ``token``, ``frame``, ``clip``; a callable maps the settings to it.
    array : str
        Name of the array ``[steps, width]`` in the feature file.
    mask : str
        Name of the array ``[steps]`` that is 1 where a step is valid; empty if there is none.
    width : callable, optional
        Maps the settings to the number of dimensions, or None if that is not known before the
        model is there. Without it, the number of names counts (`width_of`).
    """

    slot: str
    extractor: str
    names: Callable[[Any, int], Sequence[str]]
    rate: Callable[[Config], float | None]
    step: str | Callable[[Any], str]
    array: str
    mask: str = ""
    width: Callable[[Any], int | None] | None = None

    def width_of(self, settings: Any) -> int | None:
        """Return the number of dimensions; None if only a computed feature tells it.

        Raises
        ------
        BuildError
            If a model or library that decides it is not on this machine.
        """
        if self.width is not None:
            return self.width(settings)
        return len(self.names(settings, 0)) or None

    def step_of(self, settings: Any) -> str:
        """Return what a step is with these settings of the stage."""
        return self.step if isinstance(self.step, str) else self.step(settings)


@dataclass(frozen=True)
class Need:
    """A model, a program or a folder that must be on the machine.

    Parameters
    ----------
    what : str
        The setting that names it, and its name: ``text.model: google-bert/bert-base-chinese``.
    check : callable
        Raises BuildError, with the way to get it, if it is not there; downloads nothing.
    """

    what: str
    check: Callable[[], object]


@dataclass(frozen=True)
class Overview:
    """What a stage left in all clips of a dataset together.

    Parameters
    ----------
    sources : frozenset of str
        Where its features come from (`Stage.sources`).
    steps : int
        Steps of its feature.
    totals : mapping of str to float
        The sum of each of its figures; NaN where a clip lacks one.
    """

    sources: frozenset[str]
    steps: int
    totals: Mapping[str, float]


@dataclass(frozen=True)
class Account:
    """What a report knows of a stage that ran.

    Parameters
    ----------
    settings : Settings
        The stage's settings that made the dataset.
    models : sequence of str
        What the features say of the models that made them; empty if they do not.
    width : int
        Values per step; 0 without a dataset.
    rate : float or None
        Steps per second; None if a step is not a span of time, or without a dataset.
    tool : str
        The library that ran the model, with its version: ``transformers 5.18.0``.
    """

    settings: Any
    models: Sequence[str]
    width: int
    rate: float | None
    tool: str


@dataclass(frozen=True, eq=False)
class Stage:
    """One per-clip step of the DAG.

    Parameters
    ----------
    name : str
        Also the name of its settings in the configuration and of its folder.
    settings_type : type of Settings
        Its settings; a stage that the configuration tree does not know yet is added to it.
    source : {'media', 'text', 'none'}
        Which part of the clip itself goes into the key.
    inputs : tuple of Stage
        Earlier stages whose feature files it reads.
    load : callable
        Opens one clip's inputs for the extractor.
    extractor : callable
        Imports the extractor's class.
    feature : Feature, optional
        What it puts into a slot of the dataset.
    figures : tuple of Figure
        Quality figures per clip, for the dataset and the report.
    decodes : {'', 'video', 'sound'}
        The stream that it decodes; its info then holds the number of ``errors`` met.
    sources : mapping of str to str
        Attributes of the dataset that list the origin of features, each with the key of the
        clips' ``info`` that holds it (``{"text_models": "model"}``).
    about : str
        What it computes, in a few words, for ``chsims-build encoders``.
    needs : callable
        Maps the settings to the models, programs and folders that must be on the machine.
    model : callable, optional
        Maps the settings to the words that identify the stage's model, which its clips' ``info``
        holds as ``model`` and the dataset lists as ``STAGE_models``. `predict` compares them.
    account : callable, optional
        Maps an `Account` to the stage's sentence in the report's methods paragraph, and the keys
        of the references that it names.
    remarks : callable
        Maps settings and an `Overview` of all clips to warnings for the dataset.
    identity : callable
        What else identifies the extractor in a key: a model's weights, a program's version.
    known_as : callable
        Maps the settings, the build's folder and the identity to the identity under which this
        folder knows the same thing, if it has several names.
    begin : callable
        Called at the start of a build, once its folder is claimed and before keys are computed.
    external : callable
        What else the clip's result depends on, in words: the digest of another file of the
        user's; empty if nothing else.
    watched : callable
        Folder and paths of all such files; if one changes, the stage's jobs re-check their clips.
    ready : callable, optional
        Checks, before any job runs, that a model or a device is available; raises BuildError.
    batch : callable
        Number of clips that the extractor takes at once; 1 uses a pool of processes.
    batch_seconds : float
        Longest total length of the clips of a batch of several; it bounds the batch's memory.
    transient : bool
        Whether it has no jobs and no files of its own: a job that reads its features computes
        them on the way, clip by clip (`Extractor.lend`). Where its jobs are asked for, its files
        are kept until the stages that read them are done.
    kept : callable
        Whether a configuration keeps the files of a transient stage, so that it has jobs.
    attachments : tuple of str
        Suffixes of the files stored next to its feature files.
    trims : callable
        How a configuration reduces a clip's features once every stage that needs all of them has
        read them, in plain JSON values; None if they are kept. The key stays the same.
    trimmed : callable
        Reduces features in that way.
    trimmed_by : str
        The setting that decides it, for messages.
    spares : callable
        Names of the input stages of which it reads only what is left when they are reduced.
    job_shards : int
        Number of shards per job; more if loading the libraries takes longer than a shard.
    threads : int
        Number of cores that one job can use.
    memory_mb : callable
        Maps the configuration and a job's cores to the memory that the job may need, in MB, apart
        from what its clips take.
    clips_mb : callable
        Maps the configuration, a job's clips and its cores to the memory that the clips take, in
        MB. What a worker holds may depend on the size of one clip, not on the number of clips.
    clip_seconds : callable
        Maps the configuration and a clip to the seconds that one core takes for it, as measured
        (docs/performance.md). A job of a cluster asks for a multiple (`pipeline.runner.demands`).
    priority : int
        Jobs of stages with a higher priority start first.
    """

    name: str
    settings_type: type[Settings]
    source: Literal["media", "text", "none"]
    inputs: tuple[Stage, ...]
    load: Callable[[Build, Clip], Any]
    extractor: Callable[[Any], type[Extractor]]
    feature: Feature | None = None
    figures: tuple[Figure, ...] = ()
    decodes: Literal["", "video", "sound"] = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
    needs: Callable[[Any], Sequence[Need]] = lambda settings: ()
    model: Callable[[Any], str] | None = None
    account: Callable[[Account], tuple[str, list[str]]] | None = None
    remarks: Callable[[Any, Overview], Iterable[str]] = lambda settings, overview: ()
    identity: Callable[[Any], Mapping[str, Any]] = lambda settings: {}
    known_as: Callable[[Any, Path, Mapping[str, Any]], Mapping[str, Any]] = (
        lambda settings, folder, identity: identity
    )
    begin: Callable[[Config], None] = lambda config: None
    external: Callable[[Config, Clip], str] = lambda config, clip: ""
    watched: Callable[[Config], tuple[Path, Sequence[Path]] | None] = lambda config: None
    ready: Callable[[Config], None] | None = None
    batch: Callable[[Any], int] = lambda settings: 1
    batch_seconds: float = math.inf
    transient: bool = False
    kept: Callable[[Config], bool] = lambda config: False
    attachments: tuple[str, ...] = ()
    trims: Callable[[Config], Mapping[str, Any] | None] = lambda config: None
    trimmed: Callable[[Features, Mapping[str, Any]], Features] = lambda features, how: features
    trimmed_by: str = ""
    spares: Callable[[Config], frozenset[str]] = lambda config: frozenset()
    job_shards: int = 1
    threads: int = 1
    memory_mb: Callable[[Config, int], int] = lambda config, threads: 2000
    clips_mb: Callable[[Config, Sequence[Clip], int], float] = lambda config, clips, threads: 0.0
    clip_seconds: Callable[[Config, Clip], float] = lambda config, clip: 0.5 * clip.seconds
    priority: int = 0

    def make(self, config: Config, threads: int) -> Extractor:
        """Make the extractor, with its models loaded."""
        settings = self.settings(config)
        return self.extractor(settings).make(settings, threads)

    def settings(self, config: Config) -> Any:
        """Return the stage's own settings."""
        return getattr(config, self.name)

    def is_lent(self, config: Config) -> bool:
        """Tell whether the jobs that read its features compute them on the way."""
        return self.transient and not self.kept(config)

    def lenders(self, config: Config) -> list[Stage]:
        """Return the stages whose features its own jobs compute on the way."""
        return [stage for stage in self.inputs if stage.is_lent(config)]

    def settings_digest(self, config: Config) -> str:
        """Return the digest of everything that is the same for all clips: a rule's parameter."""
        inputs = [stage.settings_digest(config) for stage in self.inputs]
        common = self._common(config)
        return digest([self.name, common, inputs])

    def _common(self, config: Config) -> str:
        return _common(self, self.settings(config), _decoder(self, config), config.processed)

    def _source(self, clip: Clip) -> str:
        if self.source == "media":
            return digest(clip.source())
        return digest(clip.text) if self.source == "text" else ""

    def key(self, build: Build, clip: Clip) -> str:
        """Return the digest of everything on which this clip's feature file depends."""
        return digest(
            {
                "stage": self.name,
                "common": build.common(self),
                "source": self._source(clip),
                "external": self.external(build.config, clip),
                "inputs": [build.key(stage, clip) for stage in self.inputs],
            }
        )


@dataclass(frozen=True)
class Build:
    """One build: its configuration and its feature files."""

    config: Config
    store: Store
    lent: dict[str, Features] = field(default_factory=dict, compare=False, repr=False)
    """By stage, features of the clip in hand that are computed on the way (`Stage.transient`)."""
    _keys: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The keys of one clip, by stage."""
    _of: list[Clip] = field(default_factory=list, compare=False, repr=False)
    """That clip."""
    _shared: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, config: Config) -> Build:
        """Return the build that a configuration describes."""
        return cls(config, Store(config.processed, config.store.latency_wait))

    def key(self, stage: Stage, clip: Clip) -> str:
        """Return a clip's key for a stage, computed once until another clip's is asked for."""
        if not self._of or self._of[0] is not clip:
            self._of[:] = [clip]
            self._keys.clear()
        if stage.name not in self._keys:
            self._keys[stage.name] = stage.key(self, clip)
        return self._keys[stage.name]

    def common(self, stage: Stage) -> str:
        """Return the digest of what the keys of all clips share in a stage, computed once."""
        if stage.name not in self._shared:
            self._shared[stage.name] = stage._common(self.config)
        return self._shared[stage.name]

    def features(self, stage: str, clip: Clip) -> Features:
        """Return a clip's features of an earlier stage: those that are lent, or the stored ones."""
        return self.lent.get(stage) or self.store.read(stage, clip.clip)

    def whole(self, stage: Stage, clip: Clip) -> Features:
        """Read a clip's features of an earlier stage, of which nothing may have been dropped.

        Raises
        ------
        BuildError
            If some were, because no feature of the configuration needed them (`Stage.trims`).
        """
        features = self.store.read(stage.name, clip.clip)
        if features.trimmed is not None:
            raise BuildError(
                f"{self.store.where(stage.name, clip.clip)} no longer holds all that was computed "
                f"({stage.trimmed_by}: false), since no feature of the configuration needed it",
                "select the feature that needs it (--set features.SLOT=NAME), or compute it again: "
                f"{again(stage.name, clip.clip)} --set {stage.trimmed_by}=true",
            )
        return features

    def media(self, clip: Clip) -> Path:
        """Return the path of a clip's media file."""
        return self.config.raw / clip.media


@lru_cache
def _common(stage: Stage, settings: Any, decoder: str, folder: Path) -> str:
    """Return the digest of what the keys of all clips share."""
    extractor = stage.extractor(settings)
    return digest(
        {
            "settings": settings.defining(),
            "version": extractor.version,
            "packages": dict(package_versions(extractor.packages)),
            "identity": dict(stage.known_as(settings, folder, stage.identity(settings))),
            "decoder": decoder,
        }
    )


def _decoder(stage: Stage, config: Config) -> str:
    """Return what identifies the ffmpeg of a stage that reads media, and nothing for others."""
    from pipeline.media.ffmpeg import ffmpeg_build

    return digest(ffmpeg_build(config.media.ffmpeg)) if stage.source == "media" else ""
