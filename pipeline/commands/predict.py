"""Extract one clip and predict its M, T, A and V with a trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config, FeaturesSettings
from pipeline.corpus import MODALITIES
from pipeline.encoders.files import is_stored
from pipeline.errors import BuildError
from pipeline.one_clip import extract
from pipeline.stages import NONE, STAGES, is_adopted, slots, wanted
from pipeline.store.features import Store
from pipeline.store.made import again

if TYPE_CHECKING:
    from numpy.typing import NDArray


def predict_clip(
    config: Config, media: Path, text: str | None, model: str, openface_csv: Path | None = None
) -> dict[str, tuple[float, float]]:
    """Extract one clip's features and predict its labels with every seed of a trained model.

    Parameters
    ----------
    config : Config
        The configuration of the build whose models are used.
    media : Path
        A video file with sound.
    text : str, optional
        Its transcript; required by a model that reads it.
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
    trained = trained_folder(config.layout.experiment("table2"), model)
    config = for_model(config, trained)
    if text is None and "text" in slots(config):
        raise BuildError(
            f"the model {model} reads the transcript, and none was given", "give it: --text TEXT"
        )
    extracted = extract(media, text or "", config, openface_csv)
    from pipeline.train.load import predict_features

    return predict_features(trained, extracted.features, extracted.valid, config.train.device)


def features_of(
    config: Config, store: Store, clip: str
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return a clip's feature of each filled slot, and the masks of those that have one."""
    arrays, masks = {}, {}
    for slot, stage in slots(config).items():
        assert stage.feature is not None
        held = store.read(stage.name, clip).arrays
        arrays[slot] = held[stage.feature.array]
        if stage.feature.mask:
            masks[slot] = held[stage.feature.mask]
    return arrays, masks


def trained_folder(folder: Path, model: str) -> Path:
    """Return the folder of a trained model's seeds.

    Raises
    ------
    BuildError
        If the model has not been trained, with the names of those that have.
    """
    models = sorted(path.name for path in folder.glob("*") if path.is_dir())
    if model in models:
        return folder / model
    if models:
        raise BuildError(
            f"no trained model {model} in {folder}", f"use one of these: {', '.join(models)}"
        )
    raise BuildError(f"no trained model in {folder}", "train one: chsims-build --stage train")


def for_model(config: Config, trained: Path) -> Config:
    """Return the configuration that fills the slots that a trained model reads, and no others.

    Parameters
    ----------
    config : Config
        The configuration of the build whose dataset the model was trained on.
    trained : Path
        The folder of the model's seeds.

    Raises
    ------
    BuildError
        If it would extract other features than those that the model was trained on.
    """
    import h5py

    from pipeline.train.load import modalities_of

    if is_adopted(config):
        raise BuildError(
            f"the features of {config.processed} were adopted, so this program cannot extract "
            "them from a clip",
            "predict with models that were trained on features of this program",
        )
    path = config.layout.dataset
    if not path.is_file():
        raise BuildError(f"{path} does not exist", "build it first: chsims-build --stage train")
    read = modalities_of(trained)
    try:
        with h5py.File(path) as file:
            stored = json.loads(file.attrs["config"])
            attributes = {str(name): str(value) for name, value in file.attrs.items()}
        filled = {m: stored["features"][m] if m in read else NONE for m in MODALITIES}
        chosen = FeaturesSettings.model_validate(filled)
    except (OSError, KeyError, ValueError) as error:
        raise BuildError(
            f"{path} cannot be read ({error})", f"make it again: {again('dataset')}"
        ) from error
    found = config.model_copy(update={"features": chosen})
    changed = [n for n in wanted(found) if stored.get(n) != getattr(found, n).defining()]
    if changed:
        raise BuildError(
            f"the settings of {', '.join(changed)} differ from those that made {path}",
            "use the --config and --set options of that build",
        )
    for name in wanted(found):
        _check_encoder(found, name, json.loads(attributes.get(f"{name}_models", "[]")))
    return found


def _check_encoder(config: Config, name: str, models: list[str]) -> None:
    """Refuse another encoder than the one that made the features, by its content."""
    label = STAGES[name].model
    if label is not None and not is_stored(label(getattr(config, name)), models):
        raise BuildError(
            f"{name}.model is another model than that of {config.layout.dataset}, which was "
            f"{' and '.join(models)}",
            f"give the same model: --set {name}.model=NAME_OR_FOLDER",
        )
