"""Working off tasks in several processes; a crash costs the film that it happened with."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeVar

from pipeline.errors import BuildError, ClipError
from pipeline.runner.crew import Died, work_off
from pipeline.terminal import tell, tracked

Task = TypeVar("Task")
Result = TypeVar("Result")


def work_on(
    tasks: Sequence[Task],
    function: Callable[[Task], Result],
    cores: int,
    title: str,
) -> Iterator[tuple[Task, Result | ClipError]]:
    """Yield each task with its result, or with what is wrong, worked off by several processes."""

    if tasks:
        _preload()
        if not sys.stderr.isatty():  # where no bar is shown
            tell(f"{title}: {len(tasks)} to do")

    from av import FFmpegError

    def prepared() -> Callable[[Task], Result | ClipError]:
        def careful(task: Task) -> Result | ClipError:
            try:
                return function(task)
            except ClipError as error:
                return error
            except FFmpegError as error:  # whatever else a damaged film makes of its libraries
                words = f"FFmpeg's libraries cannot go on with it ({error.strerror})"
                return ClipError(words, "play it; if it is damaged, re-encode it")
            except (BuildError, MemoryError, OSError):
                raise  # no other film would fare better
            except Exception as error:
                traceback.print_exc()
                words = f"unexpected {type(error).__name__}: {error}"[:400]
                return ClipError(words, "leave the film out, or report the error")

        return careful

    done = work_off(tasks, max(1, cores), prepared)
    for task, result in tracked(done, title, len(tasks)):
        if isinstance(result, Died):
            yield (
                task,
                ClipError(
                    "a library crashed on it, or memory ran out "
                    f"(the process ended with {result.exit_code})",
                    "run the same command again; if it fails again, re-encode the film",
                ),
            )
        else:
            yield task, result


@cache
def _preload() -> None:
    """Import once what the forked processes need."""
    for name in ("cv2", "facenet_pytorch", "scenedetect", "silero_vad"):
        importlib.import_module(name)
