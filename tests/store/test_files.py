"""Files are written whole, and what a killed process left of them goes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from pipeline.store.files import read_json, remove_left_over, write_json
from pipeline.store.layout import Layout

KILLED = """
import sys, time
from pathlib import Path
from pipeline.store.files import written_whole
with written_whole(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of it")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "dataset [1].json"
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        write_json(path, {"of": "another process"})
        assert len(list(tmp_path.glob(".*.tmp"))) == 1, "the other process lives, and writes it"
        process.send_signal(signal.SIGKILL)
    write_json(path, {"whole": True})
    assert read_json(path) == {"whole": True}
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_other_files_temporary_names_are_left_alone(tmp_path: Path) -> None:
    others = [tmp_path / name for name in (".other.json.999999.tmp", ".mine.json.notes.tmp")]
    for other in others:
        other.touch()
    write_json(tmp_path / "mine.json", {})
    assert all(other.exists() for other in others)


def test_a_build_begins_by_removing_what_killed_ones_left(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [
        folder / f".0002.json.{dead.pid}.tmp" for folder in (layout.root, layout.records("frames"))
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder in layout.folders:
        remove_left_over(folder)
    assert [path for path in left if path.exists()] == []
