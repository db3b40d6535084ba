"""chsims-build propose: from films to clips that can be annotated."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.commands.options import config_options, friendly, values_of
from pipeline.config import available_cores, make_config


@click.command()
@click.argument(
    "films", metavar="FILM...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--to",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the clips: a new one, or one that this command made.",
)
@click.option("--lossless", is_flag=True, help="Cut to FFV1 and PCM (.mkv) instead of H.264, AAC.")
@click.option("-n", "--dry-run", is_flag=True, help="Analyse and report, but cut no clip.")
@click.option("--cores", type=click.IntRange(1), help="Number of cores to use.  [default: all]")
@config_options
@click.pass_context
@friendly
def propose(
    context: click.Context,
    films: tuple[Path, ...],
    to: Path,
    lossless: bool,
    dry_run: bool,
    cores: int | None,
    files: tuple[Path, ...],
    assignments: tuple[str, ...],
) -> None:
    """Find the parts of films that can be clips of a corpus, and cut them.

    A clip is an utterance of 1 to 10 s within one shot, with one face on screen that is large
    enough (paper, section 3.1). FILM is a media file, or a folder of them. Transcripts come from
    subtitles (FILM.srt, FILM.zh.ass, text streams inside the film), or else from a speech
    recogniser (--set asr.model=FOLDER); otherwise they stay empty, to be typed.

    \b
    The folder then holds:
      video_0001/0001.mp4   the clips of the first film; video_0002/... of the second
      transcripts.csv       what annotate and a build read
      candidates.csv        every segment, taken or left, with its figures and the reason
      candidates.html       the same as a page, with thumbnails

    A killed command resumes when you repeat it. Films that you add, now or later, do not change
    the ids of existing clips. The settings are in the group propose (docs/configuration.md).

    \b
    Examples:
      chsims-build propose film.mkv --to raw/new
      chsims-build propose films/ --to raw/new --dry-run
      chsims-build propose film.mkv --to raw/new --set propose.min_face=96
      chsims-build annotate raw/new                  then let people vote

    \b
    Exit status:
      0  clips were proposed from all films
      1  some films could not be used; each is named
      2  none could, or the command is wrong
    """
    from pipeline.propose.run import propose as run

    config = make_config(values_of(context, files, assignments))
    status = run(
        config,
        films,
        to,
        lossless=lossless,
        dry_run=dry_run,
        cores=cores or available_cores(),
        say=click.echo,
    )
    sys.exit(status)
