"""What all subcommands share: errors as messages, and the options that set the configuration."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.config import Config, make_config, merge, read_values
from pipeline.errors import BuildError
from pipeline.workflow.mirrors import fetch_to_look
from pipeline.workflow.project import project_values


def friendly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print errors meant for the user as a message, not as a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BuildError as error:
            click.secho(f"error: {error}", fg="red", err=True)
            sys.exit(2)
        except OSError as error:
            if error.filename is None:
                raise
            click.secho(f"error: {error.filename}: {error.strerror}", fg="red", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(130)

    return wrapped


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config`` and ``--set``."""
    for option in (
        click.option(
            "--set",
            "assignments",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set one key, e.g. --set audio.f0=yin; repeat for more.",
        ),
        click.option(
            "--config",
            "files",
            metavar="FILE",
            multiple=True,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Config file with the differences from config/config.yaml; later files win.",
        ),
    ):
        command = option(command)
    return command


def values_of(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...]
) -> dict[str, Any]:
    """Merge the options before and after a subcommand's name."""
    earlier = context.obj or ((), ())
    given = read_values((*earlier[0], *files), (*earlier[1], *assignments))
    return over_project(given)


def over_project(values: dict[str, Any]) -> dict[str, Any]:
    """Merge settings over those of the project's config file, as Snakemake does."""
    merged = project_values()
    merge(merged, values)
    return merged


def config_of(
    context: click.Context, files: tuple[Path, ...], assignments: tuple[str, ...]
) -> Config:
    """Return the checked configuration of a subcommand; a build in S3 is fetched first."""
    config = make_config(values_of(context, files, assignments))
    for line in fetch_to_look(config):
        click.echo(line, err=True)
    return config
