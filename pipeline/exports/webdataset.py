"""Tar shards for the webdataset library: one sample per clip."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import CLASSES
from pipeline.exports.output import Output
from pipeline.exports.shards import Shard, shards_of
from pipeline.exports.source import ExportClip, Source
from pipeline.terminal import tracked

SHARD_BYTES = 256_000_000
"""Bytes of features after which a new shard begins."""

DESCRIPTION = "dataset.json"


def write(source: Source, output: Output) -> None:
    """Write ``PART-000000.tar`` and so on, and ``dataset.json``, which describes the features."""
    shards = shards_of(source, SHARD_BYTES)
    for shard in shards:
        name = name_of(shard)
        if output.is_done(name):
            continue
        clips = source.clips(shard.part, shard.start, shard.stop)
        shown = tracked(clips, name, shard.stop - shard.start)
        with output.new(name) as temporary:
            _write_shard(temporary, shown)
    description = {
        **source.described,
        "shards": {name_of(shard): shard.stop - shard.start for shard in shards},
    }
    with output.new(DESCRIPTION) as temporary:
        text = json.dumps(description, ensure_ascii=False, indent=1, sort_keys=True)
        temporary.write_text(text + "\n", "utf-8")


def left_out(source: Source) -> list[str]:
    """Say what of a dataset the shards have no place for."""
    return ["padding: each array has its clip's true length (dataset.json has the common lengths)"]


def name_of(shard: Shard) -> str:
    """Return the file name of a shard."""
    return f"{shard.part}-{shard.number:06d}.tar"


def key_of(clip: str) -> str:
    """Return a clip's key: its id, in which a dot would end the key and is therefore escaped.

    Examples
    --------
    >>> key_of("video_0001/0003"), key_of("v/a.b%")
    ('video_0001/0003', 'v/a%2Eb%25')
    """
    return clip.replace("%", "%25").replace(".", "%2E")


def _write_shard(path: Path, clips: Iterator[ExportClip]) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for clip in clips:
            for extension, content in _sample(clip):
                entry = tarfile.TarInfo(f"{key_of(clip.id)}.{extension}")
                entry.size = len(content)  # its time, owner and mode stay the same for all
                tar.addfile(entry, io.BytesIO(content))


def _sample(clip: ExportClip) -> Iterator[tuple[str, bytes]]:
    for modality, values in clip.arrays.items():
        yield f"{modality}.npy", _npy(values)
    for modality, mask in clip.valid.items():
        yield f"{modality}_valid.npy", _npy(mask)
    yield "json", json.dumps(_facts(clip), ensure_ascii=False, sort_keys=True).encode()
    yield "txt", clip.text.encode()


def _facts(clip: ExportClip) -> dict[str, Any]:
    return {
        "id": clip.id,
        "part": clip.part,
        "labels": clip.labels,
        "class": None if clip.label_class is None else CLASSES[clip.label_class],
        **clip.person,
        "quality": clip.quality,
        **({"columns": clip.columns} if clip.columns else {}),
    }


def _npy(values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(values), allow_pickle=False)
    return stream.getvalue()
