"""Where an encoder lies and what identifies it: its content, never its place. No torch here."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline.encoders.content import content_digest
from pipeline.encoders.names import type_name
from pipeline.errors import BuildError, NotHereError

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")


class Wanted(Protocol):
    """The settings that name a model."""

    @property
    def model(self) -> str:
        """Name on the hub, or path of a folder."""

    @property
    def revision(self) -> str | None:
        """Commit, tag or branch on the hub."""


@dataclass(frozen=True)
class Source:
    """A model on this machine.

    Parameters
    ----------
    folder : Path
        Where its files lie.
    name, revision : str or None
        Repository and commit on the hub that it came from; None where this is not known.
    """

    folder: Path
    name: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class EncoderFiles:
    """The files of one stage's encoders: finding, checking, fetching and identifying them.

    Parameters
    ----------
    stage : str
        Name of the stage, whose settings name the model.
    needs : str
        What a usable folder holds; the next step in errors.
    required : mapping of str to tuple of str
        What a model needs apart from configuration and weights, in words, and the files of
        which one must be there.
    options : tuple of str
        JSON files with settings of a tokenizer or a preprocessor. What they say counts, not
        how it is written.
    check : callable
        Takes a folder and its configuration; raises BuildError for a model that cannot be used.
    pinned : mapping of str to str
        Revisions of models for which the settings name none.
    """

    stage: str
    needs: str
    required: Mapping[str, tuple[str, ...]]
    options: tuple[str, ...]
    check: Callable[[Path, Mapping[str, Any]], None] = lambda folder, config: None
    pinned: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The setting that names the model: ``text.model``."""
        return f"{self.stage}.model"

    @property
    def read(self) -> tuple[str, ...]:
        """Names of the files that decide a model's vectors."""
        required = (name for names in self.required.values() for name in names)
        return tuple(dict.fromkeys((CONFIG, *WEIGHTS, *required, *self.options)))

    def revision(self, settings: Wanted) -> str | None:
        """Return the revision to ask the hub for."""
        return settings.revision or self.pinned.get(settings.model)

    def find(self, settings: Wanted) -> Source:
        """Return the model: of the named folder, of the Hugging Face cache, or downloaded.

        Raises
        ------
        BuildError
            If there is no such model, with the commands that fetch it, or if its folder lacks
            a file or holds a model that cannot be used.
        """
        source = self.here(settings)
        if source is None or (source.name and self._lacking(source.folder)):
            source = self._download(settings)
        self._check_folder(source.folder)
        return source

    def here(self, settings: Wanted) -> Source | None:
        """Return the model if it is on this machine, whole or not; nothing is downloaded."""
        folder = Path(settings.model).expanduser()
        if folder.is_dir():
            return Source(folder)
        if folder.is_file():
            raise BuildError(f"{self.key}: {folder} is a file, not a folder", self.needs)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            found = snapshot_download(**self._asked(settings), local_files_only=True)
            return _of_hub(settings.model, found)
        except (LocalEntryNotFoundError, HfHubHTTPError):
            return None
        except ValueError as error:
            raise BuildError(
                f"{self.key}: there is no folder {settings.model!r} here, and it is no name on the "
                f"hub ({first_line(error)})",
                self.needs,
            ) from error

    def identity(self, settings: Wanted) -> dict[str, object]:
        """Return what identifies the model in a key: its content, not where it lies.

        Raises
        ------
        NotHereError
            If the model of this name is not on this machine; a build then fetches it.
        BuildError
            If its folder lacks a file, or holds a model that cannot be used.
        """
        return {"model": self.digest(self.present(settings).folder)}

    def present(self, settings: Wanted) -> Source:
        """Return the model as `find` does, but never download it.

        Raises
        ------
        NotHereError
            If it is not on this machine.
        """
        source = self.here(settings)
        if source is None or (source.name and self._lacking(source.folder)):
            raise NotHereError(
                f"{self.key}: {settings.model} is not on this machine (yet)",
                f"a build downloads it where it can: chsims-build --stage {self.stage}; "
                f"chsims-build doctor says more; or {self._fetching(settings)}",
            )
        self._check_folder(source.folder)
        return source

    def label(self, settings: Wanted) -> str:
        """Say which model it is: name and commit where they are known, and the digest."""
        source = self.find(settings)
        name = type_name(self.config(source.folder).get("model_type"))
        if source.name:
            name = f"{source.name} ({name}) at revision {source.revision or 'unknown'}"
        return f"{name}, SHA-256 {self.digest(source.folder)}"

    def kind(self, settings: Wanted) -> str:
        """Return the type of the model (``model_type``), with which its dimensions are named.

        Raises
        ------
        NotHereError
            If the model is not on this machine.
        """
        return str(self.config(self.present(settings).folder).get("model_type"))

    def digest(self, folder: Path) -> str:
        """Return the SHA-256 over a model's weights, configuration and further files.

        Parameters
        ----------
        folder : Path
            Where they lie; files that are not read (a README, pickled weights) do not matter.
        """
        files = sorted({path for name in self.read for path in folder.glob(name) if path.is_file()})
        status = [(path, path.stat()) for path in files]
        return content_digest(
            tuple((path, s.st_size, s.st_mtime_ns) for path, s in status), (CONFIG, *self.options)
        )

    def config(self, folder: Path) -> dict[str, Any]:
        """Return a model's configuration.

        Raises
        ------
        BuildError
            If it is not a JSON object.
        """
        return self.read_json(folder / CONFIG)

    def read_json(self, path: Path) -> dict[str, Any]:
        """Return the JSON object in one of a model's files, or raise BuildError."""
        try:
            values = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BuildError(
                f"{self.key}: cannot read {path} ({first_line(error)})", self.needs
            ) from error
        if not isinstance(values, dict):
            raise BuildError(f"{self.key}: {path} does not hold a JSON object", self.needs)
        return values

    def _download(self, settings: Wanted) -> Source:
        from huggingface_hub import snapshot_download
        from huggingface_hub.constants import ENDPOINT
        from huggingface_hub.errors import HfHubHTTPError

        try:
            urllib.request.urlopen(ENDPOINT, timeout=10).close()  # noqa: S310 - fixed https address
            return _of_hub(settings.model, snapshot_download(**self._asked(settings)))
        except (OSError, HfHubHTTPError) as error:
            revision = self.revision(settings)
            raise BuildError(
                f"{self.key}: {settings.model}{f' at revision {revision[:12]}' if revision else ''}"
                " is neither a folder here, nor in the Hugging Face cache, nor to be downloaded "
                f"({first_line(error)})",
                self._fetching(settings),
            ) from error

    def _fetching(self, settings: Wanted) -> str:
        """Say how to fetch a model for a machine without network."""
        revision = self.revision(settings)
        option = f" --revision {revision}" if revision else ""
        place = settings.model.rsplit("/", 1)[-1]
        return (
            f"on a machine with network run: hf download {settings.model}{option} --local-dir "
            f"{place}; copy the folder here and build with --set {self.key}={place}"
        )

    def _asked(self, settings: Wanted) -> dict[str, Any]:
        return {
            "repo_id": settings.model,
            "revision": self.revision(settings),
            "allow_patterns": list(self.read),
        }

    def _lacking(self, folder: Path) -> list[str]:
        """Name what a folder lacks of a model."""
        wanted: dict[str, Iterable[str]] = {
            CONFIG: (CONFIG,),
            "model.safetensors": WEIGHTS[:2],
            **self.required,
        }
        return [
            words
            for words, names in wanted.items()
            if not any((folder / name).is_file() for name in names)
        ]

    def _check_folder(self, folder: Path) -> None:
        """Refuse what can be seen without loading: files that are missing, an unusable type."""
        lacking = self._lacking(folder)
        if lacking:
            convert = "; docs/encoders.md says how to convert pickled weights"
            raise BuildError(
                f"{self.key}: the folder {folder} lacks {', '.join(lacking)}{_instead(folder)}",
                f"{self.needs}{convert if 'model.safetensors' in lacking else ''}",
            )
        config = self.config(folder)
        self.check(folder, config)
        if config.get("quantization_config"):
            raise BuildError(
                f"{self.key}: {folder} holds a {type_name(config.get('model_type'))} that is "
                "quantized; a plain encoder is read",
                self.needs,
            )
        if (folder / "adapter_config.json").is_file():
            raise BuildError(
                f"{self.key}: {folder} holds an adapter (adapter_config.json), which would not be "
                "read",
                "merge it into its model (peft: merge_and_unload), save that and name its folder",
            )


def is_stored(own: str, labels: Iterable[str]) -> bool:
    """Tell whether the model with a label is one that labels name, wherever it lay then."""
    return any(own == each or own[-64:] == each[-64:] for each in labels)


def first_line(error: Exception) -> str:
    """Return the first line of an error's words, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _of_hub(name: str, folder: str) -> Source:
    """Take the commit from the name that the cache gives to a snapshot's folder."""
    commit = Path(folder).name
    return Source(Path(folder), name, commit if re.fullmatch("[0-9a-f]{40}", commit) else None)


def _instead(folder: Path) -> str:
    """Say what a folder without safetensors holds in their place."""
    pickled = sorted(p.name for p in folder.glob("*") if p.suffix in (".bin", ".pt", ".ckpt"))
    if not pickled or any((folder / name).is_file() for name in WEIGHTS[:2]):
        return ""
    return f"; {pickled[0]} is a pickle, which could run code and is not read"
