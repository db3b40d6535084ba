"""The progress bar, on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress

from tests.conftest import ROOT

_SIX_OF_TEN = """\
from pipeline.terminal import tracked
assert len([*tracked(iter("abcdef"), "x", 10)]) == 6
"""


def test_the_bar_is_full_at_the_end_also_after_fewer_items() -> None:
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", _SIX_OF_TEN], cwd=ROOT, stderr=theirs, check=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the terminal's end
        while data := os.read(ours, 4096):
            shown += data
    os.close(ours)
    assert b"100%" in shown
