"""Face crops on disk, as OpenFace reads them: a folder of images per clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.openface.disk import cannot_write
from pipeline.store.scratch import scratch_folder

_FACES = "face crops for OpenFace"


@dataclass(frozen=True)
class FaceFolder:
    """A clip's face images, laid out for OpenFace: a folder `name` with `images` files."""

    name: str
    images: int


@contextmanager
def faces_folder(work: Path) -> Iterator[Path]:
    """Yield a scratch folder with an empty ``faces/`` in it, removed at the end.

    Raises
    ------
    BuildError
        If `work` cannot be written.
    """
    with ExitStack() as stack:
        try:
            scratch = stack.enter_context(scratch_folder(work, "openface-"))
            (scratch / "faces").mkdir()
        except OSError as error:
            raise cannot_write(_FACES, work, error) from error
        yield scratch


def lay_out(scratch: Path, name: str, crops: Sequence[bytes | None]) -> FaceFolder:
    """Write a clip's crops into ``faces/NAME`` below a scratch folder.

    Parameters
    ----------
    scratch : Path
        From `faces_folder`.
    name : str
        Name of the clip's folder.
    crops : sequence of bytes or None
        A JPEG file for each frame; None, without a face, is left out.

    Raises
    ------
    BuildError
        If the disk is full, for example.
    """
    folder = scratch / "faces" / name
    faces = {frame: crop for frame, crop in enumerate(crops, start=1) if crop is not None}
    try:
        folder.mkdir(exist_ok=True)
        for frame, crop in faces.items():
            # OpenFace reads images in the order of their names
            (folder / f"frame{frame:06d}.jpg").write_bytes(crop)
    except OSError as error:
        raise cannot_write(_FACES, scratch.parent, error) from error
    return FaceFolder(name, len(faces))
