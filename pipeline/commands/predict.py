"""Extract one clip and predict its M, T, A and V with a trained model."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config
from pipeline.encoders.files import is_stored
from pipeline.errors import BuildError, ClipError
from pipeline.openface.stage import OPENFACE
from pipeline.runner.run import run_stage
from pipeline.stages import STAGES, slots, wanted
from pipeline.store.features import Store
from pipeline.store.files import file_digest
from pipeline.store.made import again
from pipeline.store.records import read_record
from pipeline.store.shards import shard_name, write_shard

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIP = "predict/clip"
"""The clip's id in the temporary build that extracts it."""


def predict_clip(
    config: Config, media: Path, text: str, model: str, openface_csv: Path | None = None
) -> dict[str, tuple[float, float]]:
    """Extract one clip's features and predict its labels with every seed of a trained model.

    Parameters
    ----------
    config : Config
        The configuration of the build whose models are used.
    media : Path
        A video file with sound.
    text : str
        Its transcript.
    model : str
        One of the trained models, e.g. ``mlf_dnn``.
    openface_csv : Path, optional
        The clip's OpenFace CSV; required if ``openface.runtime`` is ``import``.

    Returns
    -------
    dict of str to (float, float)
        For each task (M, T, A, V), mean and standard deviation over the seeds, in [-1, 1].

    Raises
    ------
    BuildError
        If the clip cannot be used, there is no such model, or the configuration would
        extract other features than those the model was trained on.
    """
    trained = _trained(config.layout.experiment("table2"), model)
    _check_settings(config)
    with tempfile.TemporaryDirectory(prefix="chsims-predict-") as folder:
        features = _extract(config, Path(folder), media, text, openface_csv)
        from pipeline.train.load import predict_features

        arrays, masks = _of_slots(config, features)
        return predict_features(trained, arrays, masks, config.train.device)


def _of_slots(
    config: Config, store: Store
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return the clip's feature of each filled slot, and the masks of those that have one."""
    arrays, masks = {}, {}
    for slot, stage in slots(config).items():
        assert stage.feature is not None
        held = store.read(stage.name, CLIP).arrays
        arrays[slot] = held[stage.feature.array]
        if stage.feature.mask:
            masks[slot] = held[stage.feature.mask]
    return arrays, masks


def _trained(folder: Path, model: str) -> Path:
    """Return the folder of a trained model's seeds."""
    models = sorted(path.name for path in folder.glob("*") if path.is_dir())
    if model in models:
        return folder / model
    if models:
        raise BuildError(
            f"no trained model {model} in {folder}", f"use one of these: {', '.join(models)}"
        )
    raise BuildError(f"no trained model in {folder}", "train one: chsims-build --stage train")


def _check_settings(config: Config) -> None:
    """Refuse settings that differ from those that made the dataset."""
    import h5py

    path = config.layout.dataset
    if not path.is_file():
        raise BuildError(f"{path} does not exist", "build it first: chsims-build --stage train")
    try:
        with h5py.File(path) as file:
            stored = json.loads(file.attrs["config"])
            models = {n: json.loads(file.attrs.get(f"{n}_models", "[]")) for n in wanted(config)}
    except (OSError, KeyError, ValueError) as error:
        raise BuildError(
            f"{path} cannot be read ({error})", f"make it again: {again('dataset')}"
        ) from error
    groups = ("features", *wanted(config))
    changed = [n for n in groups if stored.get(n) != getattr(config, n).defining()]
    if changed:
        raise BuildError(
            f"the settings of {', '.join(changed)} differ from those that made {path}",
            "use the --config and --set options of that build",
        )
    for name in wanted(config):
        label = STAGES[name].model
        if label is not None and not is_stored(label(getattr(config, name)), models[name]):
            raise BuildError(
                f"{name}.model is another model than that of {path}, which was "
                f"{' and '.join(models[name])}",
                f"give the same model: --set {name}.model=NAME_OR_FOLDER",
            )


def _extract(
    config: Config, folder: Path, media: Path, text: str, openface_csv: Path | None
) -> Store:
    from pipeline.manifest.streams import probe, streams_of

    try:
        facts = probe(media.resolve(), config.media.audio_track)
    except ClipError as error:
        raise BuildError(f"{media}: {error.reason}", error.remedy) from error
    name = f"{CLIP}{media.suffix.lower()}"
    _copy(media, folder / "raw" / name)
    settings: dict[str, Any] = {"raw": folder / "raw", "processed": folder}
    if OPENFACE.name in wanted(config) and config.openface.runtime == "import":
        if openface_csv is None:
            raise BuildError(
                "openface.runtime is import, and this clip has no CSV yet",
                "run OpenFace on it and pass its CSV: --openface-csv FILE",
            )
        suffix = ".csv.gz" if openface_csv.suffix == ".gz" else ".csv"
        _copy(openface_csv, folder / "openface" / f"{CLIP}{suffix}")
        imported = config.openface.model_copy(update={"import_folder": folder / "openface"})
        settings["openface"] = imported
    single = config.model_copy(update=settings)
    shard, record = single.layout.shard(shard_name(0)), folder / "record.json"
    clip = {
        "clip": CLIP,
        "media": name,
        "media_digest": file_digest(media),
        "seconds": facts.duration,
        "text": text,
        "streams": streams_of(facts),
    }
    write_shard(shard, [clip])
    warnings.simplefilter("ignore")  # librosa's warnings about short sounds; a build logs them
    for stage in wanted(single):
        run_stage(single, stage, [shard], record, threads=1)
        for entry in read_record(record).quarantine:
            raise BuildError(f"{media}, stage {stage}: {entry.reason}", entry.remedy)
    return Store(folder)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
