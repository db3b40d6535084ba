"""A folder that Hugging Face's `datasets` loads: a card, and typed parquet files by split."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import CLASSES, LABELS
from pipeline.exports.card import card
from pipeline.exports.output import Output
from pipeline.exports.shards import Shard, shards_of
from pipeline.exports.source import PERSON, ExportClip, Source
from pipeline.terminal import tracked

SHARD_BYTES = 500_000_000
"""Bytes of features after which a new parquet file begins."""

SPLITS = {"valid": "validation"}
"""Splits whose usual name on the hub is not the part's."""

DESCRIPTION = "features.json"
_GROUP = 32
"""Clips in a row group, which is written from memory."""


def write(source: Source, output: Output) -> None:
    """Write ``README.md``, ``data/SPLIT-*.parquet`` and ``features.json``."""
    schema = schema_of(source)
    shards = shards_of(source, SHARD_BYTES)
    for shard in shards:
        name = name_of(shard)
        if output.is_done(name):
            continue
        clips = source.clips(shard.part, shard.start, shard.stop)
        shown = tracked(clips, name, shard.stop - shard.start)
        with output.new(name) as temporary:
            _write_shard(temporary, shown, schema, source)
    with output.new(DESCRIPTION) as temporary:
        text = json.dumps(source.described, ensure_ascii=False, indent=1, sort_keys=True)
        temporary.write_text(text + "\n", "utf-8")
    splits = [split_of(part) for part in source.parts if source.size(part)]
    with output.new("README.md") as temporary:
        temporary.write_text(card(source, splits), "utf-8")


def left_out(source: Source) -> list[str]:
    """Say what of a dataset the folder has no place for."""
    empty = [part for part in source.parts if not source.size(part)]
    found = ["padding: each array has its clip's true length (README.md has the common lengths)"]
    if empty:
        found.append(f"parts without clips: {', '.join(empty)}")
    return found


def split_of(part: str) -> str:
    """Return the name of a part's split."""
    return SPLITS.get(part, part)


def name_of(shard: Shard) -> str:
    """Return the file name of a shard."""
    return f"data/{split_of(shard.part)}-{shard.number:05d}-of-{shard.count:05d}.parquet"


def schema_of(source: Source) -> Any:
    """Return the columns, with the features' types as `datasets` reads them from parquet."""
    import pyarrow as pa

    named = (("quality", "quality", pa.float32()), ("columns", "column", pa.float64()))
    fields = [
        *((name, pa.string()) for name in ("id", "video_id", "clip_id", "raw_text", *PERSON)),
        *((task, pa.float32()) for task in LABELS),
        ("class", pa.int64()),
        *((m, pa.list_(pa.list_(pa.float32(), _width(source, m)))) for m in source.modalities),
        *((f"{modality}_valid", pa.list_(pa.uint8())) for modality in source.masked()),
        *(
            (f"{prefix}_{name}", pa.string() if source.is_text(group, name) else number)
            for group, prefix, number in named
            for name in source.names_under(group)
        ),
    ]
    described = {name: _feature(source, name, kind) for name, kind in fields}
    info = json.dumps({"info": {"features": described}}, sort_keys=True)
    return pa.schema(fields, metadata={"huggingface": info})


def _feature(source: Source, name: str, kind: Any) -> dict[str, Any]:
    """Return a column's type as `datasets` of any version reads it."""
    if name in source.modalities:
        row = {**_list_of("float32"), "length": _width(source, name)}
        return {"feature": row, "_type": "Sequence"}
    if name == "class":
        return {"names": list(CLASSES), "_type": "ClassLabel"}
    if name in {f"{modality}_valid" for modality in source.masked()}:
        return _list_of("uint8")
    return {
        "dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind)),
        "_type": "Value",
    }


def _list_of(dtype: str) -> dict[str, Any]:
    return {"feature": {"dtype": dtype, "_type": "Value"}, "_type": "Sequence"}


def _width(source: Source, modality: str) -> int:
    return len(source.names(modality))  # an empty part's array has no width


def _write_shard(path: Path, clips: Iterator[ExportClip], schema: Any, source: Source) -> None:
    import pyarrow.parquet as pq

    plain = [name for name in schema.names if name not in source.modalities]
    with pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=plain, write_statistics=False
    ) as writer:
        while group := list(islice(clips, _GROUP)):
            writer.write_table(_table(group, schema, source))


def _table(clips: list[ExportClip], schema: Any, source: Source) -> Any:
    import pyarrow as pa

    columns: dict[str, Any] = {
        "id": [clip.id for clip in clips],
        "video_id": [clip.video_id for clip in clips],
        "clip_id": [clip.clip_id for clip in clips],
        "raw_text": [clip.text for clip in clips],
        **{name: [clip.person[name] for clip in clips] for name in PERSON},
        **{task: [clip.labels[task] for clip in clips] for task in LABELS},
        "class": [clip.label_class for clip in clips],
        **{f"{m}_valid": [clip.valid[m] for clip in clips] for m in source.masked()},
        **{f"quality_{n}": [clip.quality[n] for clip in clips] for n in clips[0].quality},
        **{f"column_{n}": [clip.columns[n] for clip in clips] for n in clips[0].columns},
    }
    for modality in source.modalities:
        columns[modality] = _rows([clip.arrays[modality] for clip in clips])
    fields = [schema.field(name) for name in schema.names]
    arrays = [
        columns[field.name]
        if field.name in source.modalities
        else pa.array(columns[field.name], field.type)
        for field in fields
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _rows(arrays: list[NDArray[np.float32]]) -> Any:
    """Return arrays ``[length, d]`` as a list of rows each, without a Python number in between."""
    import pyarrow as pa

    width = arrays[0].shape[1]
    lengths = np.array([len(array) for array in arrays])
    values = np.concatenate(arrays).reshape(-1)
    inner = pa.FixedSizeListArray.from_arrays(pa.array(values, pa.float32()), width)
    outer = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(outer, inner)
