"""chsims-build: the command line, a thin layer over Snakemake."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline import __version__
from pipeline.commands.annotate import annotate
from pipeline.commands.options import config_options, friendly, over_project, values_of
from pipeline.config import Config, available_cores, make_config, read_values
from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError
from pipeline.runner.threads import bound_threads
from pipeline.stages import STAGES, STEPS, is_adopted, stage_called

EXAMPLES = """
\b
Examples:
  chsims-build                                        build everything from raw/
  chsims-build --config config/demo.yaml              build the demo
  chsims-build --stage audio                          one stage and the stages it needs
  chsims-build --stage audio --set audio.f0=yin       with another setting
  chsims-build --stage faces --clip video_0001/0003   one clip (repeat for more)
  chsims-build --stage text --force                   recompute although nothing changed
  chsims-build --dry-run                              print what would run
  chsims-build status                                 clips done, stale and in quarantine
  chsims-build verify                                 read all files, find damaged ones
  chsims-build doctor                                 check the machine first
  chsims-build encoders                               what can fill each slot, and what it needs
  chsims-build predict my.mp4 --text "太好了！"        predict the sentiment of one clip
  chsims-build export --to mmsa                       the dataset for other people's tools
  chsims-build annotate raw/new                       let people vote on clips in their browsers
  chsims-build init my-corpus                         lay out a folder for a corpus of your own
  chsims-build adopt unaligned_39.pkl --to processed/sims    other people's features, to train on
"""


def not_empty(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty transcript, as the build does (rule `transcript`)."""
    if value is None:
        return None
    if not value.strip():
        raise click.BadParameter("the transcript is empty")
    return value.strip()


@click.group(
    invoke_without_command=True,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="chsims-build")
@config_options
@click.option(
    "--stage",
    "stages",
    multiple=True,
    type=click.Choice(list(dict.fromkeys([*STEPS, *MODALITIES]))),
    help="Build only this stage (or the one in this slot) and what it needs; repeat for more.",
)
@click.option(
    "--clip",
    "clips",
    multiple=True,
    metavar="VIDEO/CLIP",
    help="Build only this clip; for stages that work clip by clip; repeat for more.",
)
@click.option("--cores", type=click.IntRange(1), help="Number of cores to use.  [default: all]")
@click.option("--force", is_flag=True, help="Recompute the stages although nothing changed.")
@click.option("-n", "--dry-run", is_flag=True, help="Print which jobs would run, and run none.")
@click.option(
    "--snakemake",
    "extra",
    multiple=True,
    metavar="OPTION",
    help="Pass an option to Snakemake, e.g. --snakemake=--profile=profiles/slurm.",
)
@click.pass_context
@friendly
def main(
    context: click.Context,
    files: tuple[Path, ...],
    assignments: tuple[str, ...],
    stages: tuple[str, ...],
    clips: tuple[str, ...],
    cores: int | None,
    force: bool,
    dry_run: bool,
    extra: tuple[str, ...],
) -> None:
    """Turn raw video clips into a CH-SIMS-style dataset, trained models and a report.

    Without --stage, everything is built. What is up to date is not recomputed, and an
    interrupted build resumes when you repeat the command.
    """
    bound_threads()
    context.obj = (files, assignments)
    if context.invoked_subcommand is not None:
        if stages or clips or force or dry_run or extra or cores:
            raise BuildError(
                f"chsims-build {context.invoked_subcommand} does not build anything",
                "leave out --stage, --clip, --cores, --force, --dry-run and --snakemake",
            )
        return
    from pipeline.commands.snakemake import Call, run

    values = read_values(files, assignments)
    config = make_config(over_project(values))
    if is_adopted(config):
        _check_adopted(config, stages)
    stages = tuple(
        name if name not in {*STAGES, *MODALITIES} else stage_called(config, name).name
        for name in stages
    )
    if clips or force:
        _check_run(stages, clips, force)
        values["run"] = {"clips": list(clips), "force": list(stages) if force else []}
        config = make_config(over_project(values))
    call = Call(values, cores or available_cores(), stages, dry_run, extra)
    sys.exit(run(call, config))


def _check_adopted(config: Config, stages: tuple[str, ...]) -> None:
    from pipeline.adopt.record import adopt_again

    extracting = [name for name in stages if name not in ("train", "report")]
    if extracting:
        raise BuildError(
            f"the features of {config.processed} were adopted: there is no stage {extracting[0]}",
            f"build train and report; or adopt the file again: {adopt_again(config.layout)}",
        )


def _check_run(stages: tuple[str, ...], clips: tuple[str, ...], force: bool) -> None:
    if clips and set(stages) - set(STAGES):
        raise BuildError(
            "--clip cannot be used with the stages that need all clips",
            "build manifest, dataset, train and report without --clip",
        )
    if clips and not stages:
        raise BuildError(
            "--clip needs a stage that works clip by clip", f"add --stage {'|'.join(STAGES)}"
        )
    if force and not stages:
        raise BuildError("--force needs the stage that is to be recomputed", "add --stage NAME")


