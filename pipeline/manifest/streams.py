"""Which streams of a file make the clip, and where they lie on its one clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ClipError
from pipeline.manifest.probe import AudioFacts, FileFacts, VideoFacts, read_file

_DEFAULT_SCORE = 5_000_000
_SOUND_AFTER_PICTURE = 0.1
"""The last packet of sound may end this much after the last picture; what is longer counts."""


@dataclass(frozen=True)
class Probe:
    """Facts about a media file whose streams have been chosen.

    Parameters
    ----------
    duration : float
        Length of the clip in seconds: its picture's, or its sound's where that goes on.
    fps : float or None
        Average frame rate, in Hz.
    width, height : int or None
        As displayed: rotation applied, pixels square; None without a video stream.
    rotation : int or None
        Clockwise quarter turns a player applies, in degrees: 0, 90, 180 or 270.
    video_codec, audio_codec : str or None
        FFmpeg's names; None without such a stream.
    sample_rate, channels : int or None
        Of the sound, in Hz, and how many.
    time_zero : float
        The file's own timestamp of what is shown or heard first, in seconds.
    origin : float
        Seconds from the file's first timestamp, where ffmpeg begins to count, to that moment.
    video_stream, audio_stream : int or None
        Index of each stream in the file.
    video_start, video_seconds, audio_start, audio_seconds : float or None
        Start from time zero, and length, in seconds.
    video_announced : float or None
        Length of the video stream as the header announces it.
    streams_apart : float or None
        The larger of the seconds between both starts and between both ends.
    audio_track : int or None
        Number of the audio track that is taken, from 0.
    audio_tracks : tuple of str
        The audio tracks there are: number, language, whether it is the default.
    """

    duration: float
    fps: float | None
    width: int | None
    height: int | None
    rotation: int | None
    video_codec: str | None
    audio_codec: str | None
    sample_rate: int | None
    channels: int | None
    time_zero: float = 0.0
    origin: float = 0.0
    video_stream: int | None = None
    audio_stream: int | None = None
    video_start: float | None = None
    video_seconds: float | None = None
    video_announced: float | None = None
    audio_start: float | None = None
    audio_seconds: float | None = None
    streams_apart: float | None = None
    audio_track: int | None = None
    audio_tracks: tuple[str, ...] = ()


def probe(path: Path, audio_track: int | str | None = None) -> Probe:
    """Read a file and choose its streams; see `read_file` and `choose`."""
    return choose(read_file(path), audio_track)


def choose(facts: FileFacts, audio_track: int | str | None = None) -> Probe:
    """Choose a file's streams as ffmpeg itself does.

    Of several videos the largest is taken, of several audio tracks the one with most channels;
    a stream that the file marks as the default goes before. Cover art, and a stream of one
    picture next to a longer one, are no video.

    Parameters
    ----------
    facts : FileFacts
        What the file holds.
    audio_track : int or str, optional
        Number or language of the audio track to take instead.

    Raises
    ------
    ClipError
        If there is no such audio track.
    """
    video = _video(facts.videos)
    audio = _audio(facts.audios, audio_track)
    taken = [stream for stream in (video, audio) if stream is not None]
    if not taken:
        raise ClipError(
            "it has a cover picture, but neither a video nor an audio stream",
            "replace the file by one with picture and sound",
        )
    zero = min(stream.start for stream in taken)
    counted = min(stream.begins for stream in taken) if facts.start is None else facts.start
    return Probe(
        duration=round(_end(video, audio) - zero, 6),
        time_zero=round(zero, 6),
        origin=round(zero - counted, 6),
        streams_apart=_apart(video, audio),
        audio_tracks=tuple(_described(track) for track in facts.audios),
        **_of_video(video, zero),
        **_of_audio(audio, zero),
    )


def _of_video(video: VideoFacts | None, zero: float) -> dict[str, Any]:
    return {
        **{name: video and getattr(video, name) for name in ("fps", "width", "height", "rotation")},
        "video_codec": video and video.codec,
        "video_stream": None if video is None else video.index,
        "video_start": None if video is None else round(video.start - zero, 6),
        "video_seconds": None if video is None else round(video.end - video.start, 6),
        "video_announced": video and video.announced,
    }


def _of_audio(audio: AudioFacts | None, zero: float) -> dict[str, Any]:
    return {
        "audio_codec": audio and audio.codec,
        "sample_rate": audio and audio.sample_rate,
        "channels": audio and audio.channels,
        "audio_stream": None if audio is None else audio.index,
        "audio_track": None if audio is None else audio.number,
        "audio_start": None if audio is None else round(audio.start - zero, 6),
        "audio_seconds": None if audio is None else round(audio.end - audio.start, 6),
    }


def _video(videos: Sequence[VideoFacts]) -> VideoFacts | None:
    moving = [video for video in videos if not video.attached]
    longer = [video for video in moving if video.pictures > 1]
    return max(longer or moving, key=_video_score, default=None)


def _video_score(video: VideoFacts) -> int:
    return video.width * video.height + _DEFAULT_SCORE * video.default


def _audio(tracks: Sequence[AudioFacts], wanted: int | str | None) -> AudioFacts | None:
    chosen = list(tracks)
    if isinstance(wanted, int):
        chosen = [track for track in tracks if track.number == wanted]
    elif wanted is not None:
        # a single track of no known language is the only one it can be
        alone = len(tracks) == 1 and not tracks[0].language
        chosen = [track for track in tracks if track.language.lower() == wanted or alone]
    if tracks and not chosen:
        kind = "number" if isinstance(wanted, int) else "language"
        raise ClipError(
            f"it has no audio track of the {kind} {wanted} (media.audio_track); it has "
            + ", ".join(_described(track) for track in tracks),
            "set media.audio_track to one that all clips have, or leave it out to take each "
            "file's default",
        )
    return max(chosen, key=lambda t: t.channels + _DEFAULT_SCORE * t.default, default=None)


def _described(track: AudioFacts) -> str:
    words = [track.language or "no language", *(["default"] if track.default else [])]
    return f"{track.number} ({', '.join(words)})"


def _end(video: VideoFacts | None, audio: AudioFacts | None) -> float:
    if video is None or audio is None:
        return max(stream.end for stream in (video, audio) if stream is not None)
    return audio.end if audio.end > video.end + _SOUND_AFTER_PICTURE else video.end


def _apart(video: VideoFacts | None, audio: AudioFacts | None) -> float | None:
    if video is None or audio is None:
        return None
    return round(max(abs(video.start - audio.start), abs(video.end - audio.end)), 6)


def streams_of(facts: Probe) -> dict[str, Any]:
    """Return what a shard file says of a clip's streams (`pipeline.store.shards.Streams`)."""
    return {
        "video": facts.video_stream,
        "audio": facts.audio_stream,
        "origin": facts.origin,
        "zero": facts.time_zero,
        "width": facts.width or 0,
        "height": facts.height or 0,
        "announced": facts.video_announced or 0.0,
    }
