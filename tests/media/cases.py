"""All odd media files, by what is special about them."""

from __future__ import annotations

import gzip
import io
import zipfile

from tests.media.make import Case, changed, first, holding, made, picture, sound, zeroed

_WEBM = ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")
_FAST = ("-movflags", "+faststart")

CONTAINERS = [
    *(
        Case(f"container {kind}", f"a.{kind}", made())
        for kind in ("mp4", "m4v", "mov", "mkv", "avi", "wmv", "asf", "ts", "mpg", "ogv", "vob")
    ),
    Case("container webm", "a.webm", made(*_WEBM)),
    Case("container flv", "a.flv", made("-ar", "44100")),
    Case("container 3gp", "a.3gp", made("-c:v", "mpeg4", "-c:a", "aac")),
    Case("container mts", "a.mts", made("-f", "mpegts")),
    Case("container m2ts", "a.m2ts", made("-f", "mpegts", "-mpegts_m2ts_mode", "1")),
    Case("a Matroska file called mp4", "a.mp4", made("-f", "matroska")),
    Case("an MP4 file called avi", "a.avi", made("-f", "mp4")),
    Case("a fragmented mp4", "a.mp4", made("-movflags", "frag_keyframe+empty_moov")),
    Case("an mp4 with its index in front", "a.mp4", made(*_FAST)),
    Case("a live Matroska file without length", "a.mkv", made("-live", "1")),
    Case("an upper-case extension", "A.MP4", made("-f", "mp4")),
]
CODECS = [
    *(
        Case(f"video {codec}", f"a.{kind}", made("-c:v", codec, *options))
        for codec, kind, options in (
            ("libx264", "mp4", ("-preset", "ultrafast")),
            ("libx264", "mkv", ("-bf", "3", "-g", "100")),
            ("libx265", "mp4", ("-preset", "ultrafast", "-x265-params", "log-level=none")),
            ("mpeg4", "mp4", ()),
            ("mpeg2video", "mkv", ()),
            ("mjpeg", "mov", ()),
            ("ffv1", "mkv", ()),
            ("huffyuv", "avi", ()),
            ("rawvideo", "avi", ()),
            ("prores", "mov", ()),
            ("libvpx-vp9", "mkv", ("-deadline", "realtime", "-cpu-used", "8")),
            ("png", "mov", ()),
        )
    ),
    *(
        Case(f"sound {codec}", f"a.{kind}", made("-c:a", codec))
        for codec, kind in (
            *(("aac", "mp4"), ("mp3", "mkv"), ("libopus", "mkv"), ("flac", "mkv")),
            *(("alac", "mov"), ("ac3", "ts"), ("pcm_s16le", "mov"), ("pcm_f32le", "mkv")),
            *(("pcm_mulaw", "mov"), ("mp2", "mpg"), ("libvorbis", "mkv"), ("adpcm_ms", "avi")),
        )
    ),
    *(
        Case(f"pixels {form}", "a.mkv", made("-c:v", "ffv1", "-pix_fmt", form))
        for form in ("yuv444p", "yuv422p10le", "gray", "bgr0", "yuva420p")
    ),
]
RATES = [
    *(
        Case(f"{rate} frames a second", "a.mp4", made(picture_is=picture(rate=rate)))
        for rate in ("5", "12.5", "15", "24000/1001", "24", "30000/1001", "48", "50", "60", "120")
    ),
    *(
        Case(
            f"sound at {rate} Hz",
            "a.mkv",
            made("-c:a", "pcm_s16le", sound_is=sound(rate)),
        )
        for rate in (8000, 11025, 16000, 22050, 32000, 48000, 96000)
    ),
    *(
        Case(f"{channels} channels", "a.mkv", made("-c:a", "pcm_s16le", "-ac", str(channels)))
        for channels in (1, 2, 3, 6, 8)
    ),
    Case(
        "uneven frames",
        "a.mp4",
        made("-vf", "select='not(mod(n,3))+lt(n,12)'", "-fps_mode", "vfr"),
    ),
]
SIZES = [
    *(
        Case(
            f"{width} x {height} pixels",
            "a.mkv",
            made("-c:v", "ffv1", picture_is=picture(f"{width}x{height}")),
            size=(width, height),
        )
        for width, height in ((16, 16), (161, 121), (640, 16), (16, 640), (1280, 720), (2, 2))
    ),
    Case("wide pixels", "a.mp4", made("-vf", "setsar=2"), size=(320, 120)),
    Case("narrow pixels", "a.mp4", made("-vf", "setsar=1/2"), size=(80, 120)),
]
STREAMS = [
    Case("no sound", "a.mp4", made("-an"), seconds=None),
    Case("no picture", "a.mp4", made("-vn"), frames=None),
    Case("two audio tracks", "a.mkv", made("-map", "0", "-map", "1", "-map", "1")),
    Case("two pictures", "a.mkv", made("-map", "0", "-map", "0", "-map", "1")),
    Case("the sound first", "a.mkv", made("-map", "1", "-map", "0")),
    Case("sound shorter than the picture", "a.mp4", made(sound_is=sound(seconds=0.8))),
    Case(
        "sound longer than the picture",
        "a.mp4",
        made(sound_is=sound(seconds=1.6)),
        frames=48,
        seconds=1.6,
    ),
    Case("begins at 100 s", "a.mkv", made("-output_ts_offset", "100")),
    Case("begins at 1000 s, ts", "a.ts", made("-output_ts_offset", "1000")),
    Case("an odd title", "a.mp4", made("-metadata", "title=一\n二 ; rm -rf")),
    Case("a single frame", "a.mp4", made("-frames:v", "1"), frames=1, seconds=0.02),
]
NOT_MEDIA = [
    Case(f"not media: {name}", "a.mp4", holding(data), refused="opened as media")
    for name, data in (
        ("empty", b""),
        ("one byte", b"x"),
        ("zeros", bytes(5000)),
        ("text", "这不是视频。".encode()),
        ("HTML", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
        ("JSON", b'{"error": "not found"}'),
        ("PDF", b"%PDF-1.4\n" + bytes(100)),
        ("a git-lfs pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        ("gzip", gzip.compress(b"video", mtime=0)),
        ("a playlist", b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        ("a concat list", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("an SDP session", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 1 RTP/AVP 96\n"),
        ("subtitles", b"1\n00:00:00,000 --> 00:00:01,000\nhello\n"),
        ("an empty ftyp box", b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"),
        ("an EBML head alone", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01"),
        ("an AVI head alone", b"RIFF\x00\x00\x00\x00AVI LIST"),
    )
]


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "video")
    return stream.getvalue()


DAMAGED = [
    Case(
        "not media: a box of 4 GB",
        "a.mp4",
        holding(b"\xff\xff\xff\xffmoov" + bytes(64)),
        refused="neither a video nor an audio stream",
    ),
    Case("wmv cut at 2%", "a.wmv", changed(first(0.02)), refused="no frame that can be decoded"),
    Case("not media: zip", "a.mp4", holding(_zip()), refused="opened as media"),
    *(
        Case(
            f"an mp4 cut at {share:.0%}", "a.mp4", changed(first(share)), refused="opened as media"
        )
        for share in (0.1, 0.5, 0.9)
    ),
    *(
        Case(
            f"an mp4 with its index in front, cut at {share:.0%}",
            "a.mp4",
            changed(first(share), *_FAST),
            refused="truncated",
        )
        for share in (0.4, 0.6, 0.8)
    ),
    *(
        Case(f"{kind} cut at 2%", f"a.{kind}", changed(first(0.02)), refused="opened as media")
        for kind in ("avi", "mov")
    ),
    Case(
        "an mp4 whose index is zeroed", "a.mp4", changed(zeroed(0.9, 1)), refused="opened as media"
    ),
    Case(
        "an mp4 whose head is zeroed", "a.mp4", changed(zeroed(0, 0.05)), refused="opened as media"
    ),
    Case("zeros within an mp4", "a.mp4", changed(zeroed(0.3, 0.5), "-g", "5"), damaged=True),
    Case("junk after an mp4", "a.mp4", changed(lambda data: data + b"junk" * 1000)),
    Case("junk after an mkv", "a.mkv", changed(lambda data: data + b"junk" * 1000)),
    Case(
        "junk before a ts",
        "a.ts",
        changed(lambda data: b"junk" * 50 + data),
        refused="opened as media",
    ),
]
CASES = [*CONTAINERS, *CODECS, *RATES, *SIZES, *STREAMS, *NOT_MEDIA, *DAMAGED]
