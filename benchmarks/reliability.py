"""Run what shows that nothing is lost and nothing hangs, and write docs/reliability.md.

    python benchmarks/reliability.py --docs                        # everything, about 20 minutes
    python benchmarks/reliability.py --docs --kills kills.json     # kills measured before
    python benchmarks/reliability.py --only cases --docs           # only sheets, media, fuzzers

Kills come from kill.py, stops from stops.py, full disks from full_disk.py; the figures of each may
be given as the file that it wrote with --json. Sheets, media files and fuzzers are tests, which run
here. The page names what failed, too. The exit status is 1 if anything did.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from page import DOCS, measured_on, put_into_page

from tests.media import cases as media
from tests.sheets import encodings, shapes, values, workbooks

ROOT = Path(__file__).resolve().parents[1]
PAGE = DOCS / "reliability.md"
PARTS = ("kills", "stops", "disks", "cases")

SHEETS = {
    "encodings": encodings.ENCODINGS,
    "columns, separators, line ends": shapes.SHAPES,
    "CH-SIMS' sheet without a header": shapes.HEADERLESS,
    "labels": values.LABELS,
    "ids and transcripts": values.CLIPS,
    "workbooks (.xlsx)": workbooks.WORKBOOKS,
}
MEDIA = {
    "containers": media.CONTAINERS,
    "codecs and pixel formats": media.CODECS,
    "frame rates, sampling rates, channels": media.RATES,
    "sizes and pixel shapes": media.SIZES,
    "streams and their times": media.STREAMS,
    "files that are not media": media.NOT_MEDIA,
    "damaged files": media.DAMAGED,
}
STOPS = {
    "clip": "`on_bad_clip: stop`",
    "runtime": "OpenFace cannot start",
    "disk": "the disk is full",
}
FUZZERS = {
    "test_sheet.py": "label sheets",
    "test_openface.py": "OpenFace CSVs",
    "test_config.py": "config files and settings",
    "test_features.py": "feature files and failure notes",
}


def measured(program: str, given: Path | None) -> dict[str, Any]:
    """Return the figures of a benchmark: those of a file, or of a run now."""
    with tempfile.TemporaryDirectory() as folder:
        path = given or Path(folder) / "figures.json"
        if given is None:
            command = [sys.executable, str(ROOT / "benchmarks" / program), "--json", str(path)]
            status = subprocess.run(command, check=False).returncode
            if not path.is_file():
                raise SystemExit(f"{program} ended with status {status} and wrote no figures")
        figures: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return figures


def tested(paths: Sequence[str]) -> tuple[Counter[tuple[str, str]], str]:
    """Run tests; return how many of each module passed, failed or were skipped, and the output."""
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--hypothesis-show-statistics"]
        done = subprocess.run(
            [*command, f"--junitxml={xml}", *paths],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        found: Counter[tuple[str, str]] = Counter()
        for case in ElementTree.parse(xml).iter("testcase"):  # noqa: S314 - pytest's own
            kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
            module = str(case.get("classname")).removeprefix("tests.")
            found[module, min(kinds, default="passed")] += 1
    return found, done.stdout


def kills_table(figures: dict[str, Any]) -> list[str]:
    """Return the table of kills by the stage whose job was running."""
    kills, lines = figures["kills"], ["| A job of | kills | killed |", "|---|---|---|"]
    for aim in dict.fromkeys(kill["aim"] for kill in kills):
        victims = [kill["victim"] for kill in kills if kill["aim"] == aim]
        name = "Snakemake, before the first job" if aim == "build" else aim
        lines.append(f"| {name} | {len(victims)} | {', '.join(victims)} |")
    verdict = _verdict(figures["faults"])
    return [
        f"{len(kills)} kills (seed {figures['seed']}); {figures['comparisons']} comparisons of "
        f"{figures['products']} products byte for byte: {verdict}. {measured_on()}",
        "",
        *lines,
    ]


def stops_table(figures: dict[str, Any]) -> list[str]:
    """Return the table of builds that stopped themselves, by fault and number of workers."""
    heads = ("Fault", "workers", "stops", "s to the job's end", "s to the command's end", "slowest")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for stop in figures["stops"]:
        groups.setdefault((stop["kind"], stop["workers"]), []).append(stop)
    for (kind, workers), stops in sorted(groups.items()):
        job, end = ([stop[name] for stop in stops] for name in ("job", "seconds"))
        times = f"{median(job):.1f} | {median(end):.1f} | {max(end):.1f}"
        lines.append(f"| {STOPS[kind]} | {workers} | {len(stops)} | {times} |")
    verdict = _verdict(figures["faults"])
    return [f"{len(figures['stops'])} stops: {verdict}. {measured_on()}", "", *lines]


def disks_table(figures: dict[str, Any]) -> list[str]:
    """Return the table of full disks."""
    lines = ["| The disk filled during | The build said |", "|---|---|"]
    lines += [f"| {stage} | `{words.strip()}` |" for stage, words in figures["stages"].items()]
    verdict = _verdict(figures["faults"])
    said = f"{len(figures['stages'])} full disks, each followed by the same command: {verdict}."
    return [said, "", *lines]


def cases_table(groups: dict[str, list[Any]], failed: int) -> list[str]:
    """Return the table of cases by kind, with how many are read and how many are refused."""
    total = sum(len(cases) for cases in groups.values())
    lines = ["| Kind | cases | read | refused with words |", "|---|---|---|---|"]
    for name, cases in groups.items():
        refused = sum(bool(case.refused or getattr(case, "faults", None)) for case in cases)
        lines.append(f"| {name} | {len(cases)} | {len(cases) - refused} | {refused} |")
    return [f"{total} cases: {_verdict([''] * failed)}.", "", *lines]


def fuzzers_table(output: str, failed: int) -> list[str]:
    """Return the table of fuzzers with the number of inputs, from Hypothesis's statistics."""
    counts: Counter[str] = Counter()
    for module, passing in re.findall(
        r"^tests/fuzz/(\w+\.py)::\w+:\n.*?- (\d+) passing,", output, re.M | re.S
    ):
        counts[module] += int(passing)
    lines = ["| Input | inputs tried |", "|---|---|"]
    lines += [f"| {name} | {counts[module]} |" for module, name in FUZZERS.items()]
    return [f"{sum(counts.values())} inputs: {_verdict([''] * failed)}.", "", *lines]


