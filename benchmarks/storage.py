"""Disk and files of a build's features, for each way to keep them.

    python benchmarks/storage.py processed/demo --config config/demo.yaml
    python benchmarks/storage.py processed/demo --config config/demo.yaml --docs

The features of a finished build are copied, and the copies are reduced and packed as a build
does it when the setting is changed. ``--before`` adds a row for a build of an earlier version.
``--docs`` renews the table in docs/storage.md.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.config import Config, load_config
from pipeline.manifest.build import read_manifest
from pipeline.runner.tidy import pack_build, tidy_build
from pipeline.stages import STAGES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "storage.md"
CHOICES = (
    ("the default", ()),
    ("`store.pack: true`", ("store.pack=true",)),
    ("`faces.keep_crops: false`", ("faces.keep_crops=false",)),
    ("both", ("faces.keep_crops=false", "store.pack=true")),
)
SHOWN = ("faces", "openface", "vision", "audio", "text")


def size_of(folders: Sequence[Path]) -> tuple[int, int]:
    """Return the bytes of the files below some folders, and the number of files and folders."""
    found = [path for folder in folders if folder.is_dir() for path in (folder, *folder.rglob("*"))]
    return sum(path.stat().st_size for path in found if path.is_file()), len(found)


def row(name: str, root: Path, seconds: float) -> str:
    """Return a line of the table: MB of each stage, MB per second of clip, files and folders."""
    places = {stage: [root / stage, root / "packs" / stage] for stage in SHOWN}
    sizes = [size_of(folders)[0] / 1e6 for folders in places.values()]
    files = size_of([root / name for name in (*STAGES, "packs")])[1]
    cells = [*(f"{size:.2f}" for size in sizes), f"{sum(sizes):.1f}", f"{sum(sizes) / seconds:.3f}"]
    return f"| {name} | {' | '.join(cells)} | {files} |"


def rows(config: Config, before: Path | None) -> Iterator[str]:
    """Yield the lines of the table."""
    clips = read_manifest(config.processed)
    seconds = float(clips["duration"].sum())
    yield f"{len(clips)} clips, {seconds:.0f} s. Sizes in MB; the last but one per second of clip:"
    yield ""
    yield f"| kept | {' | '.join(SHOWN)} | all | per second | files and folders |"
    yield f"|---|{'--:|' * (len(SHOWN) + 3)}"
    if before is not None:
        yield row("before these settings existed", before, seconds)
    for name, settings in CHOICES:
        with tempfile.TemporaryDirectory(prefix="chsims-storage-") as folder:
            copy = Path(folder) / "build"
            shutil.copytree(config.processed, copy, ignore=_unneeded)
            chosen = load_config(tuple(ARGUMENTS.config), (f"processed={copy}", *settings))
            tidy_build(chosen)
            pack_build(chosen)
            yield row(name, copy, seconds)


def _unneeded(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("experiments", "logs", "report", "results")]


def renew(page: Path, lines: Sequence[str]) -> None:
    """Replace what stands between the marks of the page."""
    begin, end = "<!-- measured: benchmarks/storage.py -->\n", "<!-- end -->"
    table = begin + "\n".join(lines) + "\n" + end
    text = page.read_text("utf-8")
    page.write_text(re.sub(f"{begin}.*?{end}", lambda _: table, text, flags=re.S), "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("processed", type=Path)
    parser.add_argument("--config", type=Path, action="append", default=[])
    parser.add_argument("--before", type=Path, help="the same corpus, built by an earlier version")
    parser.add_argument("--docs", action="store_true")
    ARGUMENTS = parser.parse_args()
    found = list(
        rows(
            load_config(tuple(ARGUMENTS.config), (f"processed={ARGUMENTS.processed}",)),
            ARGUMENTS.before,
        )
    )
    print("\n".join(found))
    if ARGUMENTS.docs:
        renew(PAGE, found)
