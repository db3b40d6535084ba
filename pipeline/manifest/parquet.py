"""The columns of the manifest's tables, and how a table is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.corpus import LABELS
from pipeline.store.files import written_whole

if TYPE_CHECKING:
    import pandas as pd

STRINGS = ("mode", "speaker", "gender", "age", "english")
"""Optional columns of the label sheet."""


_ROWS_AT_ONCE = 2048
"""Rows of a group: a table of many rows is never in memory as a whole."""


def write_table(path: Path, rows: Iterable[dict[str, Any]], schema: Any) -> None:
    """Write a table whole or not at all; the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    coming = iter(rows)
    with written_whole(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        while some := list(islice(coming, _ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a table, or some of its columns.

    Raises
    ------
    OSError, ValueError
        If it cannot be read: whatever is wrong with it.
    """
    import pandas as pd
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(path, columns=columns)
    except (ArrowException, KeyError, TypeError, NotImplementedError) as error:
        raise ValueError(str(error)) from error


def column_names(path: Path) -> list[str]:
    """Return the names of a table's columns.

    Raises
    ------
    OSError, ValueError
        If it cannot be read.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        names: list[str] = pq.read_schema(path).names
    except ArrowException as error:
        raise ValueError(str(error)) from error
    return names


def vote_schema() -> Any:
    """Return the columns of ``votes.parquet``."""
    import pyarrow as pa

    names = [(name, pa.string()) for name in ("clip", "modality", "annotator")]
    return pa.schema([*names, ("vote", pa.float64())])


_TEXT, _NUMBER, _WHOLE, _TEXTS = "string", "double", "int64", "list"

_COLUMNS = (
    *((name, _TEXT) for name in ("clip", "video_id", "clip_id")),
    ("row", _WHOLE),
    ("text", _TEXT),
    *((name, _NUMBER) for name in LABELS),
    *((name, _TEXT) for name in (*STRINGS, "media", "media_digest")),
    ("size", _WHOLE),
    ("duration", _NUMBER),
    ("fps", _NUMBER),
    *((name, _WHOLE) for name in ("width", "height", "rotation")),
    *((name, _TEXT) for name in ("video_codec", "audio_codec")),
    *((name, _WHOLE) for name in ("sample_rate", "channels")),
    *((name, _WHOLE) for name in ("video_stream", "audio_stream", "audio_track")),
    ("audio_tracks", _TEXTS),
    *((name, _NUMBER) for name in ("time_zero", "video_start", "video_seconds")),
    *((name, _NUMBER) for name in ("audio_start", "audio_seconds", "streams_apart")),
    ("warnings", _TEXTS),
)

OWN_NAMES = frozenset(name for name, _ in _COLUMNS)
"""Names of the manifest's own columns."""


def manifest_schema(numbers: Sequence[str] = (), words: Sequence[str] = ()) -> Any:
    """Return the columns of ``manifest.parquet``.

    Parameters
    ----------
    numbers, words : sequence of str
        The columns that the user keeps, by their type.
    """
    import pyarrow as pa

    types = {_TEXT: pa.string(), _NUMBER: pa.float64(), _WHOLE: pa.int64()}
    types[_TEXTS] = pa.list_(pa.string())
    kept = [*((name, _NUMBER) for name in numbers), *((name, _TEXT) for name in words)]
    return pa.schema([(name, types[kind]) for name, kind in (*_COLUMNS, *sorted(kept))])
