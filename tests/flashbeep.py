"""Clips in which a face appears and a tone sounds at the same moments, in many kinds of file.

The face is the flash: where it is found, and where the sound is loud, can be read from the
features themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from pipeline.audio.settings import AudioSettings
from pipeline.store.features import Features
from tests.media import FACE, ffmpeg

SECONDS = 4.0
FIRST, EVERY, LENGTH = 0.6, 1.3, 0.2
EVENTS = tuple(FIRST + EVERY * n + LENGTH / 2 for n in range(3))
"""Middle of each event, in seconds of the uncut clip."""

_NOW = f"lt(mod(t+{EVERY - FIRST},{EVERY}),{LENGTH})"
_CODECS = {
    ".mp4": ("-c:v", "libx264", "-g", "25", "-c:a", "aac"),
    ".mov": ("-c:v", "mpeg4", "-c:a", "pcm_s16le"),
    ".mkv": ("-c:v", "libx264", "-g", "25", "-c:a", "aac"),
    ".webm": ("-c:v", "libvpx", "-g", "25", "-c:a", "libopus"),
    ".ts": ("-c:v", "libx264", "-g", "25", "-c:a", "aac"),
    ".mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    ".avi": ("-c:v", "mpeg4", "-c:a", "mp3"),
    ".wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
    ".flv": ("-c:v", "flv", "-c:a", "mp3"),
    ".ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
}


def master(path: Path, rate: str = "25") -> Path:
    """Write the uncut clip, without loss: black, and a face at each event."""
    ffmpeg(
        *("-f", "lavfi", "-i", f"color=black:size=160x120:rate={rate}:duration={SECONDS}"),
        *("-i", FACE),
        *("-f", "lavfi", "-i", f"aevalsrc='(random(0)-0.5)*{_NOW}':s=44100:d={SECONDS}"),
        "-filter_complex",
        "[1:v]trim=end_frame=1,loop=-1:1,scale=160:120,setpts=N/30/TB[face];"
        f"[0:v][face]overlay=shortest=1:enable='{_NOW}',fps={rate}[out]",
        *("-map", "[out]", "-map", "2:a", "-c:v", "ffv1", "-c:a", "pcm_s16le", path),
    )
    return path


@dataclass(frozen=True)
class Case:
    """How a file is made of the uncut clip, and what must be found in it.

    Parameters
    ----------
    make : callable
        Writes the file of this name from the uncut clip.
    name : str
        Its name, with the extension that names its container.
    begins : float
        Second of the uncut clip at which its time zero lies.
    rate : str
        Frame rate of the uncut clip.
    heard : int
        How many of the events can be heard, the last ones.
    damaged : tuple of float
        Begin and end of a span whose sound may be anything, in seconds.
    """

    make: Callable[[Path, Path], None]
    name: str
    begins: float = 0.0
    rate: str = "25"
    heard: int = len(EVENTS)
    damaged: tuple[float, float] = (0.0, 0.0)


def encoded(*options: str) -> Callable[[Path, Path], None]:
    """Make the whole clip, in the usual codecs of its container."""

    def make(source: Path, target: Path) -> None:
        ffmpeg("-i", source, *_CODECS[target.suffix], *options, target)

    return make


def _copied(before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Callable[..., None]:
    """Make a part of the encoded clip without encoding it again."""

    def make(source: Path, target: Path) -> None:
        whole = target.with_name(f"whole{target.suffix}")
        encoded()(source, whole)
        ffmpeg(*before, "-i", whole, *after, "-c", "copy", target)

    return make


def _late(stream: str, seconds: float) -> Callable[[Path, Path], None]:
    """Let one stream begin later; what it shows then is what it would have shown."""

    def make(source: Path, target: Path) -> None:
        other = {"v": "a", "a": "v"}[stream]
        late = ("-ss", str(seconds), "-itsoffset", str(seconds), "-i", source)
        maps = ("-map", f"0:{other}", "-map", f"1:{stream}")
        ffmpeg("-i", source, *late, *maps, *_CODECS[target.suffix], target)

    return make


def _without_packets(begin: float, end: float) -> Callable[[Path, Path], None]:
    """Leave out all packets between two times, as a bad transmission does."""

    def make(source: Path, target: Path) -> None:
        whole = target.with_name(f"whole{target.suffix}")
        encoded("-g", "1", "-bf", "0")(source, whole)
        with av.open(str(whole)) as given, av.open(str(target), "w") as taken:
            zero = min(float(s.start_time * s.time_base) for s in given.streams)
            copies = {s.index: taken.add_stream_from_template(s) for s in given.streams}
            for packet in given.demux():
                if packet.dts is None or begin <= float(packet.pts * packet.time_base) - zero < end:
                    continue
                packet.stream = copies[packet.stream.index]
                taken.mux(packet)

    return make


def _zeroed(begin: float, end: float) -> Callable[[Path, Path], None]:
    """Overwrite a part of the media data with zeros, as a broken download does."""

    def make(source: Path, target: Path) -> None:
        encoded("-g", "1", "-bf", "0", "-b:v", "800k")(source, target)
        places = []
        with av.open(str(target)) as container:
            zero = min(float(s.start_time * s.time_base) for s in container.streams)
            for packet in container.demux():
                if packet.pos and packet.pts is not None:
                    time = float(packet.pts * packet.time_base) - zero
                    places += [packet.pos] if begin <= time < end else []
        data = bytearray(target.read_bytes())
        data[min(places) : max(places)] = bytes(max(places) - min(places))
        target.write_bytes(data)

    return make


def _variable(kept: str) -> Callable[[Path, Path], None]:
    """Keep the frames for which an expression of ffmpeg's select filter holds."""
    return encoded("-vf", f"select='{kept}'", "-fps_mode", "vfr")


