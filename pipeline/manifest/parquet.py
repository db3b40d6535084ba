"""The columns of the manifest's tables, and how a table is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.corpus import LABELS
from pipeline.store.files import written_whole

if TYPE_CHECKING:
    import pandas as pd

STRINGS = ("mode", "speaker", "gender", "age", "english")
"""Optional columns of the label sheet."""


def write_table(path: Path, rows: list[dict[str, Any]], schema: Any) -> None:
    """Write a table whole or not at all; the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with written_whole(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)


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


def vote_schema() -> Any:
    """Return the columns of ``votes.parquet``."""
    import pyarrow as pa

    names = [(name, pa.string()) for name in ("clip", "modality", "annotator")]
    return pa.schema([*names, ("vote", pa.float64())])


def manifest_schema() -> Any:
    """Return the columns of ``manifest.parquet``."""
    import pyarrow as pa

    text, number, whole = pa.string(), pa.float64(), pa.int64()
    return pa.schema(
        [
            *((name, text) for name in ("clip", "video_id", "clip_id")),
            ("row", whole),
            ("text", text),
            *((name, number) for name in LABELS),
            *((name, text) for name in (*STRINGS, "media", "media_digest")),
            ("size", whole),
            ("duration", number),
            ("fps", number),
            *((name, whole) for name in ("width", "height", "rotation")),
            *((name, text) for name in ("video_codec", "audio_codec")),
            *((name, whole) for name in ("sample_rate", "channels")),
            *((name, whole) for name in ("video_stream", "audio_stream", "audio_track")),
            ("audio_tracks", pa.list_(text)),
            *((name, number) for name in ("time_zero", "video_start", "video_seconds")),
            *((name, number) for name in ("audio_start", "audio_seconds", "streams_apart")),
            ("warnings", pa.list_(text)),
        ]
    )
