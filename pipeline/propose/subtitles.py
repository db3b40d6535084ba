"""Subtitles of a film: the files next to it, text streams inside it, and which of them to take."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError, ClipError
from pipeline.manifest.encoding import decode
from pipeline.manifest.examine import printable
from pipeline.manifest.folders import EXTENSIONS
from pipeline.media.ffmpeg import media_input, run
from pipeline.propose.film import Film
from pipeline.propose.packets import opened
from pipeline.propose.settings import ProposeSettings

_TEXT = (".srt", ".ass", ".ssa", ".vtt")
_UNUSABLE = {
    ".sup": "its subtitles are pictures, not text",
    ".idx": "its subtitles are pictures, not text",
    **dict.fromkeys((".smi", ".ttml", ".dfxp", ".lrc"), "this format is not read: save it as .srt"),
}
_TEXT_CODECS = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})

_TAGS = {
    "zh": "zh zho chi cmn chs cht sc tc chinese zh-cn zh-tw zh-hk zh-hans zh-hant zh_cn zh_tw "
    "简体 繁体 简中 繁中 中文 简 繁 中字 gb big5 mandarin",
    "en": "en eng english en-us en-gb 英文",
    "ja": "ja jpn jp japanese 日文",
    "ko": "ko kor kr korean 韩文",
    "fr": "fr fra fre french",
    "de": "de deu ger german",
    "es": "es spa spanish",
    "ru": "ru rus russian",
    "yue": "yue cantonese 粤语",
}
_LANGUAGES = {word: language for language, words in _TAGS.items() for word in words.split()}
_TRADITIONAL = frozenset(
    ["cht", "tc", "zh-tw", "zh-hk", "zh-hant", "zh_tw", "繁体", "繁中", "繁", "big5"]
)

_ASIDE = re.compile(r"\[[^\]]*\]|【[^】]*】|［[^］]*］")
_WHOLLY_ASIDE = re.compile(r"[(（][^()（）]*[)）]")
_MUSIC = frozenset("♪♫♬♩")


@dataclass(frozen=True)
class Cue:
    """One subtitle: when it is shown, in seconds, and its words on one line."""

    begin: float
    end: float
    text: str


@dataclass(frozen=True)
class Subtitles:
    """The subtitles that were taken, and what to know about all that were found.

    Parameters
    ----------
    source : str
        The file's name, or the stream; empty if there are none.
    cues : tuple of Cue
        In the order of time.
    notes : tuple of str
        What was found and not taken, and why.
    """

    source: str = ""
    cues: tuple[Cue, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Found:
    """One file or stream: its name, its tags, and how it is read."""

    name: str
    tags: frozenset[str]
    inside: bool
    forced: bool = False
    path: Path | None = None
    stream: int = -1
    cues: tuple[Cue, ...] = field(default=())

    @property
    def languages(self) -> set[str]:
        return {_LANGUAGES[tag] for tag in self.tags if tag in _LANGUAGES}


def read_subtitles(
    film: Film,
    settings: ProposeSettings,
    stream: Callable[[int], str],
    encoding: str = "auto",
) -> Subtitles:
    """Read the subtitles of a film in the language of the settings.

    Files next to the film come before streams inside it, complete ones before forced ones, those
    whose name says the language before others, and Simplified before Traditional Chinese.

    Parameters
    ----------
    film : Film
        The film.
    settings : ProposeSettings
        ``subtitles`` and ``language``.
    stream : callable
        Returns a text stream inside the film, by its index, as an ASS file (`extracted`).
    encoding : str
        Of the files next to the film (``manifest.encoding``).
    """
    if settings.subtitles == "off":
        return Subtitles()
    notes: list[str] = []
    usable: list[_Found] = []
    for found in [*_files(film.path, notes), *_streams(film, notes)]:
        try:
            found.cues = tuple(_read(found, film, settings.language, stream, encoding))
        except (BuildError, ClipError) as error:
            words = error.problem if isinstance(error, BuildError) else error.reason
            notes.append(f"{found.name} was not used: {words}")
            continue
        refusal = _refusal(found, settings.language)
        if refusal:
            notes.append(f"{found.name} was not used: {refusal}")
        else:
            usable.append(found)
    if not usable:
        return Subtitles(notes=tuple(notes))
    usable.sort(key=lambda found: _rank(found, settings.language))
    best = usable[0]
    notes += [f"{best.name} was taken before {other.name}" for other in usable[1:]]
    return Subtitles(best.name, best.cues, tuple(notes))


def _rank(found: _Found, language: str) -> tuple[Any, ...]:
    return (
        found.inside,
        found.forced,
        language not in found.languages,
        bool(found.tags & _TRADITIONAL),
        -len(found.cues),
        found.name,
    )


def _files(film: Path, notes: list[str]) -> Iterator[_Found]:
    """Yield the subtitle files that belong to a film by their name."""
    others = {
        path.stem
        for path in film.parent.iterdir()
        if path.suffix.lower() in EXTENSIONS and len(path.stem) > len(film.stem)
    }
    for path in sorted(film.parent.iterdir()):
        suffix = path.suffix.lower()
        if suffix not in (*_TEXT, *_UNUSABLE) or not path.is_file():
            continue
        rest = _rest(path.stem, film.stem)
        if rest is None or any(_rest(path.stem, other) is not None for other in others):
            continue
        if suffix in _UNUSABLE:
            notes.append(f"{printable(path.name)} was not used: {_UNUSABLE[suffix]}")
            continue
        tags = _tags(rest)
        yield _Found(printable(path.name), tags, inside=False, forced="forced" in tags, path=path)


def _rest(name: str, stem: str) -> str | None:
    """Return what follows the film's name in a file's name; None if it is another film's."""
    name, stem = (unicodedata.normalize("NFC", each) for each in (name, stem))
    if not name.casefold().startswith(stem.casefold()):
        return None
    rest = name[len(stem) :]
    return rest if not rest or rest[0] in " ._-[(（【" else None


