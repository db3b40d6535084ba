"""The wheel: it holds what a build needs, and a project of its own builds without a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from pipeline import __version__
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, made without network by the locked build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with the wheel; other packages are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    with zipfile.ZipFile(wheel) as file:
        file.extractall(packages)
    (packages / "others.pth").write_text("\n".join(p for p in sys.path if "site-packages" in p))
    return folder / "bin"


def run(installed: Path, folder: Path, *words: str) -> str:
    """Run a command of the environment in a folder, without this checkout on its path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    path = f"{installed}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(installed / "python"), "-m", *words],
        cwd=folder,
        env=environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_wheel_holds_what_a_build_runs_and_no_clips(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    for name in ("Snakefile", "rules/common.smk", "config/config.yaml", "profiles/slurm"):
        assert any(held.startswith(f"pipeline/project/{name}") for held in names), name
    assert {"pipeline/py.typed", "chsims/py.typed", "chsims/__init__.py"} <= names
    assert not [held for held in names if "demo/" in held or held.endswith(".mp4")]
    assert wheel.stat().st_size < 2e6


def test_a_new_project_builds_with_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "pipeline.commands.cli", "init", "my corpus", "--demo")
    assert "my corpus" in where
    project = tmp_path / "my corpus"
    quick = ("--config", "features={vision: none, audio: none}")
    output = run(installed, project, "snakemake", "--cores", "2", "stage_dataset", *quick)
    assert "20 of 20 clips" in output
    opened = "import chsims; print(len(chsims.open_dataset('processed/dataset.h5', part='train')))"
    (project / "opened.py").write_text(opened)
    assert int(run(installed, project, "opened")) > 10
    again = ("--set", "features.audio=none", "--stage", "dataset")
    assert "nothing to be done" in run(installed, project, "pipeline.commands.cli", *again)
    assert __version__ in run(installed, project, "pipeline.commands.cli", "--version")


def test_the_settings_of_a_project_hold_for_every_command(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text("# chsims-build project\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("preset: mine\nprocessed: elsewhere\n")
    command = [sys.executable, "-m", "pipeline.commands.cli", "config", "--set", "preset=other"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 'processed: "elsewhere"' in done.stdout
    assert 'preset: "other"' in done.stdout  # --set wins over the file


def test_init_fills_the_folder_that_the_shell_stands_in(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.commands.cli"]
    here = tmp_path / "new"
    here.mkdir()
    words = '"$@" init . && ls config/config.yaml && "$@" config | head -1'
    shell = ["sh", "-c", words, "sh", *command]
    done = subprocess.run(shell, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "config/config.yaml" in done.stdout


def test_init_touches_no_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    command = [sys.executable, "-m", "pipeline.commands.cli", "init", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def interpreter(version: str) -> Path | None:
    """Find another Python: on the PATH, or one that pyenv holds without offering it there."""
    found = shutil.which(f"python{version}")
    held = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in [*([Path(found)] if found else []), *held]:
        asked = subprocess.run([str(candidate), "--version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    return None


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_other_pythons_install_and_read_the_wheel(
    version: str, wheel: Path, tmp_path: Path
) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"python{version} is not on this machine")
    subprocess.run([str(python), "-m", "venv", str(tmp_path / "env")], check=True)
    own = tmp_path / "env" / "bin" / "python"
    install = [str(own), "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)  # refused if the package asks for another Python
    found = subprocess.run(
        [str(own), "-c", "import chsims; print(chsims.__version__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == __version__
    compiled = [str(own), "-W", "error", "-m", "compileall", "-q", str(tmp_path / "env" / "lib")]
    subprocess.run(compiled, check=True)
