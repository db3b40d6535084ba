"""The configuration: one tree of settings, the only source of defaults, types and help."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

import yaml
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from pipeline.audio.settings import AudioSettings
from pipeline.dataset.settings import DatasetSettings
from pipeline.errors import BuildError
from pipeline.faces.settings import FacesSettings
from pipeline.frames.settings import FramesSettings
from pipeline.image.settings import ImageSettings
from pipeline.manifest.settings import ManifestSettings
from pipeline.media.settings import MediaSettings
from pipeline.openface.settings import OpenFaceSettings
from pipeline.opensmile.settings import OpenSmileSettings
from pipeline.propose.settings import AsrSettings, ProposeSettings
from pipeline.report.settings import ReportSettings
from pipeline.settings import Settings, explain, operational
from pipeline.speech.settings import SpeechSettings
from pipeline.stages import ADOPTED, NONE, STAGES, extractors
from pipeline.store.layout import Layout
from pipeline.store.settings import StoreSettings
from pipeline.store.urls import Url
from pipeline.text.settings import TextSettings
from pipeline.train.settings import TrainSettings
from pipeline.vision.settings import VisionSettings
from pipeline.words import as_meant, load


class RunSettings(Settings):
    """What one call requests; set by chsims-build, never in a config file."""

    clips: tuple[str, ...] = operational(())
    """Only these clips, e.g. video_0001/0003 (--clip)."""
    force: tuple[str, ...] = operational(())
    """Stages to recompute although nothing changed (--force)."""
    quiet: bool = operational(False)
    """Print no closing message (chsims-build predict)."""


class FeaturesSettings(Settings):
    """What fills each slot of the dataset: the name of an extractor, or none."""

    text: str = "bert"
    """Feature of the transcript: bert, or none."""
    audio: str = "librosa"
    """Feature of the sound: librosa, opensmile, speech, or none."""
    vision: str = "openface"
    """Feature of the pictures: openface, image (an encoder on face crops), image_frames (on whole
    frames; no faces are searched for), or none (then neither faces nor OpenFace run)."""

    @field_validator("text", "audio", "vision", mode="before")
    @classmethod
    def _known(cls, value: Any, info: ValidationInfo) -> Any:
        choices = (*extractors(str(info.field_name)), NONE, ADOPTED)
        if value is None:  # YAML's null
            return NONE
        if value not in choices:
            raise ValueError(f"use one of {', '.join(choices)} (found {value!r})")
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if (self.text, self.audio, self.vision) == (NONE, NONE, NONE):
            raise ValueError("all three slots are none: a dataset needs at least one feature")
        chosen = {self.text, self.audio, self.vision} - {NONE}
        if ADOPTED in chosen and len(chosen) > 1:
            raise ValueError(
                "adopted features cannot be combined with extracted ones: each slot is adopted or "
                "none in a folder that chsims-build adopt made"
            )
        return self


class Config(Settings):
    """Everything that can be configured, with its default."""

    preset: str = "paper"
    """Name of the recipe, stored in the dataset: paper, release, or your own name."""
    raw: Path = operational(Path("raw"))
    """Folder with the label sheet and VIDEO/CLIP.mp4 (or mov, mkv, avi, wmv, ts, mpg ... ). An
    unpacked CH-SIMS or CH-SIMS v2, or a folder above one, will do; or s3://BUCKET/PREFIX."""
    processed: Path = operational(Path("processed"))
    """Folder for everything that is built, or s3://BUCKET/PREFIX."""
    shard_size: int = operational(32, ge=1, le=1000)
    """Number of clips per job."""
    on_bad_clip: Literal["quarantine", "stop"] = operational("quarantine")
    """quarantine: leave out a bad clip and continue; stop: end the build at the first one."""
    max_quarantined: float = operational(0.1, ge=0, le=1)
    """If a larger share of clips is in quarantine, the build ends with an error status."""
    store: StoreSettings = StoreSettings()
    """How the files of the build are kept."""
    features: FeaturesSettings = FeaturesSettings()
    """Extractor of each modality."""
    manifest: ManifestSettings = ManifestSettings()
    """Label sheet, media files and corpus rules."""
    media: MediaSettings = MediaSettings()
    """Which ffmpeg decodes, and which audio track."""
    frames: FramesSettings = FramesSettings()
    """Constant frame rate."""
    faces: FacesSettings = FacesSettings()
    """Face detection, tracking and crops."""
    openface: OpenFaceSettings = OpenFaceSettings()
    """OpenFace: container, program, or imported CSVs."""
    vision: VisionSettings = VisionSettings()
    """The vision feature: OpenFace's 709 values, or groups of them."""
    image: ImageSettings = ImageSettings()
    """Image encoder on face crops (features.vision: image)."""
    image_frames: ImageSettings = ImageSettings()
    """Image encoder on whole frames (features.vision: image_frames)."""
    audio: AudioSettings = AudioSettings()
    """The 33-d audio feature of librosa."""
    opensmile: OpenSmileSettings = OpenSmileSettings()
    """The audio feature of openSMILE (features.audio: opensmile)."""
    speech: SpeechSettings = SpeechSettings()
    """Speech encoder (features.audio: speech)."""
    text: TextSettings = TextSettings()
    """The 768-d text feature."""
    dataset: DatasetSettings = DatasetSettings()
    """Split, padding and the HDF5 file."""
    train: TrainSettings = TrainSettings()
    """Models and training."""
    report: ReportSettings = ReportSettings()
    """The HTML report."""
    propose: ProposeSettings = operational(ProposeSettings())
    """Clips from films (chsims-build propose); a build does not read it."""
    asr: AsrSettings = operational(AsrSettings())
    """The speech recogniser of chsims-build propose; a build does not read it."""
    run: RunSettings = Field(RunSettings(), exclude=True)
    """Set by the command line only."""

    @property
    def layout(self) -> Layout:
        """The files of the build that this configuration describes."""
        return Layout(self.processed)


