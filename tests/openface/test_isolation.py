"""What a container may do, and that nothing is left of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.commands.doctor_openface import check_openface
from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.openface.run import CropInputs, RunOpenFace
from pipeline.openface.runtimes.base import Limits
from pipeline.openface.runtimes.podman import Podman
from pipeline.openface.runtimes.process import run_guarded
from pipeline.openface.runtimes.select import select_runtime
from pipeline.openface.settings import OpenFaceSettings
from tests.openface.emulated import face_images
from tests.openface.harness import IMAGE_PROBE, Harness

_JOB = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from pipeline.openface.run import CropInputs, RunOpenFace
from pipeline.openface.settings import OpenFaceSettings
settings = OpenFaceSettings.model_validate_json(sys.argv[1])
crops = [file.read_bytes() for file in sorted(Path(sys.argv[2]).iterdir())]
RunOpenFace(settings).extract(CropInputs("v/1", crops, Path(sys.argv[3])))
"""


def one_clip(settings: OpenFaceSettings, work: Path, images: int = 2) -> None:
    RunOpenFace(settings).extract(CropInputs("v/1", face_images(images, 0), work))


def processes(mark: str) -> list[str]:
    """Return the processes of this machine that have `mark` in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def wait_for(condition: object, seconds: float = 90) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_running_when_the_job_dies(
    harness: Harness, tmp_path: Path, number: signal.Signals
) -> None:
    mark = uuid.uuid4().hex
    settings = harness.settings({"EMULATOR_FAIL": "hang", "EMULATOR_ID": mark})
    faces, work = tmp_path / "faces", tmp_path / "work"
    faces.mkdir()
    for index, image in enumerate(face_images(2, 0)):
        (faces / f"{index}.jpg").write_bytes(image)
    job = subprocess.Popen(
        [sys.executable, "-c", _JOB, settings.model_dump_json(), str(faces), str(work)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # the emulator hangs once it has begun the clip, and then is a process named sleep
    assert wait_for(lambda: any("sleep 600" in line for line in processes(mark)))
    job.send_signal(number)
    job.wait(120)
    assert wait_for(lambda: not processes(mark)), processes(mark)
    assert wait_for(lambda: not any(work.iterdir())), list(work.iterdir())
    assert wait_for(lambda: not harness.running()), harness.running()


def test_a_container_is_shut_off_from_everything_but_its_two_folders(
    container: Harness, tmp_path: Path
) -> None:
    settings = container.settings(image_binary=IMAGE_PROBE)
    faces, output = tmp_path / "faces", tmp_path / "out"
    (faces / "clip").mkdir(parents=True)
    output.mkdir()
    command = select_runtime(settings).runtime.command(
        faces, ["clip"], output, Limits(1, 300), f"chsims-test-{uuid.uuid4().hex}"
    )
    ended = run_guarded(command, tmp_path / "log", tmp_path / "none", lambda: False)
    seen = json.loads(ended.output)
    assert seen["user"] == f"{os.getuid()}:{os.getgid()}"
    assert set(seen["interfaces"].split()) <= {"lo"}
    assert seen["root"] == seen["faces"] == "read-only" and seen["out"] == "writable"
    assert seen["capabilities"] == "0000000000000000"
    assert seen["no_new_privileges"] == "1"
    assert seen["threads"] == "1"
    written = output / "probe"
    assert written.stat().st_uid == os.getuid() and written.stat().st_gid == os.getgid()


def test_a_container_that_takes_too_much_memory_is_ended_not_the_machine(
    podman: Harness, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    if "--memory" not in Podman(podman.settings()).limit_options(Limits(1, 256)):
        pytest.skip("podman: no control group for memory on this machine")
    settings = podman.settings({"EMULATOR_FAIL": "eat-memory"}, memory_mb=256)
    with pytest.raises(BuildError, match="the memory limit is 256 MiB"):
        one_clip(settings, work)
    assert not any(here.iterdir())  # nothing is dropped where the build was started


def test_a_wrong_path_in_the_image_stops_the_build(container: Harness, work: Path) -> None:
    with pytest.raises(BuildError) as caught:
        one_clip(container.settings(image_binary="/no/FeatureExtraction"), work)
    assert "run /no/FeatureExtraction" in caught.value.problem
    assert "openface.image_binary" in caught.value.remedy


def test_an_output_folder_that_openface_may_not_write_stops_the_build(
    podman: Harness, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Podman, "user_options", lambda self: ["--user", "4242:4242"])
    with pytest.raises(BuildError, match=r"does not work: .*\(exit 1\): ERROR: Could not"):
        one_clip(podman.settings(), work)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_build_and_blames_no_clip(harness: Harness, small_disk: Path) -> None:
    with pytest.raises(BuildError, match="No space left on device") as caught:
        one_clip(harness.settings(), small_disk / "work", images=150)
    # the disk that is full is named, and the folder that it holds
    assert f"free disk space on {small_disk}, which holds {small_disk}" in caught.value.remedy
    with pytest.raises(BuildError, match="cannot write face crops") as caught:
        crops = [bytes(2 << 20)]
        RunOpenFace(harness.settings()).extract(CropInputs("v/1", crops, small_disk / "work"))
    assert f"free disk space on {small_disk}" in caught.value.remedy


def test_the_doctor_names_a_full_temporary_folder(
    harness: Harness, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb") as filler:
        filler.write(bytes(2 << 20))
    settings = harness.settings().model_dump(mode="json")
    last = check_openface(make_config({"openface": settings}))[-1]
    assert last.ok is False and "No space left on device" in last.found
    assert str(small_disk) in last.found + last.remedy and "TMPDIR" in last.remedy


def test_a_full_storage_of_the_engine_is_named(podman: Harness) -> None:
    engine = Podman(podman.settings())
    failure = engine.explain(125, "Error: writing blob: no space left on device")
    assert failure is not None
    assert f"free disk space in {engine.storage()}" in failure.remedy
    assert Path(engine.storage()).is_dir()
