"""A long film made of the demo's clips: shots, gaps with music, two faces, and subtitles.

``python -m tests.demofilm film/demo.mp4`` writes the film of the tutorial.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from tests.conftest import DEMO
from tests.media import ffmpeg

RATE = 25
SIZE = "320x240"
_MUSIC = "0.2*sin(2*PI*262*t)+0.15*sin(2*PI*330*t)*lt(mod(t,1),0.5)+0.1*sin(2*PI*392*t)"
"""Three tones, one of which comes and goes: no speech."""


@dataclass(frozen=True)
class Scene:
    """One shot of the film.

    Parameters
    ----------
    kind : str
        ``clip`` (a clip of the demo), ``card`` (music over a coloured picture), ``pause`` (silence
        over a black picture), ``voice`` (a clip's sound over a coloured picture) or ``two`` (a
        clip's picture twice, side by side).
    clip : str
        Which clip.
    seconds : float
        Length of a card or a pause.
    colour : str
        Of the picture.
    """

    kind: str
    clip: str = ""
    seconds: float = 0.0
    colour: str = "teal"


@dataclass(frozen=True)
class Placed:
    """A scene with its begin and end in the film, in seconds, and the words said in it."""

    scene: Scene
    begin: float
    end: float
    text: str


def story(clips: Sequence[str]) -> list[Scene]:
    """Return a film with every clip in a shot of its own, and what must not become a clip."""
    scenes = [Scene("card", seconds=2.0)]
    for number, clip in enumerate(clips):
        scenes.append(Scene("clip", clip))
        if number % 3 == 2:
            scenes.append(Scene("card", seconds=1.4, colour=("maroon", "navy")[number % 2]))
        elif number % 3 == 1:
            scenes.append(Scene("pause", seconds=0.8, colour="black"))
    scenes += [Scene("two", clips[0]), Scene("voice", clips[1], colour="olive")]
    return scenes


def texts() -> dict[str, str]:
    """Return the transcripts of the demo's clips."""
    with (DEMO / "label.csv").open(encoding="utf-8") as stream:
        return {
            f"{row['video_id']}/{row['clip_id']}": row["text"] for row in csv.DictReader(stream)
        }


def seconds_of(clip: str) -> float:
    """Return a clip's length in whole pictures of the film."""
    with av.open(str(DEMO / f"{clip}.mp4")) as container:
        length = min(float(s.duration * s.time_base) for s in container.streams)
    return int(length * RATE) / RATE


def make_film(path: Path, scenes: Sequence[Scene], *options: str) -> list[Placed]:
    """Write a film, and return where its scenes lie.

    Parameters
    ----------
    path : Path
        The film; its suffix names the container.
    scenes : sequence of Scene
        Its shots.
    *options : str
        Further options of ffmpeg for the output.
    """
    known = texts()
    inputs: list[str] = []
    graph: list[str] = []
    placed: list[Placed] = []
    moment = 0.0
    for number, scene in enumerate(scenes):
        length = scene.seconds or seconds_of(scene.clip)
        if scene.clip:
            inputs += ["-i", str(DEMO / f"{scene.clip}.mp4")]
        else:
            sound = _MUSIC if scene.kind == "card" else "0"
            inputs += ["-f", "lavfi", "-i", f"aevalsrc='{sound}':s=44100:d={length}"]
        graph += _parts(number, scene, length)
        words = known[scene.clip] if scene.clip else ""
        placed.append(Placed(scene, moment, moment + length, words))
        moment += length
    ends = "".join(f"[v{n}][a{n}]" for n in range(len(scenes)))
    graph.append(f"{ends}concat=n={len(scenes)}:v=1:a=1[v][a]")
    ffmpeg(
        *inputs,
        *("-filter_complex", ";".join(graph), "-map", "[v]", "-map", "[a]"),
        *(options or ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ar", "44100")),
        path,
    )
    return placed


def _parts(number: int, scene: Scene, length: float) -> list[str]:
    source = f"color={scene.colour}:size={SIZE}:rate={RATE}:duration={length}"
    shown = f"fps={RATE},scale=320:240,setsar=1,tpad=stop_mode=clone:stop=5,trim=duration={length}"
    if scene.kind in ("clip", "two"):
        source = f"[{number}:v]{shown}"
    if scene.kind == "two":
        source += ",split[l][r];[l][r]hstack,scale=320:240"
    picture = f"{source},setsar=1,format=yuv420p,setpts=PTS-STARTPTS[v{number}]"
    sound = f"[{number}:a]aresample=44100,aformat=channel_layouts=mono,apad,atrim=duration={length}"
    return [picture, f"{sound},asetpts=PTS-STARTPTS[a{number}]"]


def srt(placed: Sequence[Placed], shift: float = 0.0) -> str:
    """Return the words of a film as SubRip subtitles."""
    said = [each for each in placed if each.text]
    return "\n".join(
        f"{n}\n{_clock(each.begin + shift)} --> {_clock(each.end + shift)}\n{each.text}\n"
        for n, each in enumerate(said, 1)
    )


def _clock(seconds: float) -> str:
    thousandths = round(max(seconds, 0.0) * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def main(film: Path) -> None:
    """Write the film of the tutorial: two speakers, ten clips each, four of each class."""
    made = make_film(film, story([f"video_000{v}/{c:04d}" for v in (1, 2) for c in range(1, 11)]))
    film.with_suffix(".zh.srt").write_text(srt(made), "utf-8")
    print(f"{film}: {made[-1].end:.0f} s, {len(made)} shots")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
