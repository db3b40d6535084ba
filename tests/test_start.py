"""What starts often starts quickly: heavy libraries are imported where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "librosa", "transformers", "pandas", "matplotlib", "sklearn", "cv2", "numpy")


@pytest.mark.parametrize(
    "module", ["pipeline", "pipeline.commands.cli", "pipeline.workflow.job", "pipeline.runner.jobs"]
)
def test_nothing_heavy_is_imported_before_threads_are_bounded(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
