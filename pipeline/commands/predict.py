"""Extract one clip and predict its M, T, A and V with a trained model."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.config import Config
from pipeline.encoders.files import is_stored
from pipeline.errors import BuildError
from pipeline.one_clip import extract
from pipeline.stages import STAGES, is_adopted, wanted
from pipeline.store.made import again


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
    if is_adopted(config):
        raise BuildError(
            f"the features of {config.processed} were adopted, so this program cannot extract "
            "them from a clip",
            "predict with models that were trained on features of this program",
        )
    trained = _trained(config.layout.experiment("table2"), model)
    _check_settings(config)
    extracted = extract(media, text, config, openface_csv)
    from pipeline.train.load import predict_features

    return predict_features(trained, extracted.features, extracted.valid, config.train.device)


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
