"""Objects in S3: listing, fetching and storing them, with errors that say what to do."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import BuildError
from pipeline.store.files import file_digest, written_whole
from pipeline.store.urls import Url

JOURNAL = ".objects.jsonl"
"""In the folder of a mirror: which file is which object."""

_SMALL = 8 * 1024 * 1024
_AHEAD_NS = 60 * 10**9
"""Clocks of two machines may be so far apart."""

_TIME, _DIGEST = "mtime-ns", "sha256"
"""What we note with an object: the file's time, and the digest of its content."""


@dataclass(frozen=True)
class Object:
    """An object as a listing describes it."""

    tag: str
    size: int
    time: int
    """When it was stored, in ns since 1970."""


class Bucket:
    """The objects below an address.

    Credentials, region and endpoint come from the environment alone (``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_PROFILE``, ``AWS_DEFAULT_REGION``,
    ``AWS_ENDPOINT_URL`` ...).

    Parameters
    ----------
    url : Url
        The address.
    """

    def __init__(self, url: Url) -> None:
        self.url = url

    def listed(self) -> dict[str, Object]:
        """Return the objects by their name below the prefix.

        What stands for a folder is left out, and so is a mirror's journal: a copy of a mirror's
        folder brings one along, and it describes that folder alone.

        Raises
        ------
        BuildError
            If the bucket cannot be read, or its keys cannot be paths of files.
        """
        found: dict[str, Object] = {}
        prefix = f"{self.url.prefix}/" if self.url.prefix else ""
        with self._asked("list"):
            pages = _client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.url.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    if item["Key"] == prefix or item["Key"].endswith("/"):
                        continue
                    name = self.url.name(item["Key"])
                    if PurePosixPath(name).name != JOURNAL:
                        stored = int(item["LastModified"].timestamp() * 1e9)
                        found[name] = Object(item["ETag"], item["Size"], stored)
        for name in found:
            for folder in map(str, PurePosixPath(name).parents):
                if folder in found:
                    raise BuildError(
                        f"{self.url} holds the object {folder} and others below that name, "
                        "which cannot be a file and a folder at once",
                        "rename or remove one of them",
                    )
        return found

    def fetch(self, name: str, path: Path, expected: Object) -> None:
        """Fetch an object into a file, atomically, with the time that the file had.

        Raises
        ------
        BuildError
            If it cannot be fetched, or is not what was stored.
        """
        with self._asked("get", name):
            answer = _client().get_object(Bucket=self.url.bucket, Key=self.url.key(name))
            noted: Mapping[str, str] = answer["Metadata"]
            with written_whole(path) as temporary:
                with temporary.open("wb") as stream:
                    for piece in answer["Body"].iter_chunks(1024 * 1024):
                        stream.write(piece)
                self._check(name, temporary, answer, noted)
                when = _time_of(noted.get(_TIME, ""), expected.time)
                os.utime(temporary, ns=(when, when))

    def _check(
        self, name: str, path: Path, answer: Mapping[str, Any], noted: Mapping[str, str]
    ) -> None:
        size = path.stat().st_size
        if size != answer["ContentLength"] or (
            _DIGEST in noted and noted[_DIGEST] != file_digest(path)
        ):
            raise BuildError(
                f"{self.url}/{name} is not the file that was stored (it has {size} bytes)",
                "repeat the command; if it stays so, remove the object, and the build makes it "
                "again",
            )

    def store(self, name: str, path: Path) -> tuple[str, os.stat_result]:
        """Store a file, with its time and digest; return the object's tag, and the file's state.

        A small file is read at once, since a log may grow meanwhile; a large one is never changed
        after it has got its name.
        """
        key = self.url.key(name)
        with path.open("rb") as stream, self._asked("put", name):
            status = os.fstat(stream.fileno())
            small = stream.read(_SMALL + 1)
            stream.seek(0)
            body = io.BytesIO(small) if len(small) <= _SMALL else stream
            digest = hashlib.file_digest(body, "sha256").hexdigest()
            body.seek(0)
            noted = {_TIME: str(status.st_mtime_ns), _DIGEST: digest}
            client = _client()
            if body is stream:
                extra = {"Metadata": noted}
                client.upload_fileobj(stream, self.url.bucket, key, ExtraArgs=extra)
                answer = client.head_object(Bucket=self.url.bucket, Key=key)
            else:
                answer = client.put_object(
                    Bucket=self.url.bucket, Key=key, Body=small, Metadata=noted
                )
            return str(answer["ETag"]), status

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with self._asked("delete", name):
            _client().delete_object(Bucket=self.url.bucket, Key=self.url.key(name))

    @contextmanager
    def _asked(self, what: str, name: str = "") -> Iterator[None]:
        """Turn what boto3 raises into an error that says what to do."""
        try:
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
        except ImportError:
            raise BuildError(
                f"{self.url} lies in S3, and boto3 is not installed",
                "install it: pip install 'chsims-build[s3]'",
            ) from None
        place = f"{self.url}/{name}" if name else str(self.url)
        try:
            yield
        except NoCredentialsError as error:
            raise BuildError(
                f"cannot {what} {place}: no credentials in the environment",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
            ) from error
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "?")
            raise BuildError(f"cannot {what} {place}: S3 answers {code}", _remedy(code)) from error
        except (BotoCoreError, Boto3Error) as error:
            raise BuildError(
                f"cannot {what} {place}: {error}",
                "check the network, AWS_ENDPOINT_URL and AWS_DEFAULT_REGION, then repeat the "
                "command",
            ) from error


def _time_of(noted: str, stored: int) -> int:
    """Return the time that a file gets, in ns: not one in the future, which would seem newest."""
    when = int(noted) if noted.isdecimal() else stored
    return when if when <= time.time_ns() + _AHEAD_NS else stored


def _remedy(code: str) -> str:
    if code in ("NoSuchBucket", "404"):
        return "create the bucket, or correct the address"
    if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return "check the credentials in the environment, and that they may use this bucket"
    return "repeat the command to resume from here"


def _client() -> Any:
    """Return the client of this process; a forked one makes its own."""
    return _made(os.getpid())


@lru_cache(maxsize=1)
def _made(process: int) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"max_attempts": 6, "mode": "standard"},
        max_pool_connections=16,
        # other makers' servers do not know AWS's newer checksums; ours go with each object
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.client("s3", config=config)
