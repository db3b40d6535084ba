"""The files a build is for, and whether each is newer than what it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.stages import STAGES
from pipeline.store.files import file_digest, read_json, write_json

PRODUCTS = ("dataset.h5", "results/table2.json", "report.html")

_MADE_FROM = {
    "dataset.h5": (
        "manifest.parquet",
        "manifest_quarantine.json",
        "settings/dataset.json",
        *(f"records/{stage}/[0-9]*.json" for stage in ("vision", "audio", "text")),
    ),
    "results/table2.json": ("dataset.h5", "settings/train.json"),
    "report.html": ("dataset.h5", "results/table2.json", "quarantine.csv", "settings/report.json"),
}


_DATASET = {"manifest", *STAGES, "dataset"}
DECIDED_BY = {
    "dataset.h5": _DATASET,
    "results/table2.json": {*_DATASET, "train"},
    "report.html": {*_DATASET, "train", "report"},
}
"""The steps whose settings decide each product."""

_SMALL = 1_000_000
"""Files up to this size are compared by what is in them, as Snakemake does; larger ones by time."""


def note_inputs(processed: Path, outputs: Iterable[str], inputs: Iterable[str]) -> None:
    """Remember what the small files that a product was made from held.

    Parameters
    ----------
    processed : Path
        The build's folder.
    outputs, inputs : iterable of str
        Files that a job has written and read.
    """
    made = [product for product in PRODUCTS if str(processed / product) in outputs]
    for product in made:
        read = [path for path in map(Path, inputs) if path.is_relative_to(processed)]
        write_json(
            _notes(processed, product),
            {
                path.relative_to(processed).as_posix(): file_digest(path)
                for path in read
                if path.stat().st_size <= _SMALL
            },
        )


def is_outdated(processed: Path, product: str) -> bool:
    """Tell whether a product is there, but of an earlier build than what it is made from.

    Parameters
    ----------
    processed : Path
        The build's folder.
    product : str
        One of `PRODUCTS`.
    """
    path = processed / product
    if not path.is_file():
        return False
    made = path.stat().st_mtime_ns
    try:
        noted = read_json(_notes(processed, product))
    except (OSError, ValueError):
        noted = {}
    for pattern in _MADE_FROM[product]:
        if pattern in PRODUCTS and is_outdated(processed, pattern):
            return True
        for source in processed.glob(pattern):
            before = noted.get(source.relative_to(processed).as_posix())
            if source.stat().st_mtime_ns > made and before != _digest_if_small(source):
                return True
    return False


def _digest_if_small(path: Path) -> str:
    return file_digest(path) if path.stat().st_size <= _SMALL else "too large to compare"


def _notes(processed: Path, product: str) -> Path:
    return processed / "logs" / "inputs" / f"{product.replace('/', '_')}.json"
