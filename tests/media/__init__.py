"""Clips that nobody prepared: other codecs, rates, lengths, faces; made by ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeline.media.ffmpeg import ffmpeg_program
from tests.conftest import DEMO

FACE = DEMO / "video_0001" / "0001.mp4"
OTHER = DEMO / "video_0002" / "0001.mp4"


def _matrix(name: str) -> tuple[str, ...]:
    return ("-c:v", "libx264", "-vf", f"setparams=colorspace={name}", "-colorspace", name)


_INTERLACED = ("-flags", "+ilme+ildct", "-vf", "setfield=tff", "-pix_fmt", "yuv420p")

FORMS = {
    "plain": ("-c:v", "libx264"),
    "bt709": _matrix("bt709"),
    "smpte170m": _matrix("smpte170m"),
    "bt470bg": _matrix("bt470bg"),
    "smpte240m": _matrix("smpte240m"),
    "bt2020": _matrix("bt2020nc"),
    "bt2020, 10 bits": (*_matrix("bt2020nc"), "-pix_fmt", "yuv420p10le"),
    "limited range": ("-c:v", "libx264", "-color_range", "tv"),
    "full range": ("-c:v", "libx264", "-vf", "scale=out_range=pc", "-color_range", "pc"),
    "yuvj420p": ("-c:v", "libx264", "-pix_fmt", "yuvj420p"),
    "motion jpeg": ("-c:v", "mjpeg", "-pix_fmt", "yuvj422p"),
    "4:2:2": ("-c:v", "libx264", "-pix_fmt", "yuv422p"),
    "4:4:4": ("-c:v", "libx264", "-pix_fmt", "yuv444p"),
    "4:1:1": ("-c:v", "ffv1", "-pix_fmt", "yuv411p"),
    "rgb": ("-c:v", "ffv1", "-pix_fmt", "gbrp"),
    "grey": ("-c:v", "ffv1", "-pix_fmt", "gray"),
    "transparent": ("-c:v", "ffv1", "-pix_fmt", "yuva420p"),
    "odd size": ("-c:v", "mpeg4", "-vf", "scale=161:121"),
    "no multiple of four": ("-c:v", "libvpx", "-vf", "scale=322:202"),
    "interlaced h264": ("-c:v", "libx264", "-x264opts", "tff=1", *_INTERLACED),
    "interlaced mpeg2": ("-c:v", "mpeg2video", *_INTERLACED),
}
"""Options that encode a clip in another form."""


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg quietly; the last argument is the file it writes."""
    Path(arguments[-1]).parent.mkdir(parents=True, exist_ok=True)
    command = [ffmpeg_program(), "-nostdin", "-loglevel", "error", "-y", "-threads", "1"]
    subprocess.run([*command, *map(str, arguments)], check=True, timeout=300)


def face_clip(path: Path, *options: str, seconds: float = 1.4, rate: str = "25") -> Path:
    """Write a talking face: a part of a demo clip, encoded as the options say."""
    ffmpeg("-t", str(seconds), "-i", FACE, "-r", rate, *options, path)
    return path


def two_faces(path: Path, seconds: float = 1.4) -> Path:
    """Write a large face that stays, beside a smaller one that comes late."""
    late = seconds / 2
    picture = (
        f"[1:v]scale=160:120,setpts=PTS-STARTPTS+{late}/TB[small];"
        "[0:v]pad=480:240:0:0:gray[wide];[wide][small]overlay=320:60:eof_action=pass[out]"
    )
    ffmpeg(
        *("-t", str(seconds), "-i", FACE, "-t", str(seconds - late), "-i", OTHER),
        *("-filter_complex", picture, "-map", "[out]", "-map", "0:a", path),
    )
    return path


def no_face(path: Path, seconds: float = 1.4) -> Path:
    """Write a test picture with a tone."""
    ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc=size=320x240:rate=30:duration={seconds}"),
        *("-f", "lavfi", "-i", f"sine=frequency=220:sample_rate=44100:duration={seconds}", path),
    )
    return path


def truncated(path: Path) -> Path:
    """Write the first part of an MP4 whose index promises all of it."""
    whole = path.with_suffix(".whole.mp4")
    ffmpeg("-i", FACE, "-movflags", "+faststart", whole)
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    whole.unlink()
    return path


def variable_rate(path: Path) -> Path:
    """Write a clip whose frames come at uneven times."""
    ffmpeg(
        *("-t", "1.4", "-i", FACE, "-vf", "select='not(mod(n,3))+lt(n,12)'", "-fps_mode", "vfr"),
        path,
    )
    return path


def phone(path: Path) -> Path:
    """Write a clip that is stored on its side, as phones do, with the angle in its header."""
    upright = face_clip(path.with_suffix(".upright.mp4"))
    side = path.with_suffix(".side.mp4")
    ffmpeg("-i", upright, "-vf", "transpose=1", "-c:a", "copy", side)
    ffmpeg("-display_rotation", "90", "-i", side, "-c", "copy", path)
    upright.unlink()
    side.unlink()
    return path
