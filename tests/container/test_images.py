"""The Containerfile and apptainer.def: what they install builds the local build's bytes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import __version__
from tests.conftest import ROOT, lay_out_demo
from tests.container.images import Definition, Podman, absent

pytestmark = pytest.mark.long

CONTAINERFILE = ROOT / "Containerfile"
DEFINITION = Definition.read(ROOT / "apptainer.def")


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman with a base image of Debian's packages; skipped where it cannot be made."""
    if reason := absent():
        pytest.skip(f"no image: {reason}")
    made = Podman(tmp_path_factory.mktemp("images"))
    try:
        if reason := made.make_base():
            pytest.skip(reason)
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module", params=["Containerfile", "apptainer.def"])
def image(
    request: pytest.FixtureRequest, podman: Podman, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An image by each definition. Apptainer's is translated: apptainer itself is not run."""
    tag = f"localhost/chsims-build:{request.param.lower()}"
    if request.param == "Containerfile":
        podman.build(tag, CONTAINERFILE)
    else:
        translated = tmp_path_factory.mktemp("translated") / "Containerfile"
        translated.write_text(DEFINITION.as_containerfile(), "utf-8")
        podman.build(tag, translated)
    return tag


def project(folder: Path) -> Path:
    """Lay out two clips of each of the demo's videos, in a folder that anyone may write."""
    lay_out_demo(folder / "raw", 2)
    values = {"raw": "raw", "processed": "processed", "text": {"model": "demo"}}
    (folder / "config.yaml").write_text(json.dumps(values), "utf-8")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 1234, 1234)
    return folder


def test_an_image_builds_the_features_of_a_local_build(
    podman: Podman, image: str, tmp_path: Path, demo_build: Path
) -> None:
    """As a user without a name, with a read-only root and without network."""
    said = podman.start(image, tmp_path, "--version")
    assert said.stdout.strip() == f"chsims-build, version {__version__}", said.stderr
    folder = project(tmp_path)
    stages = ("--stage", "audio", "--stage", "text")
    done = podman.start(image, folder, "--config", "config.yaml", *stages)
    assert done.returncode == 0, done.stdout + done.stderr
    made = {
        path.relative_to(folder / "processed"): path.read_bytes()
        for path in (folder / "processed").glob("*/video_*/*.safetensors")
    }
    assert len(made) == 2 * 6
    assert made == {path: (demo_build / path).read_bytes() for path in made}


def test_both_definitions_have_the_same_base_files_steps_and_environment() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    base = re.search(r"^ARG BASE=docker\.io/library/(\S+)$", text, re.M)
    assert base is not None
    assert DEFINITION.source == base[1]
    assert re.search(r"@sha256:[0-9a-f]{64}$", base[1]), "the base is pinned"
    steps = re.findall(r"sh /opt/build/install\.sh .*?(?= &&|$)", text, re.M)
    assert tuple(steps) == DEFINITION.post[:2]
    admitted = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    names = {line[1:] for line in admitted if line.startswith("!")}
    assert {Path(source).parts[0] for source in DEFINITION.files} == names
    block = re.search(r"^ENV (.*?[^\\])$", text, re.M | re.S)
    assert block is not None
    variables = dict(word.split("=", 1) for word in block[1].replace("\\\n", " ").split())
    # apptainer starts with the home folder of the user
    assert variables.pop("HOME") == "/tmp"
    assert variables == DEFINITION.environment