def _verdict(faults: Sequence[str]) -> str:
    named = [fault.splitlines()[0] for fault in faults if fault]
    return f"**{len(faults)} faults** {'; '.join(named)}".strip() if faults else "no fault"


def _bad(results: Counter[tuple[str, str]], rooms: Iterable[str]) -> int:
    return sum(
        number
        for (module, kind), number in results.items()
        if kind in ("failure", "error") and module.startswith(tuple(rooms))
    )


def main() -> None:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--docs", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--kills", type=Path, help="figures of kill.py --json")
    parser.add_argument("--stops", type=Path, help="figures of stops.py --json")
    parser.add_argument("--disks", type=Path, help="figures of full_disk.py --json")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    parts: dict[str, list[str]] = {}
    faults = 0
    for part, program, table in (
        ("kills", "kill.py", kills_table),
        ("stops", "stops.py", stops_table),
        ("disks", "full_disk.py", disks_table),
    ):
        if part in options.only:
            figures = measured(program, getattr(options, part))
            faults += len(figures["faults"])
            parts[part] = table(figures)
    if "cases" in options.only:
        rooms = ["tests/sheets/test_sheets.py", "tests/media", "tests/fuzz"]
        results, output = tested(rooms)
        bad = {room: _bad(results, [room]) for room in ("sheets", "media", "fuzz")}
        parts["sheets"] = cases_table(SHEETS, bad["sheets"])
        parts["media"] = cases_table(MEDIA, bad["media"])
        parts["fuzzers"] = fuzzers_table(output, bad["fuzz"])
        faults += sum(bad.values())
    for name, lines in parts.items():
        print(f"\n{name}\n", *lines, sep="\n")
        if options.docs:
            put_into_page(PAGE, name, lines)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
