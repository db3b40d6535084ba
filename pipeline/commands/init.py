"""Laying out a project folder, in which a build runs without a checkout."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from pipeline.commands.config_reference import as_yaml
from pipeline.commands.sample_clips import write_sample
from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.workflow.project import MARK, shipped_files

_SNAKEFILE = f"""{MARK}
#
#   snakemake --cores 8 all        or        chsims-build
#
# The rules are those of the installed package; the settings are in config/config.yaml.

from pipeline.workflow.project import shipped_files


include: f"{{shipped_files()}}/Snakefile"
"""

_README = """# {name}

A corpus for chsims-build.

1. Put the clips into `raw/`: one folder per video, one file per clip (`raw/video_0001/0001.mp4`).
2. Write `raw/label.csv` with the columns `video_id,clip_id,text,label`, one line per clip. The
   label is the sentiment of the whole clip, from -1 to 1. Multi-task models also need
   `label_T`, `label_A` and `label_V`; without them, set `train.models` to `[lf_dnn]`.
3. Edit `config/config.yaml`. Every key has a comment.
4. Check the machine, then build:

       chsims-build doctor
       chsims-build

`processed/report.html` is the report, `processed/dataset.h5` the dataset. An interrupted build
resumes when you repeat the command. `chsims-build --help` lists the other commands.

Without OpenFace, set `vision: none` under `features:` in `config/config.yaml`.
"""

_SAMPLE = """
The clips in `raw/` are a sample that `chsims-build init --demo` made: a still face that moves
and a synthetic voice. The text model is untrained, so the scores are meaningless. Replace `raw/`
by your own clips, and set `text.model` and `features.vision` in `config/config.yaml`.
"""

_SAMPLE_VALUES: dict[str, Any] = {
    "features": {"vision": "none"},
    "text": {"model": "demo"},
    "train": {
        "models": ["lf_dnn", "mlf_dnn"],
        "experiments": ["table2"],
        "seeds": [1, 12],
        "max_epochs": 6,
    },
    "report": {"title": "chsims-build: sample clips"},
}


def init_project(folder: Path, sample: bool) -> None:
    """Lay out a project: Snakefile, config, README, ``raw/``, profiles.

    Parameters
    ----------
    folder : Path
        The new folder; it may exist if it is empty.
    sample : bool
        Whether to make 20 short clips, with settings that build them without any download.

    Raises
    ------
    BuildError
        If the folder exists and is not empty.
    OSError
        If it cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise BuildError(f"{folder} is not empty", "name a new folder: chsims-build init NAME")
    target = folder.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        made.chmod(0o755)
        _write_files(made, target.name, sample)
        if target.is_dir():  # perhaps the folder that the shell stands in
            for path in made.iterdir():
                path.replace(target / path.name)
        else:
            made.replace(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write_files(folder: Path, name: str, sample: bool) -> None:
    for part in ("raw", "config"):
        (folder / part).mkdir()
    shutil.copytree(shipped_files() / "profiles", folder / "profiles")
    config = make_config(_SAMPLE_VALUES if sample else {})
    (folder / "config" / "config.yaml").write_text(as_yaml(config), "utf-8")
    (folder / "Snakefile").write_text(_SNAKEFILE, "utf-8")
    (folder / ".gitignore").write_text("processed/\n.snakemake/\n", "utf-8")
    readme = _README.format(name=name) + (_SAMPLE if sample else "")
    (folder / "README.md").write_text(readme, "utf-8")
    if sample:
        write_sample(folder / "raw")
