"""chsims-build: the command line, a thin layer over Snakemake."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline import __version__
from pipeline.commands.annotate import annotate
from pipeline.commands.exchange import adopt, export, init, predict
from pipeline.commands.looking import (
    doctor,
    kubernetes,
    report,
    show_config,
    show_encoders,
    status,
    verify,
)
from pipeline.commands.options import config_options, friendly, over_project
from pipeline.commands.propose import propose
from pipeline.config import Config, make_config, read_values
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
  chsims-build propose film.mkv --to raw/new          cut clips out of films
  chsims-build annotate raw/new                       let people vote on clips in their browsers
  chsims-build init my-corpus                         lay out a folder for a corpus of your own
  chsims-build adopt unaligned_39.pkl --to processed/sims    other people's features, to train on
"""


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
@click.option("--force", is_flag=True, help="Recompute the stages that --stage names.")
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
    from pipeline.commands.snakemake import Call, cores_or_profile, run

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
    call = Call(values, cores_or_profile(cores, extra), stages, dry_run, extra)
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


for command in (status, verify, doctor, report, show_encoders, show_config, kubernetes):
    main.add_command(command)
for command in (init, propose, annotate, predict, export, adopt):
    main.add_command(command)


if __name__ == "__main__":
    main()
