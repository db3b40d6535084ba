"""Subcommands that look at a build or at the machine, and change nothing but the report."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.commands.options import config_of, config_options, friendly, values_of
from pipeline.config import available_cores, make_config
from pipeline.errors import BuildError
from pipeline.workflow.mirrors import store_step


@click.command()
@config_options
@click.option("--quarantine", is_flag=True, help="List every clip in quarantine, with the reason.")
@click.pass_context
@friendly
def status(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...], quarantine: bool
) -> None:
    """Show how many clips of each stage are done, stale and in quarantine."""
    from pipeline.commands.status import print_status

    config = config_of(context, files, assignments)
    print_status(config, with_quarantine=quarantine)


@click.command()
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
    """Read every file of a build in full and compare it with its digest.

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

    config = config_of(context, files, assignments)
    sys.exit(0 if print_verified(config, recompute, available_cores()) else 1)


@click.command()
@config_options
@click.option(
    "--openface",
    is_flag=True,
    help="Also run OpenFace on a packaged face clip (with runtime import: read the first CSV).",
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

    config = config_of(context, files, assignments)
    checks = examine(config, with_openface=openface)
    print_checks(checks)
    sys.exit(exit_status(checks))


@click.command()
@config_options
@click.pass_context
@friendly
def report(context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...]) -> None:
    """Rewrite the report from the existing files, also for an unfinished build."""
    from pipeline.report.build import build_report

    config = config_of(context, files, assignments)
    if not config.layout.manifest.is_file():
        raise BuildError(
            f"{config.processed}: nothing has been built there yet",
            "build first: chsims-build; or name the build's folder: --set processed=FOLDER",
        )
    page = build_report(config)
    store_step(config)
    click.echo(page)


@click.command(name="encoders")
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
      chsims-build encoders --set features.audio=opensmile
    """
    from pipeline.commands.encoders import as_json, encoders, print_encoders

    found = encoders(make_config(values_of(context, files, assignments)))
    if as_data:
        click.echo(as_json(found))
    else:
        print_encoders(found)


@click.command(name="config")
@config_options
@click.pass_context
@friendly
def show_config(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...]
) -> None:
    """Print the effective configuration, every key with its help."""
    from pipeline.commands.config_reference import as_yaml

    click.echo(as_yaml(make_config(values_of(context, files, assignments))), nl=False)


@click.command(name="kubernetes")
@config_options
@click.option(
    "--image", required=True, help="The pipeline's image, as the cluster's registry has it."
)
@click.option(
    "--cores", type=click.IntRange(1), default=8, show_default=True, help="Cores of the pod."
)
@click.option(
    "--memory", type=click.IntRange(1), default=32, show_default=True, help="Its memory in GiB."
)
@click.option(
    "--gpus", type=click.IntRange(0), default=0, show_default=True, help="Its NVIDIA GPUs."
)
@click.option(
    "--storage",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Size of the volume in GiB.",
)
@click.pass_context
@friendly
def kubernetes(
    context: click.Context,
    files: tuple[Path, ...],
    assignments: tuple[str, ...],
    image: str,
    cores: int,
    memory: int,
    gpus: int,
    storage: int,
) -> None:
    """Print manifests that build on Kubernetes: one Job, one volume (docs/cluster.md).

    They follow Kubernetes' schemas and have never been tried on a cluster.

    \b
    Example:
      chsims-build kubernetes --image registry.example.org/me/chsims-build:1 \\
        --set openface.runtime=import --set openface.import_folder=raw/openface > build.yaml
    """
    from pipeline.commands.kubernetes import Pods, manifests

    pods = Pods(image, cores=cores, memory_gb=memory, gpus=gpus, storage_gb=storage)
    values = values_of(context, files, assignments)
    click.echo(manifests(pods, values), nl=False)
