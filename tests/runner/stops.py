"""Stop crews whose workers fail all at once: ``python -m tests.runner.stops STOPS WORKERS BYTES``.

Each stop ends workers that compute, that send a large result, and that fail too. The seconds that
each took are printed as JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Iterator

from pipeline.errors import BuildError
from pipeline.runner.crew import work_off


def stops(count: int, workers: int, large: int) -> Iterator[float]:
    """Yield the seconds from the start of each crew until its error has arrived."""

    def work(task: int) -> bytes:
        if task % 3 == 1:
            raise BuildError("the disk is full", "free space")
        if task % 3 == 2:
            time.sleep(30)
        return bytes(large)

    for stop in range(count):
        began = time.monotonic()
        try:
            list(work_off(range(stop % 3, 3 * workers), workers, lambda: work))
        except BuildError as error:
            if "the disk is full" not in str(error):
                raise
        else:
            raise AssertionError(f"stop {stop}: no error arrived")
        yield time.monotonic() - began
    if left := multiprocessing.active_children():
        raise AssertionError(f"still there: {left}")


if __name__ == "__main__":
    print(json.dumps(list(stops(*map(int, sys.argv[1:])))))
