"""The project's files: the Snakefile that a build runs, and the config file next to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.config import read_values
from pipeline.errors import BuildError

_PACKAGE = Path(__file__).resolve().parent.parent

MARK = "# chsims-build project"
"""First line of the Snakefile that ``chsims-build init`` writes."""


def shipped_files() -> Path:
    """Return the folder with the Snakefile, ``rules/``, ``config/`` and ``profiles/``.

    This is the checkout that the package runs from, or the folder that a wheel has installed.

    Raises
    ------
    BuildError
        If the installation is incomplete.
    """
    for folder in (_PACKAGE.parent, _PACKAGE / "project"):
        if (folder / "Snakefile").is_file() and (folder / "rules" / "common.smk").is_file():
            return folder
    raise BuildError(
        f"the installation in {_PACKAGE} has no Snakefile",
        "install the package again: pip install --force-reinstall --no-deps chsims-build",
    )


def project_folder() -> Path:
    """Return the folder whose Snakefile a build runs.

    This is the current folder if it is a checkout or a project made by ``chsims-build init``,
    otherwise the folder of `shipped_files`.
    """
    here = Path.cwd()
    return here if _is_project(here) else shipped_files()


def _is_project(folder: Path) -> bool:
    snakefile = folder / "Snakefile"
    if not snakefile.is_file():
        return False
    if (folder / "pipeline" / "stages.py").is_file():  # a checkout
        return True
    return snakefile.read_text("utf-8", errors="replace").startswith(MARK)


def project_values() -> dict[str, Any]:
    """Return the settings in the project's ``config/config.yaml``, which Snakemake reads too."""
    path = project_folder() / "config" / "config.yaml"
    return read_values((path,), ()) if path.is_file() else {}
