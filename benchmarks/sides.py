"""One measurement in its own process: a stage, by our pipeline or by the recipe.

Called by extract.py: ``python sides.py SIDE STAGE CORPUS.json`` prints one JSON line. Imports,
loaded models and compiled functions are ready before the clock starts, on both sides. What the
recipe loads again for each sentence is included.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

Work = Callable[[], int]
_LENT = ExitStack()
"""The pictures that are held in memory until this process ends."""

RECIPE_SENTENCES = 5
"""Sentences the recipe is timed on; each costs it the same."""


def ours(stage: str, corpus: dict[str, Any]) -> Work:
    """Prepare our stage over a corpus; the work returns how many clips it did."""
    from benchmarks.clips import frame_inputs, lent_source, sound_of
    from pipeline.config import make_config
    from pipeline.frames.extractor import FrameExtractor
    from pipeline.media.pictures import read_frames
    from pipeline.runner.threads import keep_freed_memory

    keep_freed_memory()  # as in a stage's worker
    clips = corpus["clips"]
    config = make_config({"text": {"model": corpus.get("bert", "demo"), "device": "cpu"}})
    if stage == "frames":
        frames = FrameExtractor(config.frames)
        inputs = [frame_inputs(Path(c["media"]), Path(c["video"])) for c in clips]
        return lambda: _in_processes(lambda clip: _decode(frames, clip), inputs)
    sources = []
    if stage in ("floor_decode", "faces", "floor_nets"):  # as in a faces job, which decodes too
        sources = [lent_source(Path(c["media"]), Path(c["video"]), _LENT) for c in clips]
    if stage == "floor_decode":
        return lambda: len([sum(1 for _ in read_frames(s, 16)) for s in sources])
    if stage in ("faces", "floor_nets"):
        import cv2
        import torch

        from pipeline.faces.extractor import FaceExtractor
        from pipeline.runner.pool import preload

        preload(FaceExtractor)  # as before a stage's workers are forked
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        faces = FaceExtractor(config.faces.model_copy(update={"device": "cpu"}))
        list(faces.detector.follow([np.zeros((2, 240, 320, 3), np.uint8)]))
        if stage == "floor_nets":
            return _nets_alone(faces, sources)
        return lambda: _in_processes(faces.extract, sources)
    if stage == "audio":
        from pipeline.audio.extractor import AudioExtractor

        audio = AudioExtractor(config.audio)
        audio.extract(sound_of(Path(clips[0]["media"])))  # compiled before the fork
        media = [Path(c["media"]) for c in clips]
        return lambda: _in_processes(lambda path: audio.extract(sound_of(path)), media)
    if stage == "floor_sound":
        return lambda: len([sound_of(Path(c["media"])) for c in clips])
    import torch

    from pipeline.text.extractor import TextExtractor

    torch.set_num_threads(1)
    text = TextExtractor(config.text)
    sentences, size = corpus["sentences"], config.shard_size
    shards = [sentences[start : start + size] for start in range(0, len(sentences), size)]

    if stage == "floor_products":
        return _products_alone(text, shards)

    def every_shard() -> int:
        _in_processes(text.extract_batch, shards)
        return len(sentences)

    return every_shard


def _decode(frames: Any, clip: Any) -> bool:
    with frames.lend(clip) as found:
        return bool(found.info["frames"])


def _in_processes(extract: Callable[[Any], Any], inputs: list[Any]) -> int:
    """Extract every clip, one process per core, as a stage does."""
    import multiprocessing

    _extract[:] = [extract]
    with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        return sum(pool.map(_one, inputs, chunksize=1))


_extract: list[Callable[[Any], Any]] = []


def _one(item: Any) -> int:
    return int(_extract[0](item) is not None)


def _nets_alone(faces: Any, sources: list[Any]) -> Work:
    """Run once, keeping what the three nets are shown; the work is to show it to them again."""
    nets, shown = faces.detector.nets, []
    through = nets._net

    def keep(net: Any, pictures: Any) -> Any:
        shown.append((net, pictures))
        return through(net, pictures)

    nets._net = keep
    for source in sources:
        faces.extract(source)

    def again() -> int:
        import torch

        with torch.inference_mode():
            for net, pictures in shown:
                through(net, pictures)
        return len(sources)

    return again


def _products_alone(text: Any, shards: list[list[str]]) -> Work:
    """Run once, noting what BERT's linear layers are shown; the work is as many rows again."""
    import torch

    shown: list[tuple[Any, Any]] = []
    rows: dict[Any, Any] = {}

    def note(layer: Any, inputs: Any) -> None:
        shape = inputs[0].shape
        shown.append((layer, rows.setdefault(shape, torch.randn(shape))))

    layers = [m for m in text.model.modules() if isinstance(m, torch.nn.Linear)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    for shard in shards:
        text.extract_batch(shard)
    for hook in hooks:
        hook.remove()

    def again() -> int:
        with torch.inference_mode():
            for layer, numbers in shown:
                layer(numbers)
        return sum(map(len, shards))

    return again


def recipe(stage: str, corpus: dict[str, Any]) -> Work:
    """Prepare the recipe's stage over a corpus."""
    import recipe as steps

    from pipeline.media.ffmpeg import ffmpeg_program

    clips, ffmpeg = corpus["clips"], ffmpeg_program()
    if stage == "frames":
        return lambda: len([steps.frames(Path(c["media"]), Path(c["png"]), ffmpeg) for c in clips])
    if stage == "faces":
        faces = steps.Faces()
        faces.mtcnn.detect(np.zeros((240, 320, 3), np.uint8))
        return lambda: len(
            [faces.clip(Path(c["png"]), Path(c["png"]).with_name("faces")) for c in clips]
        )
    if stage == "audio":
        wav = Path(corpus["folder"]) / "sound.wav"
        steps.audio(Path(clips[0]["media"]), wav, ffmpeg)  # compiled
        return lambda: len([steps.audio(Path(c["media"]), wav, ffmpeg) for c in clips])
    sentences = corpus["sentences"][:RECIPE_SENTENCES]
    return lambda: len([steps.text(s, Path(corpus["bert"])) for s in sentences])


def main() -> None:
    """Measure one side of one stage and print the figures."""
    warnings.simplefilter("ignore")
    side, stage, path = sys.argv[1:]
    corpus = json.loads(Path(path).read_text("utf-8"))
    work = (ours if side == "ours" else recipe)(stage, corpus)
    started, cpu = time.perf_counter(), os.times()
    clips = work()
    seconds, now = time.perf_counter() - started, os.times()
    # ru_maxrss of this process would count what its parent held before it became this program
    status = Path("/proc/self/status").read_text("utf-8")
    own = int(status.split("VmHWM:")[1].split()[0])
    peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    used = sum(now[:4]) - sum(cpu[:4])
    print(json.dumps({"seconds": seconds, "cpu": used, "peak_mb": peak, "clips": clips}))


if __name__ == "__main__":
    main()
