"""chsims-build annotate: the paper's voting protocol as a local web application."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.commands.options import config_options, friendly, values_of
from pipeline.config import make_config
from pipeline.errors import BuildError


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--annotators",
    type=click.IntRange(1, 100),
    default=None,
    help="How many people vote.  [default: 5, or as many as the round has]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8321,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="Host name in the links, e.g. of an https proxy in front; repeat for more.",
)
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the round: votes and cut media.  [default: FOLDER/.annotate]",
)
@click.option(
    "--export",
    "export_only",
    is_flag=True,
    help="Write annotations.csv and transcripts.csv into FOLDER, and end.",
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --export: write the two files there instead.",
)
@config_options
@click.pass_context
@friendly
def annotate(
    context: click.Context,
    folder: Path,
    annotators: int | None,
    host: str,
    port: int,
    names: tuple[str, ...],
    store: Path | None,
    export_only: bool,
    to: Path | None,
    files: tuple[Path, ...],
    assignments: tuple[str, ...],
) -> None:
    """Let people vote on the clips in FOLDER, in their browsers, by the protocol of the paper.

    The command prints one link per annotator and one for you, the organiser. Each annotator
    works alone through four phases: first all transcripts (T), then all sounds (A), then all
    silent pictures (V), finally the whole clips (M). Each clip gets -1, 0 or 1. No phase opens
    before the one before it is closed, and each annotator gets the clips in an order of their own.

    \b
    FOLDER holds the clips:  video_0001/0001.mp4, video_0001/0002.mp4, ...
    and the transcripts:     transcripts.csv (video_id, clip_id, text), or label.csv;
                             those that are missing are typed on the organiser's page

    Every vote is on the disk before the page says "Saved". Ctrl-C stops the server; the same
    command continues with the same links. The organiser's page shows progress and agreement.

    \b
    Examples:
      chsims-build annotate raw/new                 five annotators, on this machine
      chsims-build annotate raw/new --annotators 3
      chsims-build annotate raw/new --host 0.0.0.0  also from other machines
      chsims-build annotate raw/new --export        write annotations.csv, transcripts.csv
      chsims-build --set raw=raw/new                then build the corpus
    """
    from pipeline.annotate.serve import STORE

    if to is not None and not export_only:
        raise click.UsageError("--to needs --export")
    values = values_of(context, files, assignments)
    config = make_config({**values, "raw": str(folder)})
    where = store or folder / STORE
    if export_only:
        _export(where, folder, to or folder)
        return
    from pipeline.annotate.serve import Place, annotate

    annotate(config, where, annotators, Place(host, port, names), click.echo)


def _export(store: Path, folder: Path, to: Path) -> None:
    from pipeline.annotate.database import FILE, Database
    from pipeline.annotate.export import write_tables

    if not (store / FILE).is_file():
        raise BuildError(
            f"{store} holds no round of annotation (no {FILE})",
            f"start one: chsims-build annotate {folder}; or name its folder: --store FOLDER",
        )
    to.mkdir(parents=True, exist_ok=True)
    for path in write_tables(Database(store), to):
        click.echo(path)
    for sheet in sorted(p for p in to.glob("*.*") if p.stem.casefold() in ("label", "meta")):
        click.echo(
            f"note: {sheet.name} lies there too, and a build reads it before the votes; to build "
            "from the votes: --set manifest.sheet=annotations.csv",
            err=True,
        )
