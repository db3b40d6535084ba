"""Compare our outputs with the published code's, with its weights copied into our models.

    python benchmarks/outputs.py            # all nine models, two minutes
    python benchmarks/outputs.py --models lf_dnn mult

The published code is the wheel MMSA 2.2.1, fetched for the run as in `published.py`. Each of its
models is built at its settings for this corpus, with random weights. Ours gets the same weights
in the order of its parameters, which is the published one, and reads the same ten clips: random
features with padding, as averages where the published data loader averages. Both are in
evaluation mode. EF-LSTM and MFN get streams that are aligned already. Printed: the largest
difference of any output, and how much the outputs differ between clips.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from published import fetch
from torch import Tensor, nn

from pipeline.train.data import Batch, Inputs, Packed, Ragged
from pipeline.train.models import build_model
from pipeline.train.models.base import SentimentModel
from pipeline.train.recipe import PUBLISHED
from pipeline.train.registry import MODELS, hyper_for

CLIPS = 10
INPUTS = Inputs({"text": 768, "audio": 33, "vision": 709}, {"text": 39, "audio": 400, "vision": 55})


def published_model(name: str) -> Any:
    """Build a model of the published code with random weights."""
    # fetched for the run, so the type checker never sees it
    from MMSA.config import get_config_regression  # type: ignore[import-not-found]
    from MMSA.models.AMIO import AMIO  # type: ignore[import-not-found]

    arguments = get_config_regression(name, "sims")
    averaged = arguments.get("need_normalized")
    steps = list(INPUTS.steps.values())
    arguments["feature_dims"] = list(INPUTS.dims.values())
    arguments["seq_lens"] = [steps[0], 1, 1] if averaged else steps
    arguments["device"], arguments["train_mode"] = "cpu", "regression"
    return AMIO(arguments).Model.eval()


def copied(name: str, theirs: nn.Module) -> SentimentModel:
    """Build our model with the published one's weights and running statistics."""
    ours = build_model(name, hyper_for(name, "published"), INPUTS, MODELS[name].tasks, PUBLISHED)
    weights = [p for n, p in theirs.named_parameters() if not n.startswith("output_")]
    for mine, other in zip(ours.parameters(), weights, strict=True):
        mine.data = other.data.reshape(mine.shape).clone()
    return ours.eval()


def sequences(steps: int, dim: int) -> tuple[Tensor, Tensor]:
    """Return random rows ``[N, L, d]`` with zeros at the back, and the lengths."""
    lengths = torch.randint(5, steps + 1, (CLIPS,))
    inside = torch.arange(steps) < lengths[:, None]
    return torch.randn(CLIPS, steps, dim) * inside[:, :, None], lengths


def batches(name: str) -> tuple[list[Tensor], Batch]:
    """Return the same clips as the published code takes them, and as ours does."""
    text, lengths = sequences(INPUTS.steps["text"], INPUTS.dims["text"])
    theirs, streams = [text], {}
    all_lengths = {"text": lengths}
    for modality in ("audio", "vision"):
        steps = INPUTS.steps["text" if name == "ef_lstm" else modality]
        x, _ = sequences(steps, INPUTS.dims[modality])
        if name not in ("ef_lstm", "mult"):
            x = x.mean(1, keepdim=True)  # over the padding too
        streams[modality] = x.squeeze(1)
        all_lengths[modality] = torch.full((CLIPS,), x.shape[1])
        theirs.append(x.expand(-1, INPUTS.steps["text"], -1) if name == "mfn" else x)
    ours: dict[str, Tensor | Packed] = {"text": text, **streams}
    if name not in ("ef_lstm", "mfn", "mult"):
        inside = torch.arange(text.shape[1]) < lengths[:, None]
        held = Ragged(text[inside], lengths.cumsum(0) - lengths, lengths, text.shape[1])
        ours["text"] = held.packed(torch.arange(CLIPS))[0]
    return theirs, Batch(ours, all_lengths, {})


def differences(name: str) -> tuple[float, float]:
    """Return the largest difference of any task's output, and the least spread of outputs."""
    torch.manual_seed(0)
    published = published_model(name)
    model = copied(name, published)
    inputs, batch = batches(name)
    with torch.no_grad():
        expected, found = published(*inputs), model(batch).predictions
    largest = max(float((expected[t].flatten() - x).abs().max()) for t, x in found.items())
    return largest, min(float(x.std()) for x in found.values())


def main() -> None:
    """Parse the command line, fetch the published code, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chsims-outputs-") as scratch:
        code = Path(scratch) / "code"
        fetch(code)
        sys.path.insert(0, str(code))
        print("| model | largest difference | spread of the outputs |\n|---|---|---|")
        for name in options.models:
            largest, spread = differences(name)
            print(f"| {MODELS[name].title} | {largest:.1e} | {spread:.1e} |", flush=True)


if __name__ == "__main__":
    main()
