"""Which subtitles are taken, in whatever encoding and form, and which words are kept of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.propose.film import Film, open_film
from pipeline.propose.segments import TAKEN, Segment
from pipeline.propose.settings import ProposeSettings
from pipeline.propose.speech import Phrase
from pipeline.propose.subtitles import Cue, Subtitles, extracted, read_subtitles
from pipeline.propose.transcripts import fit, transcripts
from tests.media import FACE, ffmpeg

CHINESE = ("今天天气很好，我们去公园吧。", "好的，我马上就来。", "你怎么可以这样骗我！")
TRADITIONAL = ("今天天氣很好，我們去公園吧。", "好的，我馬上就來。", "你怎麼可以這樣騙我！")
ENGLISH = ("The weather is fine.", "I am coming.", "How could you?")
JAPANESE = ("今日はいい天気ですね。", "はい、すぐに行きます。", "どうしてですか。")


def srt(lines: tuple[str, ...], every: float = 4.0) -> str:
    """Return subtitles that are shown for 2 s every few seconds."""
    return "\n".join(
        f"{n + 1}\n00:00:{int(n * every):02d},000 --> 00:00:{int(n * every) + 2:02d},000\n{text}\n"
        for n, text in enumerate(lines)
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short film without subtitles."""
    path = tmp_path_factory.mktemp("subtitles") / "film.mkv"
    ffmpeg("-i", FACE, "-c", "copy", path)
    return path


@pytest.fixture
def film(clip: Path, tmp_path: Path) -> Film:
    """The same in a folder of its own."""
    path = tmp_path / "film.mkv"
    path.write_bytes(clip.read_bytes())
    return open_film(path)


def read(film: Film, **settings: object) -> Subtitles:
    """Read a film's subtitles."""
    chosen = ProposeSettings.model_validate(settings)
    return read_subtitles(film, chosen, lambda stream: extracted(film, stream, "wheel"))


def words(found: Subtitles) -> tuple[str, ...]:
    """Return the words of the subtitles that were taken."""
    return tuple(cue.text for cue in found.cues)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
def test_simplified_chinese_is_read_in_every_encoding(film: Film, encoding: str) -> None:
    film.path.with_suffix(".srt").write_bytes(srt(CHINESE).encode(encoding))
    found = read(film)
    assert (found.source, words(found)) == ("film.srt", CHINESE)
    assert [(cue.begin, cue.end) for cue in found.cues] == [(0, 2), (4, 6), (8, 10)]


def test_traditional_chinese_is_read_in_big5(film: Film) -> None:
    film.path.with_suffix(".cht.srt").write_bytes(srt(TRADITIONAL).encode("big5"))
    assert words(read(film)) == TRADITIONAL


def test_an_encoding_in_doubt_is_named_and_not_used(film: Film) -> None:
    film.path.with_suffix(".srt").write_bytes(
        srt(("\xe9t\xe9", "\xe0 c\xf4t\xe9")).encode("cp1252")
    )
    found = read(film)
    assert found.cues == ()
    assert "film.srt was not used" in found.notes[0]
    assert "encoding" in found.notes[0]


def test_an_encoding_in_doubt_can_be_set(film: Film) -> None:
    film.path.with_suffix(".srt").write_bytes(srt(("好",)).encode("gb18030"))
    assert read(film).cues == ()
    found = read_subtitles(film, ProposeSettings(), str, encoding="gb18030")
    assert words(found) == ("好",)


def test_chinese_is_taken_among_several_languages(film: Film) -> None:
    for name, lines in (
        ("film.en.srt", ENGLISH),
        ("film.ja.srt", JAPANESE),
        ("film.zh-TW.srt", TRADITIONAL),
        ("film.chs.srt", CHINESE),
    ):
        (film.path.parent / name).write_text(srt(lines), "utf-8")
    found = read(film)
    assert (found.source, words(found)) == ("film.chs.srt", CHINESE)
    notes = " ".join(found.notes)
    assert "film.en.srt was not used: fewer than half of its lines hold Chinese" in notes
    assert "film.ja.srt was not used: its language is Japanese" in notes
    assert "film.chs.srt was taken before film.zh-TW.srt" in notes
    assert words(read(film, language="en")) == ENGLISH
    assert read(film, subtitles="off") == Subtitles()


