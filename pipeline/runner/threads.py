"""Limit libraries to one thread each; the build runs one process per core.

Small convolutions on several OpenMP threads collapse when other processes share the cores: MTCNN
took 10 to 28 times as long.
"""

from __future__ import annotations

import contextlib
import ctypes
import os

_LIMITS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "RAYON_NUM_THREADS",
)


def bound_threads() -> None:
    """Limit every numerical library to one thread; call it before any of them is imported."""
    for name in _LIMITS:
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def keep_freed_memory() -> None:
    """Have glibc keep what is freed: the next picture, sound or batch asks for as much again.

    Given back to the system, it comes as fresh pages, which cost up to half of a net's time.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library decides for itself
        libc = ctypes.CDLL(None)
        for parameter in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
            libc.mallopt(parameter, 2**30)
