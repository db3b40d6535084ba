"""The memory that a job with an encoder may need."""

from __future__ import annotations

from pipeline.encoders.files import EncoderFiles, Wanted
from pipeline.errors import BuildError

_LIBRARIES_MB = 3000
_UNKNOWN_MB = 6000


def memory_of(files: EncoderFiles, settings: Wanted) -> int:
    """Return MB for the libraries, the weights in float32, and what a batch needs.

    Weights in a file of half precision take twice its size; as much again is taken while they
    are loaded. For a model that is not here yet, a base model is assumed.
    """
    try:
        folder = files.present(settings).folder
    except BuildError:
        return _UNKNOWN_MB
    size = sum(path.stat().st_size for path in folder.glob("model*.safetensors"))
    return _LIBRARIES_MB + 4 * (size // 1_000_000)