def test_of_bilingual_subtitles_the_chinese_lines_are_taken(film: Film) -> None:
    lines = tuple(f"{a}\n{b}" for a, b in zip(CHINESE, ENGLISH, strict=True))
    film.path.with_suffix(".srt").write_text(srt(lines), "utf-8")
    assert words(read(film)) == CHINESE


def test_tags_sounds_songs_and_comments_are_no_words(film: Film) -> None:
    header = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
        "Style: Default,Arial,20\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )
    events = (
        ("Dialogue", "{\\an8\\i1}今天{\\i0}天气很好\\N我们去吧"),
        ("Comment", "译者的话"),
        ("Dialogue", "{\\p1}m 0 0 l 100 0 100 100{\\p0}"),
        ("Dialogue", "[音乐]"),
        ("Dialogue", "♪ 一首歌 ♪"),
        ("Dialogue", "（掌声）"),
        ("Dialogue", "- 你好！\\N- 再见。"),
        ("Dialogue", "【画外音】他走了。"),
    )
    text = header + "".join(
        f"{kind}: 0,0:00:{n:02d}.00,0:00:{n:02d}.90,Default,,0,0,0,,{words}\n"
        for n, (kind, words) in enumerate(events)
    )
    film.path.with_suffix(".ass").write_text(text, "utf-8")
    assert words(read(film)) == ("今天天气很好 我们去吧", "你好！ 再见。", "他走了。")


def test_webvtt_and_html_tags_are_read(film: Film) -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.500 line:0\n<v 小王><i>今天天气很好</i></v>\n"
    film.path.with_suffix(".vtt").write_text(text, "utf-8")
    assert read(film).cues == (Cue(1.0, 2.5, "今天天气很好"),)


def test_streams_inside_the_film_are_read(film: Film, tmp_path: Path) -> None:
    for name, lines in (("en", ENGLISH), ("zh", CHINESE)):
        (tmp_path / f"{name}.srt").write_text(srt(lines), "utf-8")
    path = tmp_path / "inside.mkv"
    ffmpeg(
        *("-i", film.path, "-i", tmp_path / "en.srt", "-i", tmp_path / "zh.srt"),
        *("-map", "0", "-map", "1", "-map", "2", "-c", "copy"),
        *("-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=chi", path),
    )
    found = read(open_film(path))
    assert words(found) == CHINESE
    assert found.source == "stream 3 of inside.mkv (srt, chi)"
    assert [(cue.begin, cue.end) for cue in found.cues] == [(0, 2), (4, 6), (8, 10)]


def test_a_late_films_streams_are_on_its_clock(film: Film, tmp_path: Path) -> None:
    (tmp_path / "zh.srt").write_text(srt(CHINESE), "utf-8")
    path = tmp_path / "late.mkv"
    ffmpeg(
        *("-i", film.path, "-i", tmp_path / "zh.srt", "-map", "0", "-map", "1", "-c", "copy"),
        *("-output_ts_offset", "100", path),
    )
    found = read(open_film(path))
    assert [cue.begin for cue in found.cues] == pytest.approx([0, 4, 8], abs=0.02)


def test_pictures_of_words_are_named_as_unusable(film: Film) -> None:
    film.path.with_suffix(".sup").write_bytes(b"PG")
    assert read(film).notes == ("film.sup was not used: its subtitles are pictures, not text",)


def test_only_files_of_this_films_name_are_its_own(film: Film) -> None:
    (film.path.parent / "film.part2.mkv").write_bytes(b"")
    for name in ("film.part2.zh.srt", "filmed.srt", "other.srt"):
        (film.path.parent / name).write_text(srt(CHINESE), "utf-8")
    assert read(film) == Subtitles()


