"""The stages image and image_frames: face crops, or whole frames, to vectors of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.encoders.account import encoded
from pipeline.encoders.files import EncoderFiles
from pipeline.encoders.listed import needed, width_of
from pipeline.encoders.loading import check_depth, check_takes
from pipeline.encoders.memory import memory_of
from pipeline.encoders.names import dimension_names
from pipeline.errors import BuildError
from pipeline.extractor import Extractor, check_device
from pipeline.faces.stage import FACES
from pipeline.frames.stage import decoding_mb, held_mb, padded
from pipeline.image.settings import ImageSettings
from pipeline.image.source import image_files
from pipeline.stage import Account, Build, Feature, Figure, Stage
from pipeline.store.shards import Clip

if TYPE_CHECKING:
    from pipeline.config import Config

_PICTURES = 20
"""Bytes for each pixel of a picture that a worker holds: as decoded, as PIL's, as a tensor."""

CROPS, FRAMES = image_files("image"), image_files("image_frames")


def _load_crops(build: Build, clip: Clip) -> Any:
    from pipeline.faces.extractor import split_crops
    from pipeline.image.extractor import CropInputs
    from pipeline.image.grid import nearest_frames

    faces = build.whole(FACES, clip)
    chosen = nearest_frames(faces.info["frames"], faces.info["fps"], build.config.image.fps)
    crops = split_crops(faces)
    return CropInputs([crops[frame] for frame in chosen], faces.info["errors"])


def _load_media(build: Build, clip: Clip) -> Any:
    from pipeline.frames.extractor import FrameInputs

    # nothing is written there: the pictures are lent
    return FrameInputs.of(build, clip, build.config.layout.scratch / "frames.mkv")


def _pictures_mb(config: Config, clips: Sequence[Clip], threads: int) -> float:
    """Return what ffmpeg takes, and each worker's pictures: held, and on their way to the model."""
    pixels = max((clip.streams.width * clip.streams.height for clip in clips), default=0)
    held = max((held_mb(clip, config.image_frames.fps) for clip in clips), default=0.0)
    return decoding_mb(config, clips, threads) + threads * (held + _PICTURES * pixels / 1e6)


def _crop_extractor(settings: Any) -> type[Extractor]:
    from pipeline.image.extractor import FaceImageExtractor

    return FaceImageExtractor


def _whole_extractor(settings: Any) -> type[Extractor]:
    from pipeline.image.extractor import WholeImageExtractor

    return WholeImageExtractor


def _crop_rate(config: Config) -> float:
    if config.image.fps > config.frames.fps:
        raise BuildError(
            f"image.fps is {config.image.fps:g}, but faces are searched for in "
            f"{config.frames.fps:g} frames per second (frames.fps)",
            "lower image.fps, or raise frames.fps",
        )
    return config.image.fps


def _whole_rate(config: Config) -> float:
    return config.image_frames.fps


def _whole_identity(settings: ImageSettings) -> Mapping[str, Any]:
    from pipeline.frames.extractor import FrameExtractor

    return {**FRAMES.identity(settings), "frames": FrameExtractor.version}


def _ready(files: EncoderFiles, settings: ImageSettings) -> None:
    check_device(settings.device, f"{files.stage}.device")
    check_takes(files, settings, ("pixel_values",))
    check_depth(files, settings)


def _crops_ready(config: Config) -> None:
    _crop_rate(config)
    _ready(CROPS, config.image)


def _whole_ready(config: Config) -> None:
    _ready(FRAMES, config.image_frames)


def _account_of(what: str) -> Callable[[Account], tuple[str, list[str]]]:
    def account(account: Account) -> tuple[str, list[str]]:
        s = account.settings
        pooled = "the pooled output or class token" if s.pool == "token" else "the mean of patches"
        step = f"picture ({pooled}), {s.fps:g} pictures per second"
        return encoded(what, account, account.tool, step), []

    return account


def _feature(files: EncoderFiles, rate: Callable[[Config], float]) -> Feature:
    def names(settings: ImageSettings, width: int) -> Sequence[str]:
        return dimension_names(files.kind(settings), width)

    return Feature(
        "vision",
        files.stage,
        names,
        rate,
        step="frame",
        array="image",
        mask="valid",
        width=lambda settings: width_of(files, settings),
    )


_FIGURES = (Figure("pictured_share", "pictured_share", "pictured", "%"),)

IMAGE = Stage(
    name="image",
    settings_type=ImageSettings,
    source="none",
    inputs=(FACES,),
    load=_load_crops,
    extractor=_crop_extractor,
    about="vectors of face crops by an image encoder: CLIP, SigLIP, ViT, DINOv2, ResNet and others",
    needs=lambda settings: needed(CROPS, settings),
    identity=CROPS.identity,
    feature=_feature(CROPS, _crop_rate),
    figures=_FIGURES,
    sources={"image_models": "model"},
    model=CROPS.label,
    account=_account_of("Face crops were"),
    ready=_crops_ready,
    job_shards=4,
    memory_mb=lambda config, threads: memory_of(CROPS, config.image),
    clip_seconds=lambda config, clip: 0.4 * clip.seconds * config.image.fps,
)

IMAGE_FRAMES = Stage(
    name="image_frames",
    settings_type=ImageSettings,
    source="media",
    inputs=(),
    load=_load_media,
    extractor=_whole_extractor,
    about="vectors of whole frames by an image encoder; no faces are searched for",
    needs=lambda settings: needed(FRAMES, settings),
    identity=_whole_identity,
    feature=_feature(FRAMES, _whole_rate),
    figures=_FIGURES,
    decodes="video",
    external=padded,
    sources={"image_frames_models": "model"},
    model=FRAMES.label,
    account=_account_of("Whole frames were"),
    ready=_whole_ready,
    job_shards=4,
    memory_mb=lambda config, threads: memory_of(FRAMES, config.image_frames),
    clips_mb=_pictures_mb,
    clip_seconds=lambda config, clip: 0.4 * clip.seconds * config.image_frames.fps,
    priority=5,
)
