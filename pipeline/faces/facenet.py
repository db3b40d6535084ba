"""facenet-pytorch and torchvision, imported without torch's compiler.

No job compiles a model, but torchvision imports the compiler when it is imported itself, and with
it sympy and torch's distributed tensors: two fifths of the time until a job's first clip.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

_COMPILER, _UTILS = "torch._dynamo", "torch._dynamo.utils"


@contextmanager
def without_compiler() -> Iterator[None]:
    """Let torchvision be imported in the block without torch's compiler.

    torchvision takes one function from it, ``is_compile_supported``. The stand-in for it imports
    the compiler when it is called. After the block, the compiler can be imported as usual; a
    process that has imported it before keeps it.
    """
    if _COMPILER in sys.modules:
        yield
        return
    compiler, utils = types.ModuleType(_COMPILER), types.ModuleType(_UTILS)
    vars(compiler).update(__path__=[], utils=utils)
    vars(utils).update(is_compile_supported=_is_compile_supported)
    stand_ins = {_COMPILER: compiler, _UTILS: utils}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _is_compile_supported(kind: str) -> bool:
    return bool(importlib.import_module(_UTILS).is_compile_supported(kind))


with without_compiler():
    from facenet_pytorch import MTCNN

__all__ = ["MTCNN", "without_compiler"]