def _with_other_stages() -> type[Config]:
    """Add the settings of stages from other packages to the tree."""
    others = {
        stage.name: (stage.settings_type, stage.settings_type())
        for stage in STAGES.values()
        if stage.name not in Config.model_fields
    }
    if not others:
        return Config
    return create_model("Config", __base__=Config, **cast(Any, others))


TREE: type[Config] = _with_other_stages()
"""The whole tree of settings."""


def make_config(values: Mapping[str, Any]) -> Config:
    """Check a nested mapping against the tree.

    Raises
    ------
    BuildError
        Names every wrong key or value, with the most similar known name.
    """
    try:
        return TREE.model_validate(as_meant(_mirrored(values), TREE))
    except ValidationError as error:
        known = [name for name, _ in every_field()]
        found = [explain(item, known) for item in _innermost(error.errors())]
        problems = "".join(f"\n  {words}" for words in found)
        raise BuildError(
            f"the configuration has {len(found)} error(s):{problems}",
            "every key is explained in config/config.yaml and docs/configuration.md",
        ) from None


def _mirrored(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace an address in S3 by the folder that mirrors it."""
    found: list[Url] = []
    for name in ("raw", "processed"):
        given = values.get(name)
        if not isinstance(given, str) or not given.startswith("s3:"):
            continue
        try:
            url = Url.parse(given)
        except ValueError as error:
            raise BuildError(
                f"{name}: {error}", f"e.g. --set {name}=s3://my-bucket/{name}"
            ) from None
        found.append(url)
        store = values.get("store")
        store = dict(store) if isinstance(store, Mapping) else {}
        folder = url.folder(Path(store.get("mirror", StoreSettings().mirror)))
        store[f"{name}_url"] = str(url)
        values = {**values, name: str(folder), "store": store}
    if len(found) == 2 and (found[0].holds(found[1]) or found[1].holds(found[0])):
        raise BuildError(
            f"raw ({found[0]}) and processed ({found[1]}) must not lie in each other: each would "
            "hold the files of both",
            "use two prefixes: --set raw=s3://my-bucket/raw --set "
            "processed=s3://my-bucket/processed",
        )
    return values


def _innermost(errors: Sequence[Any]) -> list[Any]:
    """Drop the errors of a group that are caused by an error inside the group."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if not any(
            len(p) > len(error["loc"]) and p[: len(error["loc"])] == error["loc"] for p in places
        )
    ]


def load_config(files: tuple[Path, ...] = (), assignments: tuple[str, ...] = ()) -> Config:
    """Read config files (later ones win), then ``key=value`` assignments.

    Parameters
    ----------
    files : tuple of Path
        YAML files with the differences from the defaults.
    assignments : tuple of str
        Dotted keys with YAML values, e.g. ``("audio.f0=yin", "train.seeds=[1, 2]")``.
    """
    return make_config(read_values(files, assignments))


def read_values(files: tuple[Path, ...], assignments: tuple[str, ...]) -> dict[str, Any]:
    """Merge config files and assignments into one nested dict, unchecked."""
    values: dict[str, Any] = {}
    for file in files:
        try:
            loaded = load(file.read_text("utf-8-sig"))
        except OSError as error:
            raise BuildError(f"cannot read the config file {file}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BuildError(f"{file} is not YAML: {error}") from error
        if loaded is not None and not isinstance(loaded, dict):
            raise BuildError(f"{file} must hold 'key: value' lines, not a {type(loaded).__name__}")
        merge(values, loaded or {})
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not all(key.split(".")):
            raise BuildError(
                f"--set {assignment!r} is not of the form key=value", "e.g. --set audio.f0=yin"
            )
        try:
            value: Any = load(text)
        except yaml.YAMLError as error:
            raise BuildError(f"--set {assignment!r}: the value is not YAML: {error}") from error
        for part in reversed(key.split(".")):
            value = {part: value}
        merge(values, value)
    try:
        meant: dict[str, Any] = as_meant(values, Config)
    except RecursionError:
        raise BuildError("the configuration holds itself (an alias within its anchor)") from None
    return meant


def merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Merge nested mappings; later values win."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def every_field(model: type[BaseModel] = TREE, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting's dotted name and pydantic field, groups included, in order."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        yield prefix + name, field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from every_field(field.annotation, f"{prefix}{name}.")


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
