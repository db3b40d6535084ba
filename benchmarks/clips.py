"""One clip of any file, opened as a build opens it: for measurements and tests."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from pipeline.frames.extractor import FrameExtractor, FrameInputs
from pipeline.frames.settings import FramesSettings
from pipeline.manifest.streams import probe
from pipeline.media.clip_sound import Sound
from pipeline.media.pictures import FrameSource
from pipeline.media.sound import read_sound


def frame_inputs(media: Path, target: Path) -> FrameInputs:
    """Return what the frames stage is given of a file; it writes `target`."""
    facts = probe(media)
    return FrameInputs(
        media,
        target,
        stream=facts.video_stream,
        other=facts.audio_stream,
        size=(facts.width or 0, facts.height or 0),
        announced=facts.video_announced or 0.0,
        seconds=facts.duration,
        origin=facts.origin,
    )


def frame_source(media: Path, target: Path) -> FrameSource:
    """Run the frames stage on a file, and return what the faces stage is given."""
    found = FrameExtractor(FramesSettings()).extract(frame_inputs(media, target))
    return FrameSource.of(found, target)


def lent_source(media: Path, target: Path, lent: ExitStack) -> FrameSource:
    """Return what the faces stage gets of a file in a build: pictures decoded on the way.

    Those that do not fit into memory are written to `target`. They go when `lent` is closed.
    """
    frames = FrameExtractor(FramesSettings()).lend(frame_inputs(media, target))
    found = lent.enter_context(frames)
    return FrameSource.of(found, found.file or target, target.parent)


def sound_of(media: Path, audio_track: int | str | None = None) -> Sound:
    """Return what the audio stage is given of a file."""
    facts = probe(media, audio_track)
    if facts.audio_stream is None:
        return Sound(None, 0)
    return Sound(
        *read_sound(
            media,
            stream=facts.audio_stream,
            other=facts.video_stream,
            origin=facts.origin,
            seconds=facts.duration,
        )
    )
