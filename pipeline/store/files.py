"""Writing files atomically, reading them back, and digests of content."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError

_PLAIN = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(_PLAIN.encode(value).encode()).hexdigest()


def state_of(path: Path | str) -> list[int]:
    """Return what changes whenever a file does: its size, times and inode.

    Its time of change (ctime) is that of the system, which nobody can set.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found = os.stat(path)  # noqa: PTH116 - asked for every feature file
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` if the block succeeds.

    The file is flushed to disk before it is renamed, so a crash leaves either the old file or the
    new one, never a part of it. What a killed process left of the same file is removed first.

    Raises
    ------
    BuildError
        If the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(path.parent, glob.escape(path.name))
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError as error:
        raise BuildError(
            f"cannot write {path}: {error.strerror or error}",
            "free disk space or fix the folder's permissions, then run the same command again",
        ) from error
    finally:
        with suppress(OSError):  # in a read-only folder there is none
            temporary.unlink(missing_ok=True)


def remove_left_over(folder: Path, name: str = "*") -> None:
    """Remove temporary files in a folder whose processes are dead.

    Parameters
    ----------
    folder : Path
        Folders below it are left alone.
    name : str
        Pattern of the names of the files that were to be written.
    """
    for left in folder.glob(f".{name}.*.tmp"):
        number = left.name.removesuffix(".tmp").rpartition(".")[2]
        if not number.isdigit():
            continue
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            left.unlink(missing_ok=True)
        except (PermissionError, OverflowError):
            continue  # another user's process lives, or this is no process number


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    with written_whole(path) as temporary:
        temporary.write_text(
            json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8"
        )


def read_json(path: Path) -> Any:
    """Read a JSON file that this project wrote.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is no JSON.
    """
    return json.loads(path.read_text("utf-8"))


SEAL = "sha256"
"""Key of a JSON object's own digest, over all its other keys."""


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the digest of its content."""
    content = json.loads(json.dumps(value))  # as it will be read: no tuples, keys are words
    return {**content, SEAL: digest(content)}


def unsealed(value: Any) -> dict[str, Any]:
    """Return a JSON object without its digest; one that never had a digest is returned as it is.

    Raises
    ------
    ValueError
        If it is no object, or its content does not have the digest that it carries.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    content = {name: each for name, each in value.items() if name != SEAL}
    if SEAL in value and value[SEAL] != digest(content):
        raise ValueError("its content does not have the digest that it carries")
    return content


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, with the digest of its content."""
    write_json(path, sealed(value))


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a JSON object that `write_sealed` wrote, now or before it had a digest.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or its content has changed since it was written.
    """
    return unsealed(read_json(path))


def package_versions(packages: tuple[str, ...]) -> Mapping[str, str]:
    """Return the installed version of each distribution, without importing it.

    Raises
    ------
    BuildError
        If one is not installed, with the command that installs it.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {package: version(package) for package in packages}
    except PackageNotFoundError as error:
        raise BuildError(
            f"the library {error.name} is not installed in this environment ({sys.prefix})",
            f"install it: {sys.executable} -m pip install {error.name}",
        ) from None