def _tags(words: str) -> frozenset[str]:
    lowered = words.casefold()
    return frozenset(
        part
        for sep in (r"[\s.\[\]()（）【】&+]+", r"[\s._\-\[\]()（）【】&+]+")
        for part in re.split(sep, lowered)
        if part
    )


def _streams(film: Film, notes: list[str]) -> Iterator[_Found]:
    """Yield the text streams inside a film."""
    import av

    forced = av.stream.Disposition.forced
    with opened(film.path) as container:
        for stream in container.streams.subtitles:
            codec = stream.codec_context.name if stream.codec_context else "unknown"
            title = str(stream.metadata.get("title", ""))
            language = str(stream.language or "")
            words = ", ".join(filter(None, (codec, language, title)))
            name = f"stream {stream.index} of {film.path.name} ({words})"
            if codec not in _TEXT_CODECS:
                notes.append(f"{name} was not used: its subtitles are pictures, not text")
                continue
            tags = _tags(f"{language} {title}")
            yield _Found(name, tags, True, bool(stream.disposition & forced), stream=stream.index)


def _read(
    found: _Found, film: Film, language: str, stream: Callable[[int], str], encoding: str
) -> Iterator[Cue]:
    if found.path is None:
        yield from _cues(stream(found.stream), "ass", language, film.origin, found.name)
        return
    text = decode(found.path.read_bytes(), found.path, encoding).text
    form = found.path.suffix.lower().removeprefix(".")
    yield from _cues(text, form, language, 0.0, found.name)


def extracted(film: Film, stream: int, ffmpeg: str) -> str:
    """Return a text stream inside a film as an ASS file, whose clock is ffmpeg's.

    Raises
    ------
    ClipError
        If ffmpeg cannot read it.
    """
    output = media_input(film.path)[str(stream)].output("pipe:1", format="ass", scodec="ass")
    data, _, _ = run(output, film.path, ffmpeg)
    return data.decode("utf-8", "replace")


def _cues(text: str, form: str, language: str, origin: float, name: str) -> Iterator[Cue]:
    """Yield the words that are spoken, without tags, drawings and comments."""
    from pysubs2 import SSAFile
    from pysubs2.exceptions import Pysubs2Error

    try:
        events = SSAFile.from_string(text.lstrip("\ufeff"), form).events
    except (Pysubs2Error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ClipError(f"{name} is not a subtitle file ({type(error).__name__})") from error
    cues = []
    for event in events:
        if event.is_comment or event.is_drawing or event.end <= event.start:
            continue
        words = _spoken(event.plaintext, language)
        if words:
            cues.append(Cue(event.start / 1000 - origin, event.end / 1000 - origin, words))
    yield from sorted(cues, key=lambda cue: (cue.begin, cue.end))


def _spoken(text: str, language: str) -> str:
    """Return a cue's spoken words: of one language, without sounds, songs and dashes."""
    lines = [_ASIDE.sub("", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not _MUSIC & set(line)]
    lines = [line.lstrip("-–—‐").strip() for line in lines if not _WHOLLY_ASIDE.fullmatch(line)]
    if language == "zh" and any(_has_han(line) for line in lines):
        lines = [line for line in lines if _has_han(line)]
    words = " ".join(filter(None, lines))
    return "".join(c for c in re.sub(r"\s+", " ", words) if c.isprintable()).strip()


def _has_han(text: str) -> bool:
    return any("\u3400" <= c <= "\u9fff" or "\U00020000" <= c <= "\U0003ffff" for c in text)


def _has_kana(text: str) -> bool:
    return any("\u3041" <= c <= "\u30ff" for c in text)


def _share(cues: Iterable[Cue], holds: Any) -> float:
    told = [bool(holds(cue.text)) for cue in cues]
    return sum(told) / max(len(told), 1)


def _refusal(found: _Found, language: str) -> str:
    """Say why subtitles are not those that are wanted; empty if they are."""
    if not found.cues:
        return "it holds no words"
    if language == "zh":
        if _share(found.cues, _has_kana) > 0.1:
            return "its language is Japanese"
        if _share(found.cues, _has_han) < 0.5:
            return "fewer than half of its lines hold Chinese characters"
        return ""
    if found.languages and language not in found.languages:
        return f"its language is {', '.join(sorted(found.languages))}"
    return ""
