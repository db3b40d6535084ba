"""Addresses in S3, and the local paths that stand for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import BuildError

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Url:
    """A prefix in a bucket: ``s3://bucket/prefix``.

    Parameters
    ----------
    bucket : str
        Name of the bucket.
    prefix : str
        First part of the keys, without a slash at its end; empty for the whole bucket.
    """

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read an address.

        Raises
        ------
        ValueError
            If it is none, or cannot be mirrored in a folder.
        """
        bucket, _, prefix = text.removeprefix(SCHEME).partition("/")
        prefix = prefix.strip("/")
        if not text.startswith(SCHEME) or not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise ValueError(f"write s3://BUCKET/PREFIX (found {text!r})")
        if prefix and not is_safe(prefix):
            raise ValueError(f"the prefix must be names between slashes (found {prefix!r})")
        return cls(bucket, prefix)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """Return the key of an object, from its name below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def name(self, key: str) -> str:
        """Return an object's name below the prefix.

        Raises
        ------
        BuildError
            If it would not be a file below a folder: keys are strangers' words.
        """
        name = key.removeprefix(f"{self.prefix}/") if self.prefix else key
        if not is_safe(name):
            raise BuildError(
                f"{self} holds an object whose key cannot be a file's path: {key!r}",
                "remove or rename it; the parts between slashes must be plain names, not . or ..",
            )
        return name

    def holds(self, other: Url) -> bool:
        """Tell whether an address lies in this one, or is the same."""
        inside = f"{other.prefix}/".startswith(f"{self.prefix}/") if self.prefix else True
        return self.bucket == other.bucket and inside

    def folder(self, mirror: Path) -> Path:
        """Return the folder that mirrors it below `mirror`."""
        return mirror / self.bucket / self.prefix


def is_safe(name: str) -> bool:
    """Tell whether a key is a relative path that stays below its folder."""
    parts = name.split("/")
    return PurePosixPath(name).as_posix() == name and all(
        part not in ("", ".", "..")
        and len(part.encode("utf-8", "replace")) <= _LONGEST_NAME
        and part.isprintable()
        and "\\" not in part
        for part in parts
    )
