"""Subcommands that bring things in and hand them out: projects, datasets, predictions."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.commands.options import config_of, config_options, friendly, values_of
from pipeline.config import available_cores
from pipeline.workflow.mirrors import store_step


def not_empty(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty transcript, as the build does (rule `transcript`)."""
    if value is None:
        return None
    if not value.strip():
        raise click.BadParameter("the transcript is empty")
    return value.strip()


@click.command()
@config_options
@click.argument("clips", type=click.Path(exists=True, path_type=Path))
@click.option("--text", callback=not_empty, help="The transcript of a single clip.")
@click.option("--model", default="mlf_dnn", show_default=True, help="The trained model to use.")
@click.option(
    "--openface-csv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The OpenFace CSV of a single clip, if openface.runtime is import.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV file for a folder or a sheet.  [default: predictions.csv next to their features]",
)
@click.option("--parts", is_flag=True, help="Also write the part that the sheet gives each clip.")
@click.option("--cores", type=click.IntRange(1), help="Number of cores to use.  [default: all]")
@click.pass_context
@friendly
def predict(
    context: click.Context,
    files: tuple[Path, ...],
    assignments: tuple[str, ...],
    clips: Path,
    text: str | None,
    model: str,
    openface_csv: Path | None,
    output: Path | None,
    parts: bool,
    cores: int | None,
) -> None:
    """Extract the features of CLIPS and predict their sentiments with a trained model.

    CLIPS is a media file, a folder of clips, or a label sheet (its media lie next to it). Only
    the features that the model was trained on are computed: a model without vision needs no
    OpenFace. Give the --config and --set options of the build that trained it.

    For a media file, the sentiments are printed. For a folder or a sheet, they are written to a
    CSV file: clip, M, T, A, V, and M_std, T_std, A_std, V_std, the standard deviation over the
    seeds. A task that the model has not learned is empty. The features are kept in
    processed/predict, so that an interrupted call resumes; clips that cannot be used are listed
    in quarantine.csv there. A model that reads transcripts needs a sheet (label.csv with the
    columns video_id, clip_id and text) in the folder.

    \b
    Examples:
      chsims-build predict my.mp4 --text "太好了！" --model mlf_dnn
      chsims-build predict my-clips/ --output predictions.csv
      chsims-build predict my-clips/label.csv --parts
    """
    from pipeline.commands.predict import predict_clip
    from pipeline.commands.predict_many import SHEETS, Request, predict_many
    from pipeline.commands.status import print_prediction

    config = config_of(context, files, assignments)
    if clips.is_dir() or clips.suffix.lower() in SHEETS:
        if text is not None or openface_csv is not None:
            raise click.UsageError(
                "--text and --openface-csv are for a single clip; the transcripts of several stand "
                "in a label sheet, their CSVs in openface.import_folder"
            )
        request = Request(clips, model, output, parts, cores or available_cores())
        sys.exit(predict_many(values_of(context, files, assignments), request))
    if output is not None or parts:
        raise click.UsageError("--output and --parts are for a folder of clips or a label sheet")
    print_prediction(config, predict_clip(config, clips, text, model, openface_csv))


@click.command()
@config_options
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(["mmsa", "huggingface", "webdataset", "csd", "csv"]),
    help="The format.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File or folder to write.  [default: exports/FORMAT in the build's folder]",
)
@click.option(
    "--force",
    is_flag=True,
    help="If something else lies at --output, rename it to NAME.old instead of refusing.",
)
@click.pass_context
@friendly
def export(
    context: click.Context,
    files: tuple[Path, ...],
    assignments: tuple[str, ...],
    form: str,
    output: Path | None,
    force: bool,
) -> None:
    """Write the dataset in a format that other people's tools read.

    \b
    Formats:
      mmsa         the pickle that MMSA and its forks train on (one file)
      huggingface  parquet and a dataset card, for datasets.load_dataset (a folder)
      webdataset   tar shards, one sample per clip (a folder)
      csd          computational sequences of the CMU-MultimodalSDK (a folder)
      csv          parts, labels, lengths and quality figures, no features (one file)

    Values and ids are kept exactly; what a format cannot carry is printed. The same dataset gives
    the same bytes. A call that was interrupted resumes when you repeat it. Only an earlier export
    is ever overwritten.

    \b
    Examples:
      chsims-build export --config config/demo.yaml --to mmsa
      chsims-build export --to huggingface --output ../my-dataset
    """
    from pipeline.exports.run import export as exported
    from pipeline.terminal import tell

    config = config_of(context, files, assignments)
    done = exported(config, form, output, force=force, say=tell)
    store_step(config)
    for words in done.left_out:
        tell(f"not in this format: {words}")
    if done.was_there:
        tell("up to date: nothing was written")
    click.echo(done.path)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to make, e.g. processed/sims.",
)
@click.option("--force", is_flag=True, help="Replace the dataset of another file in that folder.")
@friendly
def adopt(file: Path, folder: Path, force: bool) -> None:
    """Make a dataset of FILE, a pickle of features that others extracted.

    FILE has the layout that MMSA reads: unaligned_39.pkl of CH-SIMS, unaligned.pkl of CH-SIMS v2,
    the output of MMSA-FET, or a file of "chsims-build export --to mmsa". Nothing in it is executed,
    and it is not loaded whole: a pickle that needs anything but arrays, numbers, text, lists and
    dicts is refused, and the first such name is printed.

    Then train on the folder and report, without clips, OpenFace or BERT:

    \b
      chsims-build adopt unaligned_39.pkl --to processed/sims
      chsims-build --config processed/sims/config.yaml
      chsims-build --config processed/sims/config.yaml --set train.preset=published
    """
    from pipeline.adopt.run import adopt as adopted
    from pipeline.terminal import tell

    config = adopted(file, folder, force=force, say=tell)
    click.echo(f"train on it: chsims-build --config {config.layout.adopted_config}")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--demo", is_flag=True, help="Also make 20 short sample clips (no download).")
@friendly
def init(folder: Path, demo: bool) -> None:
    """Lay out a new project FOLDER: settings with comments, raw/, a Snakefile, a README.

    \b
    Example:
      chsims-build init my-corpus --demo
      cd my-corpus && chsims-build
    """
    from pipeline.commands.init import init_project

    init_project(folder, sample=demo)
    click.echo(f"{folder}: read README.md there" + (", or run chsims-build there" if demo else ""))
