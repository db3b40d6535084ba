"""What must be right before a build in an adopted folder, or next to one."""

from __future__ import annotations

from pipeline.adopt.record import adopt_again, changed_since, read_adopted
from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.stages import is_adopted
from pipeline.store.made import is_whole
from pipeline.workflow.surroundings import is_from_the_future


def check_adopted(config: Config) -> str:
    """Check that configuration and folder agree on whether the dataset was adopted.

    Returns
    -------
    str
        A note for the user if the adopted file has changed since; else empty.

    Raises
    ------
    BuildError
        If features are to be adopted, but the folder holds no whole adopted dataset; or if
        features would be extracted into a folder that holds one.
    """
    layout = config.layout
    if not is_adopted(config):
        if layout.adopted.is_file():
            raise BuildError(
                f"{config.processed} holds a dataset that was adopted, which this configuration "
                "would overwrite",
                f"train on it: chsims-build --config {layout.adopted_config}; or build elsewhere: "
                "--set processed=FOLDER",
            )
        return ""
    if read_adopted(layout) is None:
        raise BuildError(
            f"features are adopted, but {config.processed} holds no adopted dataset",
            f"adopt a feature file: chsims-build adopt FILE --to {config.processed}",
        )
    for step in ("manifest", "dataset"):
        try:
            whole = is_whole(layout, step) and not is_from_the_future(layout.made(step))
        except (OSError, ValueError):
            whole = False
        if not whole:
            raise BuildError(
                f"the adopted dataset in {config.processed} is not whole: files of its {step} are "
                "lost or have changed",
                f"adopt the file again: {adopt_again(layout)}",
            )
    return changed_since(layout)
