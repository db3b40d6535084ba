"""The files a build is for, and whether each is newer than what it was made from."""

from __future__ import annotations

from pathlib import Path

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


def is_outdated(processed: Path, product: str) -> bool:
    """Tell whether a product is there, but of an earlier build than what it is made from.

    Times decide, as they do for Snakemake.

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
    for pattern in _MADE_FROM[product]:
        if pattern in PRODUCTS and is_outdated(processed, pattern):
            return True
        if any(source.stat().st_mtime_ns > made for source in processed.glob(pattern)):
            return True
    return False
