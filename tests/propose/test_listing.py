"""Which files are films, and those that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.propose.listing import listed
from pipeline.propose.run import propose


def test_hidden_files_and_folders_are_no_films(tmp_path: Path) -> None:
    for name in ("film.mp4", "._film.mp4", "words.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    assert listed([tmp_path, tmp_path / "film.mp4"]) == [tmp_path / "film.mp4"]
    (tmp_path / "film.mp4").unlink()
    with pytest.raises(BuildError, match="holds no film"):
        listed([tmp_path])


def test_films_that_cannot_be_read_are_named_each_without_escapes(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / "gone\x1b]0;evil\x07\n.mp4").symlink_to("nothing")
    os.mkfifo(films / "pipe.mp4")
    Path(os.fsdecode(os.fsencode(films) + b"/\xb5\xe7.mp4")).touch()
    said: list[str] = []
    with pytest.raises(BuildError, match="none of the 3 films can be used"):
        propose(
            make_config({}),
            [films],
            tmp_path / "raw",
            lossless=False,
            dry_run=False,
            cores=1,
            say=said.append,
        )
    assert [line for words in said for line in words.split("\n")[:-1]] == [
        f"left out: {films}/gone\\x1b]0;evil\\x07\\n.mp4: it cannot be read "
        "(No such file or directory)",
        f"left out: {films}/pipe.mp4: it is not a regular file",
        f"left out: {films}/\\udcb5\\udce7.mp4: its name, or the name of a "
        "folder above it, is not UTF-8",
    ]
