"""The per-clip stages: what each reads, which extractor it runs, what its key is made of.

To add a stage: a folder with ``settings.py`` and ``extractor.py`` (read ``pipeline/audio``),
its settings in ``config.py``, one entry in `STAGES`, one rule in ``rules/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pipeline.config import Config
from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.openface.settings import OpenFaceSettings
from pipeline.store import Store, digest, file_digest, package_versions
from pipeline.text.settings import TextSettings


@dataclass(frozen=True)
class Clip:
    """One utterance, as the shard files carry it.

    Parameters
    ----------
    clip : str
        Its id, ``video_id/clip_id``.
    media : str
        Its media file, relative to the raw folder.
    media_digest : str
        SHA-256 of the media file's bytes.
    seconds : float
        Length of its video stream as the file announces it.
    text : str
        Its transcript.
    """

    clip: str
    media: str
    media_digest: str
    seconds: float
    text: str


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

    def key(self, stage: str, clip: Clip) -> str:
        """Return the digest of all that a clip's feature file depends on, worked out once."""
        if (stage, clip) not in self._keys:
            self._keys[stage, clip] = STAGES[stage].key(self, clip)
        return self._keys[stage, clip]

    def media(self, clip: Clip) -> Path:
        """Return the path of a clip's media file."""
        return self.config.raw / clip.media


@dataclass(frozen=True)
class Stage:
    """One per-clip step of the DAG.

    Parameters
    ----------
    name : str
        Also the name of its settings in the configuration and of its folder.
    source : {'media', 'text', 'none'}
        What of the clip itself goes into the key.
    inputs : tuple of str
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
    inputs: tuple[str, ...]
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
        inputs = [STAGES[name].settings_digest(config) for name in self.inputs]
        return digest([self.name, _common(self.name, self.settings(config)), inputs])

    def key(self, build: Build, clip: Clip) -> str:
        """Return the digest of all that this clip's feature file depends on."""
        sources = {"media": clip.media_digest, "text": digest(clip.text), "none": ""}
        return digest(
            {
                "stage": self.name,
                "common": _common(self.name, self.settings(build.config)),
                "source": sources[self.source],
                "external": self.external(build.config, clip),
                "inputs": [build.key(name, clip) for name in self.inputs],
            }
        )

    def consumers(self) -> list[Stage]:
        """Return the stages that read this stage's files."""
        return [stage for stage in STAGES.values() if self.name in stage.inputs]


@lru_cache
def _common(name: str, settings: Any) -> str:
    """Return the digest of what all clips' keys share."""
    stage = STAGES[name]
    extractor = stage.extractor(settings)
    return digest(
        {
            "settings": settings.defining(),
            "version": extractor.version,
            "packages": dict(package_versions(extractor.packages)),
            "identity": dict(stage.identity(settings)),
        }
    )


# --- frames ------------------------------------------------------------------------------


def _load_frames(build: Build, clip: Clip) -> Any:
    from pipeline.frames.extractor import FrameInputs

    target = build.store.path("frames", clip.clip, ".mkv")
    target.parent.mkdir(parents=True, exist_ok=True)
    return FrameInputs(build.media(clip), clip.seconds, target.with_suffix(".part.mkv"))


def _frames_extractor(settings: Any) -> type[Extractor]:
    from pipeline.frames.extractor import FrameExtractor

    return FrameExtractor


def _ffmpeg(settings: Any) -> Mapping[str, Any]:
    from pipeline.media import ffmpeg_version

    return {"ffmpeg": ffmpeg_version()}


# --- faces -------------------------------------------------------------------------------


def _load_faces(build: Build, clip: Clip) -> Any:
    from pipeline.media import FrameSource

    info = build.store.read("frames", clip.clip).info
    video = build.store.path("frames", clip.clip, ".mkv")
    return FrameSource(video, info["frames"], info["height"], info["width"], info["fps"])


def _faces_extractor(settings: Any) -> type[Extractor]:
    from pipeline.faces.extractor import FaceExtractor

    return FaceExtractor


# --- openface ----------------------------------------------------------------------------


def imported_csvs(config: Config, clip: Clip) -> list[Path]:
    """Return a clip's OpenFace CSVs, VIDEO/CLIP.csv or .csv.gz: one, if all is well."""
    folder = config.openface.import_folder
    if folder is None:
        return []
    paths = [folder / f"{clip.clip}{suffix}" for suffix in (".csv", ".csv.gz")]
    root = folder.resolve()
    return [path for path in paths if path.is_file() and path.resolve().is_relative_to(root)]


