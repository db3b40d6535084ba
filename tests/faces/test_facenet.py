"""The imports of a faces job: without torch's compiler, which stays there for who calls it."""

from __future__ import annotations

import subprocess
import sys

_JOB = """
import sys
import numpy as np
from pipeline.config import make_config
from pipeline.runner.pool import preload
from pipeline.stages import STAGES
stage, config = STAGES["faces"], make_config({"faces": {"device": "cpu"}})
preload(stage.extractor(stage.settings(config)))
list(stage.make(config, 1).detector.follow([np.zeros((3, 120, 160, 3), np.uint8)]))
assert not {"torch._dynamo", "torch.distributed.tensor", "sympy"} & set(sys.modules)
import torch, torchvision.ops.roi_align
supported = sys.modules["torchvision.ops.roi_align"].is_compile_supported
from torch._dynamo.utils import is_compile_supported
assert supported is not is_compile_supported and supported("cpu") == is_compile_supported("cpu")
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist() == [2, 2]
"""

_LATER = """
import torch._dynamo, sys
from pipeline.faces.facenet import MTCNN, without_compiler
with without_compiler():
    assert sys.modules["torch._dynamo"] is torch._dynamo
assert sys.modules["torch._dynamo"] is torch._dynamo
"""


def _run(code: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_faces_job_does_not_import_torchs_compiler_but_could() -> None:
    _run(_JOB)


def test_a_process_that_has_the_compiler_keeps_it() -> None:
    _run(_LATER)
