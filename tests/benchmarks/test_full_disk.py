"""The benchmark of full disks sees what a build must not do; the disk that it fills is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.full_disk import NO_DISK, STAGES, faults_of
from pipeline.config import Config
from pipeline.stages import STAGES as ALL_STAGES
from pipeline.stages import STEPS, with_jobs
from tests.conftest import ROOT

GOOD = "ERROR in audio: cannot write processed/audio/v/1: No space left on device"


@pytest.mark.parametrize(
    ("status", "words", "fault"),
    [
        (1, GOOD, None),
        (0, GOOD, "exit status 0"),
        (-9, GOOD, "exit status -9"),
        (1, f"Traceback (most recent call last):\n{GOOD}", "a traceback"),
        (1, "ERROR in audio: cannot write a file: No space left on device", "no line says"),
        (1, "ERROR in audio: processed/audio: Input/output error", "no line says"),
    ],
)
def test_a_bad_end_is_a_fault(status: int, words: str, fault: str | None) -> None:
    found = faults_of("audio", Path("/disk"), status, words)
    assert (found == []) if fault is None else (fault in found[0])


def test_every_step_has_its_full_disk() -> None:
    of_the_corpus = {
        step for step in STEPS if step not in ALL_STAGES or step in with_jobs(Config())
    }
    assert of_the_corpus <= set(STAGES)


def test_a_filled_disk_takes_no_byte_until_it_is_freed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from benchmarks.full_disk import fill, free\n"
        "disk = Path(sys.argv[1]); fill(disk, 3); (disk / 'a').write_bytes(bytes(2**21))\n"
        "fill(disk)\n"
        "try: (disk / 'b').write_bytes(bytes(9000))\n"
        "except OSError as error: print(error.strerror)\n"
        "free(disk); (disk / 'b').write_bytes(bytes(2**22)); print('freed')\n"
    )
    script = f'mount -t tmpfs -o size=8m tmpfs "{tmp_path}" || exit {NO_DISK}; exec "$@"'
    namespace = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    try:
        done = subprocess.run(
            [*namespace, sys.executable, "-c", code, str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not here")
    if done.returncode == NO_DISK or "unshare" in done.stderr:
        pytest.skip(f"this system lets no one mount a disk: {done.stderr.strip()}")
    assert done.stdout.splitlines() == ["No space left on device", "freed"], done.stderr
