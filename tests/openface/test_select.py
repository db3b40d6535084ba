"""Which runtime is taken, what identifies it, and what is said when there is none."""

import shutil
from pathlib import Path

import pytest

from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.openface.extractor import identity
from pipeline.openface.imported import ImportedOpenFace
from pipeline.openface.run import RunOpenFace
from pipeline.openface.runtimes import native
from pipeline.openface.runtimes.base import RuntimeUnavailableError
from pipeline.openface.runtimes.docker import Docker
from pipeline.openface.runtimes.select import select_runtime
from pipeline.openface.settings import OpenFaceSettings
from pipeline.stages import STAGES
from pipeline.store.files import file_digest
from tests.openface.harness import EMULATOR, Harness


def test_the_configuration_names_the_extractor(tmp_path: Path) -> None:
    stage = STAGES["openface"]
    imported = make_config({"openface": {"runtime": "import"}})
    assert isinstance(stage.make(imported, threads=2), ImportedOpenFace)
    assert stage.batch(imported.openface) == 1
    native = make_config({"openface": {"runtime": "native", "batch_clips": 5}})
    extractor = stage.make(native, threads=2)
    assert isinstance(extractor, RunOpenFace) and extractor.threads == 2
    assert stage.batch(native.openface) == 5
    settings = OpenFaceSettings(runtime="import", import_folder=tmp_path)
    assert identity(settings) == {"runtime": "import", "check": "quarantine"}


def test_a_folder_to_import_from_that_is_none_stops_before_any_clip(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "none"):
        with pytest.raises(BuildError, match=r"openface\.import_folder"):
            identity(OpenFaceSettings(runtime="import", import_folder=folder))


def test_auto_takes_the_first_that_answers_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(EMULATOR, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    selection = select_runtime(OpenFaceSettings())
    assert selection.runtime.name == "native"
    for word in ("native is the first that answers", "apptainer is not", "podman is not", "docker"):
        assert word in selection.reason


def test_without_any_runtime_each_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as caught:
        select_runtime(OpenFaceSettings())
    for name in ("apptainer", "podman", "docker", "native"):
        assert f"  {name}: " in caught.value.problem
    assert "import_folder" in caught.value.remedy


def test_what_identifies_a_native_program_is_its_bytes_and_its_models(tmp_path: Path) -> None:
    program = Path(shutil.copy(EMULATOR, tmp_path))
    settings = OpenFaceSettings(runtime="native", native_binary=str(program))

    def now() -> dict[str, str]:
        select_runtime.cache_clear()
        return identity(settings)

    before = now()
    assert now() == before
    (tmp_path / "AU_predictors").mkdir()
    (tmp_path / "AU_predictors" / "AU_1.dat").write_bytes(b"12")
    with_models = now()
    assert with_models["models"] != before["models"]
    assert with_models["program"] == before["program"]
    program.write_bytes(program.read_bytes() + b"\n")
    assert now()["program"] != before["program"]


def test_what_made_features_is_told_by_the_content_of_program_and_models(tmp_path: Path) -> None:
    program = Path(shutil.copy(EMULATOR, tmp_path))
    model = tmp_path / "model" / "main.txt"
    model.parent.mkdir()
    runtime = select_runtime(OpenFaceSettings(runtime="native", native_binary=str(program))).runtime
    found = []
    for content in ("one", "two"):  # of one size
        model.write_text(content)
        native._content.cache_clear()
        found.append(runtime.made_by())
    assert found[0] != found[1]
    assert all(words.startswith(f"program sha256:{file_digest(program)}, ") for words in found)


def test_what_made_features_is_told_by_the_images_id(container: Harness) -> None:
    selection = select_runtime(container.settings())
    assert selection.found.names[0] in selection.runtime.made_by()
    assert selection.found.identity["image"] == selection.found.names[0]


@pytest.mark.parametrize(
    ("binary", "words"),
    [("no-such-program", "no no-such-program on the PATH"), ("/no/such", "which does not exist")],
)
def test_a_native_program_that_is_not_there_is_named(binary: str, words: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=words):
        select_runtime(OpenFaceSettings(runtime="native", native_binary=binary))


def test_a_native_program_that_may_not_be_executed_is_named(tmp_path: Path) -> None:
    program = tmp_path / "FeatureExtraction"
    program.touch(mode=0o644)
    with pytest.raises(RuntimeUnavailableError, match="may not be executed"):
        select_runtime(OpenFaceSettings(runtime="native", native_binary=str(program)))


def test_a_link_is_followed_because_models_lie_next_to_the_program(tmp_path: Path) -> None:
    link = tmp_path / "FeatureExtraction"
    link.symlink_to(EMULATOR)
    settings = OpenFaceSettings(runtime="native", native_binary=str(link))
    assert str(EMULATOR) in select_runtime(settings).found.description


def test_apptainer_needs_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "apptainer"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeUnavailableError) as caught:
        select_runtime(OpenFaceSettings(runtime="apptainer"))
    assert "needs the image as a .sif file" in caught.value.problem
    assert "apptainer pull" in caught.value.remedy


def test_dockers_two_refusals_have_different_remedies() -> None:
    docker = Docker(OpenFaceSettings())
    denied = docker.not_answering(
        "permission denied while trying to connect to the Docker daemon socket"
    )
    assert "usermod -aG docker" in denied.remedy
    absent = docker.not_answering("Cannot connect to the Docker daemon at unix:///run/docker.sock")
    assert "systemctl start docker" in absent.remedy


def test_a_docker_daemon_that_does_not_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("docker") is None:
        pytest.skip("docker: the client is not installed")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(RuntimeUnavailableError, match="does not answer"):
        select_runtime(OpenFaceSettings(runtime="docker"))


def test_an_image_that_is_not_there_is_named_with_how_to_get_it(podman: Harness) -> None:
    settings = podman.settings(image="localhost/no/such:1")
    with pytest.raises(RuntimeUnavailableError) as caught:
        select_runtime(settings)
    assert "does not have the image localhost/no/such:1" in caught.value.problem
    assert "podman pull localhost/no/such:1" in caught.value.remedy


def test_an_image_can_be_pinned_and_an_unpinned_one_is_recorded(podman: Harness) -> None:
    loose = select_runtime(podman.settings())
    assert not loose.found.pinned
    digest = loose.found.identity["image"]
    pinned = podman.settings(digest=digest)
    assert select_runtime(pinned).found.pinned
    assert identity(pinned) == loose.found.identity
    with pytest.raises(RuntimeUnavailableError, match="not as the pinned sha256:000"):
        select_runtime(podman.settings(digest="sha256:" + "0" * 64))