@main.command()
@config_options
@click.option("--quarantine", is_flag=True, help="List every clip in quarantine, with the reason.")
@click.pass_context
@friendly
def status(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...], quarantine: bool
) -> None:
    """Show how many clips of each stage are done, stale and in quarantine."""
    from pipeline.commands.status import print_status

    config = make_config(values_of(context, files, assignments))
    print_status(config, with_quarantine=quarantine)


@main.command()
@config_options
@click.option(
    "--recompute",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="Also compute N clips anew, spread over the corpus, and compare every feature.",
)
@click.pass_context
@friendly
def verify(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...], recompute: int
) -> None:
    """Read every file of a build whole and hold it against its digest.

    Feature files, shards, records, the manifest, the dataset, weights, predictions and results
    carry the SHA-256 of their content. Each damaged or lost file is named, with the command
    that makes it again; the exit status is then 1. Nothing in the build's folder is changed.
    "No digest" means that an earlier version wrote the file, or that the last build of its
    step did not end.

    \b
    Examples:
      chsims-build verify --config config/demo.yaml
      chsims-build verify --recompute 5
    """
    from pipeline.commands.verify import print_verified

    config = make_config(values_of(context, files, assignments))
    sys.exit(0 if print_verified(config, recompute, available_cores()) else 1)


@main.command()
@config_options
@click.option(
    "--openface",
    is_flag=True,
    help="Also run OpenFace on a packaged face clip (of runtime import: read the first CSV).",
)
@click.pass_context
@friendly
def doctor(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...], openface: bool
) -> None:
    """Check the machine, the models and the corpus before a long build.

    \b
    Exit status:
      0  nothing is missing (notes do not count)
      1  something is missing
      2  the configuration or the command is wrong
      3  with --openface: OpenFace does not work, whatever else is missing
    """
    from pipeline.commands.doctor import examine, exit_status, print_checks

    config = make_config(values_of(context, files, assignments))
    checks = examine(config, with_openface=openface)
    print_checks(checks)
    sys.exit(exit_status(checks))


@main.command()
@config_options
@click.pass_context
@friendly
def report(context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...]) -> None:
    """Rewrite the report from the existing files, also for an unfinished build."""
    from pipeline.report.build import build_report

    config: Config = make_config(values_of(context, files, assignments))
    if not config.layout.manifest.is_file():
        raise BuildError(
            f"{config.processed}: nothing has been built there yet",
            "build first: chsims-build; or name the build's folder: --set processed=FOLDER",
        )
    click.echo(build_report(config))


@main.command()
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

    values = values_of(context, files, assignments)
    if clips.is_dir() or clips.suffix.lower() in SHEETS:
        if text is not None or openface_csv is not None:
            raise click.UsageError(
                "--text and --openface-csv are for a single clip; the transcripts of several stand "
                "in a label sheet, their CSVs in openface.import_folder"
            )
        request = Request(clips, model, output, parts, cores or available_cores())
        sys.exit(predict_many(values, request))
    if output is not None or parts:
        raise click.UsageError("--output and --parts are for a folder of clips or a label sheet")
    config = make_config(values)
    print_prediction(config, predict_clip(config, clips, text, model, openface_csv))


@main.command()
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


@main.command()
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

    config = make_config(values_of(context, files, assignments))
    done = exported(config, form, output, force=force, say=tell)
    for words in done.left_out:
        tell(f"not in this format: {words}")
    if done.was_there:
        tell("up to date: nothing was written")
    click.echo(done.path)


@main.command()
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


@main.command(name="encoders")
@config_options
@click.option("--json", "as_data", is_flag=True, help="Print JSON, one object per encoder.")
@click.pass_context
@friendly
def show_encoders(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...], as_data: bool
) -> None:
    """List what can fill each slot of the dataset: text, audio and vision.

    Each encoder (or extractor) has a name, which features.SLOT takes, and settings of its own.
    The list shows its width and steps with these settings, and whether the model, program or
    library that it needs is on this machine, with the command that fetches it. Encoders of other
    installed packages are listed too. Nothing is downloaded or computed.

    \b
    Examples:
      chsims-build encoders
      chsims-build encoders --set opensmile.level=functionals
      chsims-build --set features.audio=opensmile --set features.vision=none
    """
    from pipeline.commands.encoders import as_json, encoders, print_encoders

    found = encoders(make_config(values_of(context, files, assignments)))
    if as_data:
        click.echo(as_json(found))
    else:
        print_encoders(found)


@main.command(name="config")
@config_options
@click.pass_context
@friendly
def show_config(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...]
) -> None:
    """Print the effective configuration, every key with its help."""
    from pipeline.commands.config_reference import as_yaml

    click.echo(as_yaml(make_config(values_of(context, files, assignments))), nl=False)


main.add_command(annotate)


if __name__ == "__main__":
    main()
