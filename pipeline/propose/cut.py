"""Cutting a clip out of a film: exactly its pictures and its samples, encoded anew.

The pictures are counted against the pass over the whole film: a clip holds the same pictures, at
the same times, or it is not written. One thread and fixed settings give the same bytes each time.
"""

from __future__ import annotations

import errno
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ClipError
from pipeline.media.ffmpeg import LONGEST_SECONDS
from pipeline.propose.film import Film, Index, Samples, Times, pictures, sound
from pipeline.propose.settings import ProposeSettings
from pipeline.store.files import written_whole

VERSION = 1
"""Part of the clips' keys: raise it when the same part of a film would give other bytes."""

SUFFIXES = {False: ".mp4", True: ".mkv"}
"""Of clips that are encoded with loss, and without."""

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_BLOCK = 1024
_BIT_RATE = 192_000
_BITEXACT = {"flags": "+bitexact"}

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)

_TURNS: dict[int, list[tuple[str, str]]] = {
    0: [],
    90: [("transpose", "clock")],
    180: [("hflip", ""), ("vflip", "")],
    270: [("transpose", "cclock")],
}
"""Filters that turn a picture clockwise by so many degrees."""


def write_clip(
    film: Film,
    index: Index,
    times: Times,
    span: tuple[int, int, float],
    path: Path,
    settings: ProposeSettings,
    *,
    lossless: bool = False,
) -> None:
    """Write one part of a film as a file of its own.

    The first picture is shown, and the first sample heard, at 0 of the new file's clock.

    Parameters
    ----------
    film : Film
        The film.
    index : Index
        Where decoding can begin.
    times : ndarray, float64 [n]
        When each picture of the film is shown, in seconds.
    span : tuple of int, int, float
        Number of the first picture, of the one after the last, and when the last one ends.
    path : Path
        The file: ``.mp4``, or ``.mkv`` if `lossless`.
    settings : ProposeSettings
        ``crf``.
    lossless : bool
        FFV1 and PCM in place of H.264 and AAC.

    Raises
    ------
    ClipError
        If the film does not give the pictures that it gave before.
    BuildError
        If the file cannot be written.
    """
    first, stop, end = span
    begin = float(times[first])
    if end - begin > LONGEST_SECONDS:
        raise ClipError(
            f"{film.path.name}: the part from {begin:.3f} s on is {end - begin:.0f} s long",
            "its timestamps are damaged there: leave the film out, or re-encode it",
        )
    heard = np.concatenate(list(sound(film, begin, end, index=index)))
    shown = [*map(float, times[first:stop])]
    import av

    with written_whole(path) as temporary:
        try:
            _write(film, index, shown, end, heard, temporary, settings, lossless)
        except av.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise  # `written_whole` says what to do
            raise ClipError(
                f"{film.path.name}: what it shows from {begin:.3f} s on cannot be encoded "
                f"({error.strerror})",
                "play it there; if it is damaged, leave the film out",
            ) from error


def _write(
    film: Film,
    index: Index,
    shown: list[float],
    end: float,
    heard: Samples,
    target: Path,
    settings: ProposeSettings,
    lossless: bool,
) -> None:
    import av

    kind = "matroska" if lossless else "mp4"
    options = {"fflags": "+bitexact"} | ({} if lossless else {"movflags": "+faststart"})
    with av.open(f"file:{target}", "w", format=kind, options=options) as container:
        picture = _PictureWriter(container, film, settings, lossless)
        seen = 0
        for time, frame in pictures(film, shown[0], index=index):
            if seen == len(shown) or time > shown[-1]:
                break
            if abs(time - shown[seen]) > 1e-6:
                break
            until = shown[seen + 1] if seen + 1 < len(shown) else end
            picture.add(frame, time - shown[0], until - time)
            seen += 1
        if seen != len(shown):
            raise ClipError(
                f"{film.path.name}: from {shown[0]:.3f} s on, it gave {seen} of {len(shown)} "
                "pictures as in the first pass",
                "the film was changed, or it is damaged there: run the same command again, or "
                "leave the film out",
            )
        voice = _SoundWriter(container, film.rate, heard.shape[1], lossless)
        voice.add(heard)
        written = sorted(
            [*picture.finished(), *voice.finished()],
            key=lambda packet: (float(packet.dts * packet.time_base), packet.stream.index),
        )
        for packet in written:
            container.mux(packet)


