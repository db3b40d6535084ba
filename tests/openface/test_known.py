"""One image under several names: whichever is found or pinned, nothing is computed again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline import stage
from pipeline.config import Config, make_config
from pipeline.errors import BuildError
from pipeline.openface.known import remember
from pipeline.openface.runtimes.select import select_runtime
from pipeline.openface.settings import OpenFaceSettings
from pipeline.openface.stage import OPENFACE
from pipeline.store.features import Features, Store
from tests.openface.harness import Harness


def key_of(config: Config) -> str:
    """Return what the keys of all clips share, as a new process computes it."""
    select_runtime.cache_clear()
    stage._common.cache_clear()
    return OPENFACE.settings_digest(config)


def build(folder: Path, settings: OpenFaceSettings, **more: object) -> Config:
    values = {**settings.model_dump(mode="json"), **more}
    return make_config({"processed": str(folder), "openface": values})


def write_table(folder: Path, image: str) -> None:
    """Store a clip's table as an earlier version did, which knew the image by a digest."""
    table = Features({"table": np.zeros((1, 714), np.float32)}, {"identity": {"image": image}})
    Store(folder).write("openface", "v/1", "key", table)


@pytest.fixture
def moved(podman: Harness, tmp_path: Path) -> tuple[OpenFaceSettings, tuple[str, ...], Path]:
    """An image under a tag of its own, its names here, and the file it was saved to."""
    image = podman.settings({"MOVED": "1"}).image  # no other test needs it: it is removed
    tag = "localhost/openface-moved:1"
    subprocess.run(["podman", "tag", image, tag], check=True)
    settings = podman.settings(image=tag)
    archive = tmp_path / "image.tar"
    subprocess.run(["podman", "save", "-q", "-o", str(archive), tag], check=True)
    return settings, select_runtime(settings).found.names, archive


def test_save_and_load_keep_what_a_build_calls_its_image(
    moved: tuple[OpenFaceSettings, tuple[str, ...], Path], tmp_path: Path
) -> None:
    settings, names, archive = moved
    identifier, digest = names[0], names[1]
    new, old = tmp_path / "new", tmp_path / "old"
    key = key_of(build(new, settings))
    write_table(old, digest)
    made_by_digest = key_of(build(old, settings, digest=digest))
    assert made_by_digest != key

    # a folder of an earlier version: every name of the image gives its keys
    assert key_of(build(old, settings)) == made_by_digest  # also before a build recorded it
    remember(build(old, settings))
    remember(build(new, settings))
    for folder, expected in ((old, made_by_digest), (new, key)):
        for pinned in (None, identifier, digest):
            assert key_of(build(folder, settings, digest=pinned)) == expected

    # the image comes back from a file, without the digest that it had
    subprocess.run(["podman", "rmi", "--force", identifier], check=True, capture_output=True)
    subprocess.run(["podman", "load", "-q", "-i", str(archive)], check=True, capture_output=True)
    select_runtime.cache_clear()
    assert select_runtime(settings).found.names[0] == identifier
    assert key_of(build(old, settings)) == made_by_digest
    assert key_of(build(new, settings)) == key
    assert select_runtime(build(new, settings, digest=identifier).openface).found.pinned


def test_another_image_is_not_taken_for_the_one_of_the_build(
    podman: Harness, tmp_path: Path
) -> None:
    one, other = podman.settings(), podman.settings({"OTHER": "1"})
    write_table(tmp_path, select_runtime(one).found.names[0])
    key = key_of(build(tmp_path, one))
    remember(build(tmp_path, one))
    assert key_of(build(tmp_path, other)) != key
    remember(build(tmp_path, other))
    assert key_of(build(tmp_path, other)) != key
    assert key_of(build(tmp_path, one)) == key


def test_a_damaged_record_of_names_is_no_record(podman: Harness, tmp_path: Path) -> None:
    key = key_of(build(tmp_path, podman.settings()))
    config = build(tmp_path, podman.settings())
    remember(config)
    (record,) = (tmp_path / "settings").iterdir()
    for damage in ("", "[1]", '[{"names": 1}]'):
        record.write_text(damage)
        assert key_of(config) == key
        remember(config)
        assert "known_as" in record.read_text()


def test_without_openface_nothing_is_recorded(tmp_path: Path) -> None:
    settings = OpenFaceSettings(runtime="native", native_binary="/no/such")
    remember(build(tmp_path, settings))
    assert not (tmp_path / "settings").exists()
    with pytest.raises(BuildError, match="does not exist"):
        key_of(build(tmp_path, settings))