CASES = {
    "mp4": Case(encoded(), "a.mp4"),
    "mov, sound as PCM": Case(encoded(), "a.mov"),
    "mkv at 23.976": Case(encoded(), "a.mkv", rate="24000/1001"),
    "webm": Case(encoded(), "a.webm"),
    "ts": Case(encoded(), "a.ts"),
    "mpg": Case(encoded(), "a.mpg"),
    "avi": Case(encoded(), "a.avi"),
    "wmv": Case(encoded(), "a.wmv"),
    "flv": Case(encoded(), "a.flv"),
    "ogv": Case(encoded(), "a.ogv"),
    "50 frames a second": Case(encoded(), "a.mp4", rate="50"),
    "60 frames a second": Case(encoded(), "a.mp4", rate="60"),
    "cut between key frames, with an edit list": Case(
        _copied(("-ss", "0.48")), "a.mp4", begins=0.48
    ),
    "cut between key frames, picture late": Case(
        _copied(after=("-ss", "0.3")), "a.mp4", begins=0.3
    ),
    "cut between key frames, picture late, mkv": Case(
        _copied(after=("-ss", "0.3")), "a.mkv", begins=0.3
    ),
    "sound late by 1 s": Case(_late("a", 1.0), "a.mp4", heard=2),
    "sound late by 1 s, ts": Case(_late("a", 1.0), "a.ts", heard=2),
    "picture late by 0.5 s": Case(_late("v", 0.5), "a.mp4"),
    "picture late by 0.5 s, mkv": Case(_late("v", 0.5), "a.mkv"),
    "no packets for 1 s": Case(_without_packets(0.85, 1.85), "a.mp4"),
    "no packets for 1 s, ts": Case(_without_packets(0.85, 1.85), "a.ts"),
    "no packets for 1 s, mkv": Case(_without_packets(0.85, 1.85), "a.mkv"),
    "zeros within": Case(_zeroed(0.9, 1.3), "a.mp4"),
    "zeros within, ts": Case(_zeroed(1.25, 1.5), "a.ts", damaged=(0.95, 1.8)),
    "zeros within, mkv": Case(_zeroed(0.9, 1.3), "a.mkv"),
    "zeros within, avi": Case(_zeroed(0.9, 1.3), "a.avi"),
    "fast, then slow": Case(_variable("lt(t,1.2)+not(mod(n,2))"), "a.mp4"),
    "slow, then fast": Case(_variable("gt(t,2.8)+not(mod(n,2))"), "a.mkv"),
    "begins at 100 s": Case(encoded("-output_ts_offset", "100"), "a.mkv"),
    "begins at 1000 s": Case(encoded("-output_ts_offset", "1000"), "a.ts"),
    "negative timestamps": Case(
        encoded("-output_ts_offset", "-0.44", "-avoid_negative_ts", "disabled"),
        "a.mp4",
        begins=0.44,
    ),
}


def seen_at(faces: Features) -> list[float]:
    """Return the middle of each stretch of frames with a face, in seconds."""
    return middles(faces.arrays["probability"] > 0, faces.info["fps"])


def heard_at(audio: Features, settings: AudioSettings) -> list[float]:
    """Return the middle of each stretch of loud steps, in seconds."""
    return loud_at(audio.arrays["audio"], settings.sample_rate / settings.hop_length)


def loud_at(audio: np.ndarray, rate: float) -> list[float]:
    """Return the middle of each stretch of loud rows ``[steps, d]``, in seconds."""
    loudness = audio[:, 1]  # the first MFCC
    # a decoder may make a loud click of damaged data
    loud = np.quantile(loudness, 1 - LENGTH / EVERY / 2)
    return middles(loudness > (loudness.min() + loud) / 2, rate)


def middles(on: np.ndarray, rate: float) -> list[float]:
    """Return the middle of each stretch of true steps ``[steps]``, in seconds."""
    times = np.arange(len(on)) / rate
    edges = np.flatnonzero(np.diff(np.r_[False, on, False].astype(int)))
    return [float(times[a:b].mean()) for a, b in zip(edges[::2], edges[1::2], strict=True)]
