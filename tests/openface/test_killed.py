"""What a killed build leaves: the finished clips of its batch, and no crops of anyone's face."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import make_config
from pipeline.store.features import Features, Store
from pipeline.store.scratch import scratch_folder, sweep
from pipeline.store.shards import Clip, Streams
from pipeline.workflow.start import start
from tests.openface.emulated import MARK, expected_table, face_images, marked
from tests.openface.harness import Harness
from tests.openface.test_isolation import processes, wait_for

CLIPS = 4
HANGING = 2

_JOB = """
import json, signal, sys
from pathlib import Path
from pipeline.config import make_config
from pipeline.runner.plan import plan
from pipeline.runner.pool import compute
from pipeline.stage import Build
from pipeline.openface.stage import OPENFACE
from tests.openface.test_killed import clips
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
build = Build.of(make_config(json.loads(sys.argv[1])))
for outcome in compute(build, OPENFACE, plan(build, OPENFACE, clips()), threads=1):
    print(outcome)
"""


def clips() -> list[Clip]:
    """Return the clips of the corpus; nothing reads their media."""
    return [
        Clip(
            clip=f"v/{number}",
            media=f"v/{number}.mp4",
            media_digest="0",
            seconds=0.1,
            text="",
            streams=Streams(),
        )
        for number in range(CLIPS)
    ]


def write_faces(store: Store) -> list[list[bytes | None]]:
    """Store the crops of each clip; in one of them, the emulator hangs."""
    crops = [face_images(3, seed) for seed in range(CLIPS)]
    crops[HANGING] = marked(crops[HANGING])
    for clip, images in zip(clips(), crops, strict=True):
        arrays = {
            "crop_bytes": np.frombuffer(b"".join(images), np.uint8),
            "crop_offsets": np.cumsum([0, *map(len, images)]),
        }
        store.write("faces", clip.clip, "key", Features(arrays=arrays))
    return [list(images) for images in crops]


def started(
    harness: Harness, folder: Path, mark: str
) -> tuple[subprocess.Popen[bytes], list[list[bytes | None]]]:
    """Start a job whose OpenFace has finished two clips of its batch and hangs in the third."""
    variables = {"EMULATOR_FAIL": "hang", "EMULATOR_MARK": MARK.decode(), "EMULATOR_ID": mark}
    settings = harness.settings(variables).model_dump(mode="json")
    config = make_config({"processed": str(folder), "openface": settings})
    crops = write_faces(Store(folder))
    job = subprocess.Popen([sys.executable, "-c", _JOB, config.model_dump_json()])
    # the emulator that hangs is a process named sleep
    assert wait_for(lambda: any("sleep 600" in line for line in processes(mark)))
    return job, crops


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_ended_keeps_the_finished_clips_of_its_batch(
    harness: Harness, tmp_path: Path, number: signal.Signals
) -> None:
    mark = uuid.uuid4().hex
    job, crops = started(harness, tmp_path, mark)
    job.send_signal(number)
    job.wait(120)
    store = Store(tmp_path)
    assert wait_for(lambda: not processes(mark)), processes(mark)
    # the worker ends by itself after its parent
    assert wait_for(lambda: all(store.key("openface", c.clip) for c in clips()[:HANGING]))
    for clip, images in list(zip(clips(), crops, strict=True))[:HANGING]:
        table = store.read("openface", clip.clip).arrays["table"]
        np.testing.assert_allclose(table, expected_table(images), atol=1e-4)
    assert [store.key("openface", clip.clip) for clip in clips()[HANGING:]] == [None, None]
    assert wait_for(lambda: not any((tmp_path / "scratch").iterdir()))


def descendants(process: int) -> list[int]:
    """Return the processes that a process started, directly or not."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def end(processes: Sequence[int]) -> None:
    for number in processes:
        os.kill(number, signal.SIGKILL)


def test_a_build_sweeps_what_processes_left_that_were_all_killed(
    harness: Harness, tmp_path: Path
) -> None:
    if harness.name != "native":
        pytest.skip("containers: the engine's own processes are no children of the job")
    job, _ = started(harness, tmp_path, uuid.uuid4().hex)
    end([job.pid, *descendants(job.pid)])
    job.wait(120)
    left = list((tmp_path / "scratch").rglob("*.jpg"))
    assert left  # nobody lived to remove them
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "label.csv").write_text("video_id,clip_id,text,label\nv,0,好,0\n", "utf-8")
    values = {"processed": str(tmp_path), "raw": str(tmp_path / "raw")}
    start(values | {"features": {"vision": "none"}}, main=True, dry_run=True, say=print)
    assert all(path.exists() for path in left)  # a dry run touches nothing
    start(values | {"features": {"vision": "none"}}, main=True, dry_run=False, say=print)
    assert not any((tmp_path / "scratch").iterdir())


def test_a_build_ends_the_container_of_a_job_that_was_killed_with_its_guard(
    podman: Harness, tmp_path: Path
) -> None:
    job, _ = started(podman, tmp_path, uuid.uuid4().hex)
    end([job.pid, *descendants(job.pid)])
    job.wait(120)
    assert podman.running(), "the container belongs to the engine"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "label.csv").write_text("video_id,clip_id,text,label\nv,0,好,0\n", "utf-8")
    values = {
        "processed": str(tmp_path),
        "raw": str(tmp_path / "raw"),
        "features": {"text": "none", "audio": "none"},
        "openface": podman.settings().model_dump(mode="json"),
    }
    start(values, main=True, dry_run=True, say=print)
    assert podman.running()  # a dry run touches nothing
    start(values, main=True, dry_run=False, say=print)
    assert podman.running() == []
    assert not any((tmp_path / "scratch").iterdir())


def test_the_folder_of_a_living_process_is_not_swept(tmp_path: Path) -> None:
    (tmp_path / "openface-of-an-earlier-version" / "faces").mkdir(parents=True)
    (tmp_path / "a-file").touch()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "kept").touch()
    (tmp_path / "a-link").symlink_to(outside)
    with scratch_folder(tmp_path, "openface-") as folder:
        (folder / "faces").mkdir()
        script = "import sys; from pathlib import Path; from pipeline.store.scratch import sweep; "
        script += "assert not sweep(Path(sys.argv[1]), patience=0.2)"
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
        assert (folder / "faces").is_dir()
        assert list(tmp_path.iterdir()) == [folder]
    assert not any(tmp_path.iterdir())
    assert (outside / "kept").exists()


def test_the_folder_of_a_dying_process_is_swept(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from pipeline.store.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), "openface-") as folder:
    (folder / "face.jpg").touch()
    print("ready", flush=True)
    time.sleep(60)
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    # as if the system took half a second to end a process that was killed
    ending = threading.Timer(0.5, owner.kill)
    ending.start()
    assert sweep(tmp_path) == []
    owner.wait(40)
    assert not any(tmp_path.iterdir())


def test_a_signal_while_a_folder_is_removed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree
    signals = [SystemExit(143)]

    def interrupted(path: Path, *, ignore_errors: bool) -> None:
        if signals:
            raise signals.pop()
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(SystemExit), scratch_folder(tmp_path, "openface-") as folder:
        (folder / "face.jpg").touch()
    assert not any(tmp_path.iterdir())


def test_without_a_scratch_folder_nothing_is_swept(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none") == []
