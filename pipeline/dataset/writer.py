"""Writing dataset.h5 as a stream: one clip's features in memory at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.corpus import LABELS, NO_CLASS
from pipeline.dataset.clips import Clips
from pipeline.dataset.disk import new_hdf5
from pipeline.dataset.inputs import gather
from pipeline.dataset.lengths import LengthStatistics, length_statistics
from pipeline.dataset.provenance import root_attributes
from pipeline.dataset.split import (
    PARTS,
    UNLABELLED,
    Split,
    SplitClip,
    split_clips,
)
from pipeline.errors import BuildError
from pipeline.manifest.build import sheet_notes
from pipeline.stages import slots
from pipeline.store.features import Store, again
from pipeline.store.files import written_whole
from pipeline.store.made import note_made
from pipeline.store.quarantine import write_quarantine
from pipeline.terminal import tracked

_TEXT = h5py.string_dtype("utf-8")
_FORMAT = ("earliest", "v110")


def build_dataset(config: Config, *, progress: bool = True) -> Split:
    """Split, pad and write all usable clips: ``dataset.h5`` and ``quarantine.csv``.

    The layout is described in docs/data-format.md. Peak memory does not grow with the
    number of clips (but for a few hundred bytes each), and the same inputs give the same
    bytes.

    Parameters
    ----------
    config : Config
        ``processed`` holds the manifest, the records and the feature files.
    progress : bool
        Show a progress bar when standard error is a terminal.

    Returns
    -------
    Split
        The parts, and why the clips were split in this way.

    Raises
    ------
    BuildError
        If a stage is unfinished, files do not belong together, no clip is left, or the
        split asked for cannot be made.
    """
    gathered = gather(config)
    clips = gathered.clips
    labelled = clips.at(np.flatnonzero(~clips.unlabelled))
    split = split_clips(_split_clips(labelled), config.dataset)
    lengths = _lengths(config, labelled if len(labelled) else clips)
    attributes = root_attributes(
        config, clips, lengths, [*gathered.remarks, *sheet_notes(config.processed), *split.warnings]
    )
    attributes |= {"split": split.kind, "split_reason": split.reason}
    _check_widths(config, clips, attributes)
    members = _members(clips, split)
    quality = list(clips.all_quality)
    kept = {name: clips.has_numbers(name) for name in sorted(config.manifest.keep_columns)}
    shown = tracked(range(len(clips)), "dataset", len(clips), shown=progress)
    with (
        written_whole(config.layout.dataset) as temporary,
        new_hdf5(temporary, _FORMAT) as (file, disk),
    ):
        for name in sorted(attributes):
            file.attrs[name] = attributes[name]
        for part, own in members.items():
            group = file.create_group(part)
            writer = _PartWriter(group, own, lengths, quality, config, kept)
            for _ in writer.write():
                disk.check()
                next(shown, None)
            file.attrs[f"digest_{part}"] = writer.digest.hexdigest()
    write_quarantine(config.layout.quarantine, gathered.quarantine)
    note_made(config.layout, "dataset", [config.layout.dataset, config.layout.quarantine])
    return split


def _lengths(config: Config, clips: Clips) -> dict[str, LengthStatistics]:
    """Return the common lengths.

    They are those of the labelled clips, if there are any, so that clips without labels change
    nothing in the parts that models are trained on.
    """
    return {m: length_statistics(clips.steps(m), config.dataset.sigmas) for m in slots(config)}


def _members(clips: Clips, split: Split) -> dict[str, Clips]:
    """Return the clips of each part that is written; unlabelled only if it has any."""
    places: dict[str, list[int]] = {part: [] for part in (*PARTS, UNLABELLED)}
    for place, clip in enumerate(clips.ids):
        places[split.part_of.get(clip, UNLABELLED)].append(place)
    return {part: clips.at(own) for part, own in places.items() if own or part != UNLABELLED}


class _PartWriter:
    """Writes one part: train, valid, test or unlabelled.

    Parameters
    ----------
    group : h5py.Group
        Empty.
    clips : Clips
        In natural order of their ids.
    lengths : mapping of str to LengthStatistics
        Common lengths.
    quality : sequence of str
        Names of the quality figures.
    config : Config
        Where the features are, and how hard to compress.
    kept : mapping of str to bool
        The sheet's columns that the user keeps, each with whether it holds numbers.
    """

    def __init__(
        self,
        group: h5py.Group,
        clips: Clips,
        lengths: Mapping[str, LengthStatistics],
        quality: Sequence[str],
        config: Config,
        kept: Mapping[str, bool],
    ) -> None:
        self.kept = kept
        self.group = group
        self.clips = clips
        self.slots = slots(config)
        self.padded = {m: lengths[m].padded for m in self.slots}
        self.quality = quality
        self.store = Store(config.processed)
        self.level = config.dataset.compression
        self.digest = hashlib.sha256()

    def write(self) -> Iterator[None]:
        """Write everything, yielding after each clip; afterwards `digest` is complete."""
        self._write_tables()
        arrays = {m: self._features(m) for m in self.slots}
        masks = {
            m: self._array(f"{m}_valid", (self.padded[m],), np.dtype(np.uint8), 256)
            for m, stage in self.slots.items()
            if stage.feature is not None and stage.feature.mask
        }
        for row, clip in enumerate(self.clips.ids):
            for modality, stage in self.slots.items():
                assert stage.feature is not None
                features = self.store.read(stage.name, clip).arrays
                arrays[modality][row] = self._fitted(features[stage.feature.array], modality, clip)
                if modality in masks:
                    mask = features[stage.feature.mask]
                    masks[modality][row] = self._fitted(mask, modality, clip)
            yield

    def _features(self, modality: str) -> h5py.Dataset:
        width = int(self.clips.widths(modality)[0]) if len(self.clips) else 0
        shape = (self.padded[modality], width)
        return self._array(modality, shape, np.dtype(np.float32), 1)

    def _array(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int
    ) -> h5py.Dataset:
        options: dict[str, Any] = {}
        if len(self.clips):
            options["chunks"] = (min(rows, len(self.clips)), *shape)
            if self.level:
                options |= {"compression": "gzip", "compression_opts": self.level, "shuffle": True}
        return self.group.create_dataset(
            name, (len(self.clips), *shape), dtype, track_times=False, **options
        )

    def _fitted(self, features: NDArray[Any], modality: str, clip: str) -> NDArray[Any]:
        """Pad with zeros at the back, or cut the end."""
        if not np.isfinite(features).all():
            raise BuildError(
                f"the {modality} feature of clip {clip} holds NaN or infinite values",
                f"make it again: {again(modality, clip)}",
            )
        fitted = np.zeros((self.padded[modality], *features.shape[1:]), features.dtype)
        kept = features[: self.padded[modality]]
        fitted[: len(kept)] = kept
        self.digest.update(fitted.tobytes())
        return fitted

    def _write_tables(self) -> None:
        clips = self.clips
        self._column("id", clips.ids)
        for name, column in (("raw_text", "text"), *((n, n) for n in ("speaker", "gender", "age"))):
            self._column(name, [word or "" for word in clips.words(column)])
        for name in LABELS:
            self._column(f"labels/{name}", clips.numbers(name).astype(np.float32))
        classes = [NO_CLASS if k is None else k for k in clips.classes]
        self._column("class", np.asarray(classes, np.int8))
        for name in self.quality:
            self._column(f"quality/{name}", clips.quality(name).astype(np.float32))
        self._column("quality/warnings", ["; ".join(found) for found in clips.warnings])
        self._kept_columns()
        for m, padded in self.padded.items():
            steps = clips.steps(m)
            self._column(f"{m}_lengths", np.minimum(steps, padded))
            self._column(f"quality/{m}_steps", steps)
            self._column(f"quality/{m}_truncated", (steps > padded).astype(np.uint8))

    def _kept_columns(self) -> None:
        """Write the sheet's columns that the user keeps; no digest covers them.

        They leave the digests of the parts as they were, so no model is trained anew.
        """
        for name, is_number in self.kept.items():
            if is_number:
                data: Any = self.clips.numbers(name)
                self.group.create_dataset(f"columns/{name}", data=data, track_times=False)
            else:
                data = np.asarray([v or "" for v in self.clips.words(name)], dtype=object)
                shape = (len(data),)
                self.group.create_dataset(f"columns/{name}", shape, _TEXT, data, track_times=False)

    def _column(self, name: str, values: list[str] | NDArray[Any]) -> None:
        if isinstance(values, list):
            self.digest.update("\n".join([name, *values, ""]).encode())
            data: Any = np.asarray(values, dtype=object)
            self.group.create_dataset(name, (len(values),), _TEXT, data, track_times=False)
            return
        self.digest.update(f"{name}\n".encode() + values.tobytes())
        self.group.create_dataset(name, data=values, track_times=False)


def _split_clips(clips: Clips) -> list[SplitClip]:
    columns = (clips.words(name) for name in ("mode", "speaker", "video_id"))
    return [
        SplitClip(clip, label_class, mode, speaker, str(video))
        for clip, label_class, mode, speaker, video in zip(
            clips.ids, clips.classes, *columns, strict=True
        )
    ]


def _check_widths(config: Config, clips: Clips, attributes: Mapping[str, str]) -> None:
    for modality, stage in slots(config).items():
        width = len(json.loads(attributes[f"{modality}_names"]))
        widths = clips.widths(modality)
        for place in np.flatnonzero(widths != width)[:1].tolist():
            clip = clips.ids[place]
            raise BuildError(
                f"{Store(config.processed).where(stage.name, clip)} has {widths[place]} "
                f"dimensions, expected {width}",
                f"make it again: {again(modality, clip)}",
            )