def _external_openface(config: Config, clip: Clip) -> str:
    if config.openface.runtime != "import":
        return ""
    return " ".join(file_digest(path) for path in imported_csvs(config, clip)) or "missing"


def _load_openface(build: Build, clip: Clip) -> Any:
    from pipeline.faces.extractor import split_crops
    from pipeline.openface.extractor import CropInputs, ImportInputs
    from pipeline.openface.table import MAX_BYTES

    faces = build.store.read("faces", clip.clip)
    if build.config.openface.runtime != "import":
        scratch = build.store.root / "scratch"
        return CropInputs(clip.clip, split_crops(faces), scratch)
    paths = imported_csvs(build.config, clip)
    if len(paths) != 1:
        found = " and ".join(path.name for path in paths) or "none"
        raise ClipError(
            f"expected one OpenFace CSV, {build.config.openface.import_folder}/{clip.clip}.csv or "
            f".csv.gz; found {found}",
            "leave one CSV of this clip there; run OpenFace on it if there is none",
        )
    with paths[0].open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)  # the extractor refuses what is longer
    return ImportInputs(data, paths[0].name, faces.info["frames"], faces.info["fps"])


def _openface_extractor(settings: OpenFaceSettings) -> type[Extractor]:
    from pipeline.openface.extractor import ImportedOpenFace, RunOpenFace

    return ImportedOpenFace if settings.runtime == "import" else RunOpenFace


def _openface_identity(settings: OpenFaceSettings) -> Mapping[str, Any]:
    from pipeline.openface.extractor import identity

    return identity(settings)


def _openface_batch(settings: OpenFaceSettings) -> int:
    return 1 if settings.runtime == "import" else settings.batch_clips


# --- vision ------------------------------------------------------------------------------


def _load_vision(build: Build, clip: Clip) -> Any:
    from pipeline.vision.extractor import VisionInputs

    faces = build.store.read("faces", clip.clip)
    openface = build.store.read("openface", clip.clip)
    return VisionInputs(
        openface.arrays["table"], faces.info["frames"], faces.info["fps"], openface.info["grid"]
    )


def _vision_extractor(settings: Any) -> type[Extractor]:
    from pipeline.vision.extractor import VisionExtractor

    return VisionExtractor


# --- audio -------------------------------------------------------------------------------


def _load_audio(build: Build, clip: Clip) -> Any:
    from pipeline.audio.extractor import Sound
    from pipeline.media import read_sound

    return Sound(*read_sound(build.media(clip)))


def _audio_extractor(settings: Any) -> type[Extractor]:
    from pipeline.audio.extractor import AudioExtractor

    return AudioExtractor


# --- text --------------------------------------------------------------------------------


def _load_text(build: Build, clip: Clip) -> Any:
    return clip.text


def _text_extractor(settings: Any) -> type[Extractor]:
    from pipeline.text.extractor import TextExtractor

    return TextExtractor


def _text_identity(settings: TextSettings) -> Mapping[str, Any]:
    from pipeline.text.extractor import identity

    return identity(settings)


def _text_batch(settings: TextSettings) -> int:
    return settings.batch_tokens  # of a handful of tokens each: many packs, so that they fill up


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="frames",
            source="media",
            inputs=(),
            load=_load_frames,
            extractor=_frames_extractor,
            identity=_ffmpeg,
            transient=True,
        ),
        Stage(
            name="faces",
            source="none",
            inputs=("frames",),
            load=_load_faces,
            extractor=_faces_extractor,
        ),
        Stage(
            name="openface",
            source="none",
            inputs=("faces",),
            load=_load_openface,
            extractor=_openface_extractor,
            identity=_openface_identity,
            external=_external_openface,
            batch=_openface_batch,
        ),
        Stage(
            name="vision",
            source="none",
            inputs=("openface", "faces"),
            load=_load_vision,
            extractor=_vision_extractor,
        ),
        Stage(
            name="audio",
            source="media",
            inputs=(),
            load=_load_audio,
            extractor=_audio_extractor,
            identity=_ffmpeg,
        ),
        Stage(
            name="text",
            source="text",
            inputs=(),
            load=_load_text,
            extractor=_text_extractor,
            identity=_text_identity,
            batch=_text_batch,
            job_shards=8,
        ),
    )
}