def test_a_file_that_is_no_subtitle_is_named(film: Film) -> None:
    film.path.with_suffix(".srt").write_text("今天天气很好，我们去公园吧。" * 9, "utf-8")
    (note,) = read(film).notes
    assert note.startswith("film.srt was not used: ")


@pytest.mark.parametrize("text", ['{"info": 3}', '{"events": 1}', "[1]", "[V4+ Styles]\nStyle: x"])
def test_whatever_an_ass_file_holds_is_named(film: Film, text: str) -> None:
    film.path.with_suffix(".ass").write_text(text, "utf-8")
    (note,) = read(film).notes
    assert note.startswith("film.ass was not used: ")


def segment(begin: float, end: float) -> Segment:
    """Return a segment that was taken."""
    return Segment(0, 1, begin, end, 1, "pause", "pause", 4, 1, 0, 0, 1, 100, 1, TAKEN)


def test_a_cue_belongs_to_the_clip_in_which_most_of_it_is_spoken() -> None:
    spoken = [Phrase(1.0, 2.0), Phrase(2.2, 3.0), Phrase(6.0, 7.0)]
    cues = [Cue(0.8, 2.1, "一"), Cue(2.1, 5.5, "二"), Cue(5.9, 9.0, "三")]
    clips = [segment(0.9, 3.1), segment(4.0, 5.0), segment(5.9, 7.1)]
    found = transcripts(clips, cues, spoken, 0.5, "zh")
    assert [each.text for each in found] == ["一，二", "", "三"]
    assert [each.note for each in found] == ["", "", ""]


def test_a_word_that_is_said_twice_stays_and_a_line_that_is_repeated_does_not() -> None:
    said = ("对。", "走吧", "走吧", "对。")
    cues = [Cue(n, n + 1, text) for n, text in enumerate(said)]
    for language, words in (("zh", "对。走吧，对。"), ("en", "对。 走吧 对。")):
        (found,) = transcripts([segment(0, 4)], cues, [Phrase(0, 4)], 0.5, language)
        assert found.text == words


def test_a_cue_that_is_cut_is_noted_in_both_clips() -> None:
    spoken = [Phrase(1.0, 3.0), Phrase(3.2, 4.2)]
    found = transcripts(
        [segment(0.9, 3.1), segment(3.1, 4.3)], [Cue(1.0, 4.2, "你好，再见。")], spoken, 0.5, "zh"
    )
    assert [each.text for each in found] == ["你好，再见。", ""]
    assert all("goes on over the cut" in each.note for each in found)


SPOKEN = [Phrase(n * 5.0 + (n % 3), n * 5.0 + (n % 3) + 1.5) for n in range(40)]


def shown(shift: float) -> list[Cue]:
    """Return cues for `SPOKEN` that come later by `shift` seconds."""
    return [Cue(p.begin + shift, p.end + shift, "你好") for p in SPOKEN]


def test_subtitles_that_fit_cause_no_warning() -> None:
    assert fit(shown(0.2), SPOKEN, 200.0) == []


@pytest.mark.parametrize("shift", [3.2, -7.5])
def test_shifted_subtitles_are_pointed_out_with_the_way_back(shift: float) -> None:
    (warning,) = fit([cue for cue in shown(shift) if cue.begin >= 0], SPOKEN, 200.0)
    option = "--shift-back" if shift > 0 else "--shift"
    assert f"(pysubs2 {option} {abs(shift):.1f}s FILE)" in warning


def test_subtitles_of_a_longer_film_are_pointed_out() -> None:
    cues = [*shown(0.0), *(Cue(200.0 + n, 200.5 + n, "你好") for n in range(10))]
    (warning,) = fit(cues, SPOKEN, 200.0)
    assert "10 of 50 subtitles begin after the film's end" in warning


def test_subtitles_of_another_film_are_pointed_out() -> None:
    cues = [Cue(n * 3.7, n * 3.7 + 0.4, "你好") for n in range(53)]
    spoken = [phrase for phrase in SPOKEN if phrase.begin % 2 < 1]
    assert any("another film" in warning for warning in fit(cues, spoken, 200.0))
