"""The formats that a dataset is exported to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.exports import csd, huggingface, mmsa, table, webdataset
from pipeline.exports.output import Output
from pipeline.exports.source import Source


@dataclass(frozen=True)
class Format:
    """One format.

    Parameters
    ----------
    title : str
        What it is, for the help.
    suffix : str
        Ending of its file; empty if it is a folder.
    write : callable
        Writes a dataset to its output, a few clips in memory at a time.
    left_out : callable
        Says what of a dataset the format cannot carry.
    options : callable
        Everything apart from the dataset that decides the content, as JSON values.
    version : int
        Raised whenever the same dataset gives other bytes.
    """

    title: str
    suffix: str
    write: Callable[[Source, Output], None]
    left_out: Callable[[Source], list[str]]
    options: Callable[[Source], dict[str, Any]] = lambda source: {}
    version: int = 1


FORMATS: dict[str, Format] = {
    "mmsa": Format(
        "the pickle of MMSA and its forks", ".pkl", mmsa.write, mmsa.left_out, mmsa.options
    ),
    "huggingface": Format(
        "a folder for datasets.load_dataset", "", huggingface.write, huggingface.left_out
    ),
    "webdataset": Format("tar shards", "", webdataset.write, webdataset.left_out),
    "csd": Format("computational sequences of the CMU-MultimodalSDK", "", csd.write, csd.left_out),
    "csv": Format("a table of labels, parts and quality", ".csv", table.write, table.left_out),
}
"""The formats by the name that ``chsims-build export --to`` takes."""
