"""The shell's limit on memory (``ulimit -v``), and what fails because of it."""

from __future__ import annotations

import re
import resource

_ENOUGH_MB = 16_000
"""Address space that no job of the default settings runs out of."""

_OUT_OF_MEMORY = re.compile(
    r"MemoryError|bad_alloc|allocat|out of memory|enough memory|start new thread|"
    r"failed to map|Errno 12\b",
    re.IGNORECASE,
)


def limit_mb() -> int | None:
    """Return how much address space a process may use, in MB; None without a limit."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit // 1_000_000


def memory_hint() -> str:
    """Return a hint for whatever fails under a tight limit on address space, or ''."""
    limit = limit_mb()
    if limit is None or limit > _ENOUGH_MB:
        return ""
    return f"if memory is the cause: this shell allows {limit} MB (ulimit -v); raise it"


def is_out_of_memory(words: str) -> bool:
    """Tell whether an error's words say that memory ran out, as libraries put it."""
    return bool(_OUT_OF_MEMORY.search(words))