class _PictureWriter:
    """Pictures, upright and with square pixels, at their own times."""

    def __init__(self, container: Any, film: Film, settings: ProposeSettings, lossless: bool):
        self._container, self._film = container, film
        self._settings, self._lossless = settings, lossless
        self._packets: list[Any] = []
        self._lengths: dict[int, int] = {}
        self._stream: Any = None
        self._graph: Any = None
        self._kind: tuple[Any, ...] = ()

    def add(self, frame: Any, time: float, length: float) -> None:
        """Encode a picture that is shown at `time` for `length` seconds."""
        upright = self._upright(frame)
        if self._stream is None:
            self._begin(upright, frame)
        upright.time_base = self._base
        upright.pts = round(time / self._base)
        upright.pict_type = 0
        self._lengths[upright.pts] = round((time + length) / self._base) - upright.pts
        self._packets += self._stream.encode(upright)

    def finished(self) -> list[Any]:
        """Return all packets."""
        packets = [*self._packets, *self._stream.encode(None)]
        for packet in packets:  # not every encoder hands on how long a picture is shown
            packet.duration = self._lengths[packet.pts]
        return packets

    def _upright(self, frame: Any) -> Any:
        kind = (frame.format.name, frame.width, frame.height)
        if kind != self._kind:
            self._kind, self._graph = kind, self._filters(frame)
        self._graph.push(frame)
        return self._graph.pull()

    def _filters(self, frame: Any) -> Any:
        """Return a graph that makes pictures of one kind upright, and all of one size."""
        import av.filter

        graph = av.filter.Graph()
        graph.threads = 1
        film, size, chosen = self._film, "", "yuv420p"
        steps = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base,
            ),
            *(graph.add(name, arguments) for name, arguments in _TURNS[film.rotation]),
        ]
        if self._lossless:
            chosen = _lossless_format(frame.format.name)
            if self._stream is not None:
                size = f"{self._stream.width}:{self._stream.height}:"
            ranges = "in_range=full:out_range=full:" if "yuvj" in frame.format.name else ""
            steps.append(graph.add("scale", f"{size}{ranges}flags=bicubic"))
        else:
            size = f"{film.width + film.width % 2}:{film.height + film.height % 2}"
            steps.append(graph.add("scale", f"{size}:flags=bicubic+accurate_rnd"))
        steps += [graph.add("format", chosen), graph.add("buffersink")]
        for one, after in pairwise(steps):
            one.link_to(after)
        graph.configure()
        return graph

    def _begin(self, frame: Any, source: Any) -> None:
        self._base = Fraction(source.time_base)
        if self._base > Fraction(1, 1000):  # too coarse for a sound that ends between pictures
            self._base /= 1000
        rate = Fraction(self._film.fps).limit_denominator(1001)
        options = {"threads": "1", **_BITEXACT}
        if self._lossless:
            options |= {"level": "3", "slicecrc": "1", "g": "1", "slices": "4"}
        else:
            options |= {"preset": "veryfast", "crf": str(self._settings.crf), "bf": "0"}
            options["a53cc"] = "0"  # captions inside the pictures
        codec = "ffv1" if self._lossless else "libx264"
        self._stream = self._container.add_stream(codec, rate=rate, options=options)
        self._stream.width, self._stream.height = frame.width, frame.height
        self._stream.pix_fmt = frame.format.name
        self._stream.time_base = self._base
        context = self._stream.codec_context
        context.time_base = self._base
        context.thread_count = 1
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(context, name, getattr(frame, name))
        if self._lossless:  # its pixels stay as they are: a player makes them square
            shape = Fraction(self._film.width * frame.height, self._film.height * frame.width)
            context.sample_aspect_ratio = shape.limit_denominator(255)


def _lossless_format(name: str) -> str:
    """Return the pixel format of FFV1 that holds pictures of a format without loss."""
    import av

    known = {each.name for each in av.Codec("ffv1", "w").video_formats or ()}
    plain = name.replace("yuvj", "yuv")
    return plain if plain in known else "bgr0" if av.VideoFormat(name).is_rgb else "yuv444p16le"


class _SoundWriter:
    """Sound from the clip's first sample on."""

    def __init__(self, container: Any, rate: int, channels: int, lossless: bool) -> None:
        self._rate, self._channels, self._lossless = rate, channels, lossless
        self._to = rate if lossless or rate in _AAC_RATES else 48000
        codec = "pcm_f32le" if lossless else "aac"
        layout = "mono" if channels == 1 else "stereo"
        options = dict(_BITEXACT)
        self._stream = container.add_stream(codec, rate=self._to, layout=layout, options=options)
        if not lossless:
            self._stream.bit_rate = _BIT_RATE
        self._packets: list[Any] = []
        self._base = Fraction(1, self._to)

    def add(self, samples: Samples) -> None:
        """Encode all of the clip's sound, ``[n, channels]``."""
        if self._to != self._rate:
            import soxr

            samples = np.asarray(soxr.resample(samples, self._rate, self._to), np.float32)
        block = self._stream.codec_context.frame_size or _AAC_BLOCK
        for start in range(0, len(samples), block):
            self._packets += self._stream.encode(self._frame(samples[start : start + block], start))

    def _frame(self, samples: Samples, start: int) -> Any:
        import av

        layout = "mono" if self._channels == 1 else "stereo"
        if self._lossless:
            data, form = samples.reshape(1, -1), "flt"
        else:
            data, form = np.ascontiguousarray(samples.T), "fltp"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), form, layout)
        frame.sample_rate = self._to
        frame.time_base = self._base
        frame.pts = start
        return frame

    def finished(self) -> list[Any]:
        """Return all packets."""
        return [*self._packets, *self._stream.encode(None)]
