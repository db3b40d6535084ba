"""The openface stage: aligned faces, or CSVs that the user has, to OpenFace's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.extractor import Extractor
from pipeline.faces.stage import FACES
from pipeline.openface.csvs import all_csvs, clip_csvs, import_folder, one_csv
from pipeline.openface.settings import OpenFaceSettings
from pipeline.stage import Build, Need, Overview, Stage
from pipeline.store.files import file_digest
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config

_BATCH_SECONDS = 600.0
_PIXEL = 60
_CONTAINERS = {"apptainer", "podman", "docker"}


def _external(config: Config, clip: Clip) -> str:
    folder = config.openface.import_folder
    if config.openface.runtime != "import" or folder is None:
        return ""
    return " ".join(file_digest(path) for path in clip_csvs(folder, clip.clip)) or "missing"


def _spares(config: Config) -> frozenset[str]:
    """Imported tables are compared with the faces' boxes; no crop is read."""
    return frozenset({FACES.name} if config.openface.runtime == "import" else ())


def _watched(config: Config) -> tuple[Path, Sequence[Path]] | None:
    folder = config.openface.import_folder
    if config.openface.runtime != "import" or folder is None:
        return None
    return folder.resolve(), all_csvs(folder.resolve())


def _remarks(settings: OpenFaceSettings, overview: Overview) -> Iterable[str]:
    if "import" in overview.sources:
        yield "vision features come from imported OpenFace CSVs, not run by this build"
    if overview.sources & _CONTAINERS and settings.digest is None:
        yield "the OpenFace image is not pinned (openface.digest)"
    programs = {source for source in overview.sources if source.startswith(("image", "program"))}
    if len(programs) > 1:
        yield f"vision features come from {len(programs)} different OpenFaces (openface_programs)"


def _memory_mb(config: Config, threads: int) -> int:
    if config.openface.runtime == "import":
        return 500 + 300 * threads
    return 1000 + threads * config.openface.memory_mb  # each container is held to it


def _clips_mb(config: Config, clips: Sequence[Clip], threads: int) -> float:
    """Return the memory in MB of a batch's crops: twice a byte per pixel, as stored and as sent.

    An imported CSV takes a few MB, and the clip's pictures are decoded one at a time to learn when
    each is shown: `_PIXEL` bytes for each pixel of one.
    """
    if config.openface.runtime == "import":
        pixels = max((clip.streams.width * clip.streams.height for clip in clips), default=0)
        return threads * _PIXEL * pixels / 1e6
    longest = max((clip.seconds for clip in clips), default=0.0)
    seconds = min(sum(clip.seconds for clip in clips), max(_BATCH_SECONDS, longest))
    return 2 * config.faces.image_size**2 * config.frames.fps * seconds / 1e6


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.faces.extractor import split_crops
    from pipeline.openface.extractor import CropInputs, ImportInputs
    from pipeline.openface.form import MAX_BYTES

    if build.config.openface.runtime != "import":
        scratch = build.config.layout.scratch
        return CropInputs(clip.clip, split_crops(build.whole(FACES, clip)), scratch)
    faces = build.store.read("faces", clip.clip)
    folder = import_folder(build.config.openface)
    name, data = "", b""
    if clip.streams.video is not None or clip_csvs(folder, clip.clip):
        path = one_csv(folder, clip.clip, build.config.raw)
        name = str(path.relative_to(folder))
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)  # the extractor refuses what is longer
    return ImportInputs(
        csv=data,
        name=name,
        media=build.media(clip),
        stream=clip.streams.video,
        zero=clip.streams.zero,
        box=faces.arrays["box"],
        points=faces.arrays["landmarks"],
        pictured=faces.arrays["source"] >= 0,
        width=faces.info["width"],
        height=faces.info["height"],
        fps=faces.info["fps"],
        crop=build.config.faces.image_size,
    )


def _extractor(settings: OpenFaceSettings) -> type[Extractor]:
    from pipeline.openface.extractor import ImportedOpenFace, RunOpenFace

    return ImportedOpenFace if settings.runtime == "import" else RunOpenFace


def _needs(settings: OpenFaceSettings) -> list[Need]:
    if settings.runtime == "import":
        csvs = f"openface.import_folder: {settings.import_folder}"
        return [Need(csvs, lambda: import_folder(settings))]
    return [Need(f"openface.runtime: {settings.runtime}", lambda: _identity(settings))]


def _identity(settings: OpenFaceSettings) -> Mapping[str, Any]:
    from pipeline.openface.extractor import identity

    return identity(settings)


def _known_as(
    settings: OpenFaceSettings, folder: Path, identity: Mapping[str, Any]
) -> Mapping[str, Any]:
    from pipeline.openface.known import known_as

    return known_as(settings, folder, identity)


def _begin(config: Config) -> None:
    from pipeline.openface.known import remember
    from pipeline.openface.runtimes.select import end_left_over

    end_left_over(config.layout.scratch)
    remember(config)


def _batch(settings: OpenFaceSettings) -> int:
    return 1 if settings.runtime == "import" else settings.batch_clips


OPENFACE = Stage(
    name="openface",
    settings_type=OpenFaceSettings,
    source="none",
    inputs=(FACES,),
    load=_load,
    extractor=_extractor,
    about="OpenFace's table of every frame",
    needs=_needs,
    identity=_identity,
    known_as=_known_as,
    begin=_begin,
    sources={"openface_runtimes": "runtime", "openface_programs": "made_by"},
    remarks=_remarks,
    external=_external,
    spares=_spares,
    watched=_watched,
    batch=_batch,
    batch_seconds=_BATCH_SECONDS,
    threads=4,
    memory_mb=_memory_mb,
    clips_mb=_clips_mb,
    clip_seconds=lambda config, clip: 0.03 * clip.seconds * config.frames.fps,
    priority=3,
)
