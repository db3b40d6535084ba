"""Measure what the steps of the whole corpus take as it grows: 2,281, 10,000 and 50,000 clips.

    python benchmarks/scale.py                      # about 25 minutes of CPU, 4 GB of disk
    python benchmarks/scale.py --docs               # and the table of docs/scale.md
    python benchmarks/scale.py --clips 500 2000     # other sizes, for a quick look

Each corpus is made by `big_corpus.py`: real manifest, keys, records and feature files, with short
made-up features. Everything measured is a command that users run, in a process of its own. Times
are CPU seconds, of all processes that the command starts; memory is the peak of its largest
process. Ten clips are then added in the middle of the sheet, and the jobs of a dry run counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from big_corpus import Sheet, lay_out, settings_of
from page import DOCS, measured_on, put_into_page

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = str(Path(sys.executable).with_name("chsims-build"))
PAGE = DOCS / "scale.md"
SIZES = (2_281, 10_000, 50_000)

_STEPS = {
    "manifest": "from pipeline.manifest.build import build_manifest as step",
    "dataset": "from pipeline.dataset.writer import build_dataset as step",
    "report": "from pipeline.report.build import build_report as step",
}
_RUN = """
import json, sys
from pipeline.runner.threads import bound_threads
bound_threads()
from pipeline.config import make_config
{imported}
step(make_config(json.loads(sys.argv[1])))
"""


@dataclass(frozen=True)
class Used:
    """What a command used: CPU seconds, the peak of its largest process, and what it printed."""

    cpu_s: float
    peak_mb: float
    output: str


@dataclass
class Size:
    """The figures of one size of corpus.

    Parameters
    ----------
    clips : int
        Clips in the corpus.
    used : dict of str to Used
        By the name of the command.
    planned : dict of str to int
        Jobs that ten new clips plan, by rule.
    due : str
        What the dry run says of the clips.
    page_mb : float
        Size of the report page.
    pictured : int
        Clips with pictures in it.
    files, disk_mb : int, float
        Files in the build's folder, and what they take on the disk.
    """

    clips: int
    used: dict[str, Used] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    due: str = ""
    page_mb: float = 0.0
    pictured: int = 0
    files: int = 0
    disk_mb: float = 0.0


def run(folder: Path, *command: str) -> Used:
    """Run a command in a folder and wait for it.

    Raises
    ------
    SystemExit
        With its output, if it fails.
    """
    log = folder / "output.txt"
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    output = log.read_text("utf-8", errors="replace")
    if process.returncode:
        raise SystemExit(f"{' '.join(command)[:200]}\n{output[-3000:]}")
    return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def measure(folder: Path, clips: int) -> Size:
    """Make a corpus and its build, and measure the commands on it."""
    found = Size(clips)
    sheet = lay_out(folder / "raw", clips)
    settings = settings_of(folder)
    (folder / "config.yaml").write_text(json.dumps(settings), "utf-8")
    build = (PROGRAM, "--config", "config.yaml", "--cores", "2")

    def note(name: str, *command: str) -> str:
        began = time.monotonic()
        found.used[name] = used = run(folder, *command)
        seconds = time.monotonic() - began
        line = f"{clips:>7} {name:<22} {used.cpu_s:7.1f} CPU s {used.peak_mb:7.0f} MB"
        print(f"{line} {seconds:7.1f} s", flush=True)
        return used.output

    def step(name: str) -> None:
        code = _RUN.format(imported=_STEPS[name])
        note(name, sys.executable, "-c", code, json.dumps(settings))

    note("first dry run", *build, "--dry-run")
    step("manifest")
    run(folder, *build, "--stage", "manifest")
    note("(features)", sys.executable, str(ROOT / "benchmarks" / "big_corpus.py"),
         json.dumps(settings))  # fmt: skip
    run(folder, *build, "--stage", "dataset")
    step("dataset")
    step("report")
    note("status", PROGRAM, "status", "--config", "config.yaml")
    note("no-op", *build, "--stage", "dataset")
    _look_at_page(folder / "processed" / "report.html", found)
    _count_files(folder / "processed", found)
    _add_ten(sheet)
    output = note("dry run, ten new", *build, "--dry-run", "--stage", "dataset")
    found.planned, found.due = jobs_of(output), output.strip().splitlines()[-1]
    print(f"        planned: {found.planned}; {found.due}", flush=True)
    return found


def _add_ten(sheet: Sheet) -> None:
    clips = len(sheet.rows)
    for number in range(10):
        sheet.add(clips + number, clips // 2)
    sheet.write()


def jobs_of(output: str) -> dict[str, int]:
    """Return the number of jobs of each rule, from the table of a dry run."""
    rows = [line.split() for line in output.splitlines()]
    return {r[0]: int(r[1]) for r in rows if len(r) == 2 and r[1].isdigit() and r[0] != "total"}


def _look_at_page(page: Path, found: Size) -> None:
    text = page.read_text("utf-8")
    found.page_mb = page.stat().st_size / 1e6
    found.pictured = text.count('"film":"')


def _count_files(folder: Path, found: Size) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            found.files += 1
            found.disk_mb += path.stat().st_blocks * 512 / 1e6


def table(sizes: Sequence[Size]) -> list[str]:
    """Return the table of the page: a column per size, and what a further clip costs."""
    first, last = sizes[0], sizes[-1]
    more = last.clips - first.clips
    lines = [
        f"| | {' | '.join(f'{size.clips:,} clips' for size in sizes)} | per further clip |",
        "|---|" + "---|" * (len(sizes) + 1),
    ]
    for name in (name for name in first.used if not name.startswith("(")):
        cpu = [size.used[name].cpu_s for size in sizes]
        each = f"{1000 * (cpu[-1] - cpu[0]) / more:.2f} ms" if more else ""
        lines.append(f"| {name}, CPU s | {' | '.join(f'{s:.1f}' for s in cpu)} | {each} |")
    for name in ("manifest", "dataset", "report", "status", "no-op"):
        peak = [size.used[name].peak_mb for size in sizes]
        each = f"{1024 * (peak[-1] - peak[0]) / more:.2f} kB" if more else ""
        lines.append(f"| {name}, peak MB | {' | '.join(f'{m:.0f}' for m in peak)} | {each} |")
    jobs = [sum(n for rule, n in s.planned.items() if rule != "stage_dataset") for s in sizes]
    lines += [
        f"| jobs planned for ten new clips | {' | '.join(map(str, jobs))} | |",
        f"| report page, MB | {' | '.join(f'{s.page_mb:.1f}' for s in sizes)} | |",
        f"| clips with pictures in it | {' | '.join(f'{s.pictured:,}' for s in sizes)} | |",
        f"| files in the build's folder | {' | '.join(f'{s.files:,}' for s in sizes)} "
        f"| {(last.files - first.files) / more if more else 0:.1f} |",
    ]
    return lines


def main() -> None:
    """Measure, print, and renew docs/scale.md if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--folder", type=Path, help="where to put the corpora, one at a time")
    parser.add_argument("--docs", action="store_true", help="renew docs/scale.md")
    options = parser.parse_args()
    sizes = []
    for clips in options.clips:
        folder = Path(tempfile.mkdtemp(prefix="chsims-scale-", dir=options.folder))
        try:
            sizes.append(measure(folder, clips))
        finally:
            shutil.rmtree(folder)
    lines = [*table(sizes), "", measured_on()]
    print("\n".join(lines))
    if options.docs:
        put_into_page(PAGE, "scale", lines)


if __name__ == "__main__":
    main()
