"""The features of one clip, without a build folder: for scripts, notebooks and predictions."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config, load_config, make_config
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.streams import probe, streams_of
from pipeline.openface.stage import OPENFACE
from pipeline.runner.run import run_stage
from pipeline.stages import STAGES, read_of_clips, slots, wanted, with_jobs
from pipeline.store.features import Store
from pipeline.store.files import file_digest
from pipeline.store.records import read_record
from pipeline.store.shards import shard_content, shard_name, write_shard

_CLIP = "one/clip"
"""The clip's id in the temporary build that extracts it."""


@dataclass(frozen=True)
class ExtractedClip:
    """The features of one clip.

    Parameters
    ----------
    features : dict of str to ndarray
        For each filled slot (text, audio, vision), float32 ``[steps, width]``, without padding.
    valid : dict of str to ndarray
        For the slots whose steps may be invalid, bool ``[steps]``: vision, in frames
        without a face.
    names : dict of str to tuple of str
        The name of each dimension.
    times : dict of str to ndarray or None
        The time of each step on the clip's clock, in seconds; None where a step is not a span of
        time (a token).
    quality : dict of str to float
        Duration in seconds, and the quality figures of every stage that ran; NaN where a stage
        could not tell.
    """

    features: dict[str, NDArray[np.float32]]
    valid: dict[str, NDArray[np.bool_]]
    names: dict[str, tuple[str, ...]]
    times: dict[str, NDArray[np.float64] | None]
    quality: dict[str, float]


def extract(
    media: str | Path,
    text: str | None = None,
    config: Config | Mapping[str, Any] | str | Path | None = None,
    openface_csv: str | Path | None = None,
) -> ExtractedClip:
    """Extract the features of one clip, exactly as a build does.

    Parameters
    ----------
    media : str or Path
        A media file.
    text : str, optional
        Its transcript; required unless ``features.text`` is none.
    config : Config, mapping, str or Path, optional
        The settings that differ from the defaults: nested values, e.g.
        ``{"features": {"vision": "none"}}``, or a config file. ``raw`` and ``processed`` do not
        matter.
    openface_csv : str or Path, optional
        The clip's OpenFace CSV; required if ``openface.runtime`` is ``import``.

    Returns
    -------
    ExtractedClip
        Arrays, names, times and quality figures.

    Raises
    ------
    BuildError
        If the settings are wrong, a model or a program is missing, or the clip cannot be used;
        the message says what to do.

    Examples
    --------
    >>> settings = {"features": {"vision": "none"}, "text": {"model": "demo"}}
    >>> clip = extract("raw/demo/video_0001/0001.mp4", text="我走了。", config=settings)
    >>> clip.features["text"].shape, clip.features["audio"].shape[1], clip.names["audio"][0]
    ((6, 768), 33, 'log_f0_pyin')
    >>> float(clip.times["audio"][1].round(4))  # 512 samples at 22,050 Hz
    0.0232
    """
    chosen = _config_of(config)
    if text is None and "text" in read_of_clips(chosen):
        raise BuildError(
            "the text feature needs the clip's transcript",
            "give it (text=...), or set features.text to none",
        )
    csv = None if openface_csv is None else Path(openface_csv)
    for path in (Path(media), csv):
        if path is not None and not path.is_file():
            raise BuildError(f"{path} is not a file", "give the path of an existing file")
    with tempfile.TemporaryDirectory(prefix="chsims-clip-") as folder:
        return _extract(chosen, Path(folder), Path(media), text or "", csv)


def _config_of(config: Config | Mapping[str, Any] | str | Path | None) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, str | Path):
        return load_config((Path(config),))
    return make_config(config or {})


def _extract(
    config: Config, folder: Path, media: Path, text: str, openface_csv: Path | None
) -> ExtractedClip:
    """Run the stages on a corpus of one clip in a temporary folder."""
    try:
        facts = probe(media.resolve(), config.media.audio_track)
    except ClipError as error:
        raise BuildError(f"{media}: {error.reason}", error.remedy) from error
    name = f"{_CLIP}{media.suffix.lower()}"
    _copy(media, folder / "raw" / name)
    single = _single(config, folder, openface_csv)
    shard, record = single.layout.shard(shard_name(0)), folder / "record.json"
    clip = {
        "clip": _CLIP,
        "media": name,
        "media_digest": file_digest(media),
        "seconds": facts.duration,
        "text": text,
        "streams": streams_of(facts),
    }
    write_shard(shard, shard_content([clip]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa's warnings about short sounds
        for stage in with_jobs(single):
            ready = STAGES[stage].ready
            if ready is not None:
                ready(single)
            run_stage(single, stage, [shard], record, threads=1, say=_silently)
            for entry in read_record(record).quarantine:
                raise BuildError(f"{media}, stage {entry.stage}: {entry.reason}", entry.remedy)
    return _read(single, facts.duration)


def _silently(words: str) -> None:
    """Print no progress: the caller waits for one clip."""


def _single(config: Config, folder: Path, openface_csv: Path | None) -> Config:
    """Return the configuration of the temporary build."""
    settings: dict[str, Any] = {"raw": folder / "raw", "processed": folder}
    if OPENFACE.name in wanted(config) and config.openface.runtime == "import":
        if openface_csv is None:
            raise BuildError(
                "openface.runtime is import, and this clip has no CSV yet",
                "run OpenFace on it and pass its CSV: --openface-csv FILE",
            )
        suffix = ".csv.gz" if openface_csv.suffix == ".gz" else ".csv"
        _copy(openface_csv, folder / "openface" / f"{_CLIP}{suffix}")
        imported = config.openface.model_copy(update={"import_folder": folder / "openface"})
        settings["openface"] = imported
    return config.model_copy(update=settings)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _read(config: Config, duration: float) -> ExtractedClip:
    """Read what the stages left in the temporary build."""
    store = Store(config.processed)
    found = ExtractedClip({}, {}, {}, {}, {"duration": duration})
    for name in wanted(config):
        stage = STAGES[name]
        header = store.header(name, _CLIP)
        info = header["info"] if header else {}
        for figure in stage.figures:
            value = info.get(figure.key)
            found.quality[figure.name] = np.nan if value is None else float(value)
    for slot, stage in slots(config).items():
        assert stage.feature is not None
        held = store.read(stage.name, _CLIP).arrays
        array = held[stage.feature.array]
        rate = stage.feature.rate(config)
        found.features[slot] = array
        found.names[slot] = tuple(stage.feature.names(stage.settings(config), array.shape[1]))
        found.times[slot] = None if rate is None else np.arange(len(array)) / rate
        if stage.feature.mask:
            found.valid[slot] = held[stage.feature.mask].astype(bool)
    return found
