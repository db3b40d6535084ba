"""Compare each extraction stage with the published recipe, and write docs/performance.md.

    python benchmarks/extract.py --quick                    # seconds; prints, for CI
    python benchmarks/extract.py --json result.json         # the figures
    python benchmarks/extract.py --json result.json --docs  # and renews the page's table and plot
    python benchmarks/extract.py --forms                    # compares formats for the frames

Both sides process the same clips on the same cores in one run, in turn, each measurement in its
own process (sides.py). The figures are medians over the rounds. The recipe runs as its users run it
(torch's default threads; only on two clips and in the first round, because it is slow) and
with one thread; the speed-up is relative to the faster of the two. Ours runs one process per core
over the clips, like its stages (text: one shard each). End to end, ours is Snakemake's wall time
from start to exit, and the recipe's is the sum of its steps. Floors are one process divided by the
cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from page import DOCS, PERFORMANCE, processor, put_into_page

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("frames", "faces", "audio", "text")
FLOORS = {
    "frames": "floor_decode",
    "faces": "floor_nets",
    "audio": "floor_sound",
    "text": "floor_products",
}
FLOOR_WORDS = {
    "frames": "read back",
    "faces": "nets alone",
    "audio": "decode alone",
    "text": "linear layers alone",
    "all": "their sum",
}
SIZES = {"720p": "1280:720", "real": "640:360"}
"""Sets that are scaled."""

LONGEST_REAL = 4.7
"""Seconds of the longest clip of ``real``."""

SENTENCES = 128
"""Four shards of the default size."""
PLOT = DOCS / "images" / "performance.png"
FORMS: dict[str, tuple[str, ...]] = {
    "PNG files": ("-c:v", "png"),
    "Ut Video": ("-c:v", "utvideo"),
    "x264 qp 0": ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast"),
    "FFV1": ("-c:v", "ffv1"),
    "raw": ("-c:v", "rawvideo"),
}


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg on one thread."""
    from pipeline.media.ffmpeg import ffmpeg_program

    command = [ffmpeg_program(), "-nostdin", "-loglevel", "error", "-y", "-threads", "1"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def make_corpus(name: str, folder: Path, clips: int, seconds: float) -> dict[str, Any]:
    """Write one set of clips with all that both sides read; ``real`` may have none."""
    from benchmarks.clips import frame_source

    media = sorted((ROOT / "raw" / "demo").glob("*/*.mp4"))
    media = media[:: max(1, len(media) // clips)]
    if name == "real":
        media = sorted((ROOT.parent / "shared" / "real").glob("*_face.m*"))
    media = [*islice(cycle(media), clips)]
    corpus: dict[str, Any] = {"name": name, "folder": str(folder), "clips": []}
    size = ("-vf", f"scale={SIZES[name]}:flags=bicubic,setsar=1") if name in SIZES else ()
    for number, source in enumerate(media):
        # of the few real videos, each clip shows another part
        part = ("-stream_loop", "19", "-ss", f"{0.37 * number:.2f}") if name == "real" else ()
        own = folder / "raw" / "video_0001" / f"{number + 1:04d}.mp4"
        own.parent.mkdir(parents=True, exist_ok=True)
        codec = ("-c:v", "libx264", "-crf", "14", "-preset", "veryfast", "-c:a", "aac")
        length = ("-t", str(min(seconds, LONGEST_REAL) if name == "real" else seconds))
        ffmpeg(*part, *length, "-i", source, *size, *codec, own)
        video = folder / f"{number}.mkv"
        source = frame_source(own, video)
        shape = (source.frames, source.height, source.width)
        png = folder / str(number) / "png"
        clip = {"media": str(own), "video": str(video), "png": str(png), "shape": shape}
        corpus["clips"].append(clip)
    return corpus


def add_text(corpus: dict[str, Any], bert: Path, sentences: int) -> None:
    """Give a corpus the demo's transcripts, in turn, and a full-size BERT of random weights."""
    import csv

    with (ROOT / "raw" / "demo" / "label.csv").open(encoding="utf-8-sig") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    corpus["sentences"] = list(islice(cycle(texts), sentences))
    if not (bert / "config.json").exists():
        from transformers import BertConfig, BertModel, BertTokenizer

        from pipeline.text.demo_model import vocabulary

        bert.mkdir(parents=True)
        words = vocabulary()
        (bert / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
        BertTokenizer(str(bert / "vocab.txt")).save_pretrained(bert)
        BertModel(BertConfig(vocab_size=max(21128, len(words)))).save_pretrained(bert)
    corpus["bert"] = str(bert)


def measure(side: str, stage: str, corpus: Path) -> dict[str, float]:
    """Run one side of one stage in a fresh process."""
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment.pop(name, None)
        if side != "recipe":
            environment[name] = "1"
    script = Path(__file__).with_name("sides.py")
    which = "ours" if side == "ours" else "recipe"
    command = [sys.executable, str(script), which, stage, str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{side} {stage}: {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def features_command(
    folder: Path,
    raw: Path,
    bert: str,
    cores: int,
    options: Sequence[str] = (),
    **settings: int,
) -> list[str]:
    """Return the command that builds all features but OpenFace's of `raw` in `folder`."""
    config = {"raw": str(raw), "processed": f"{folder}/processed",
              "text": {"model": bert}, "openface": {"runtime": "import"}, **settings}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    program = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    places = ["--directory", str(folder), "--configfile", f"{folder}/config.json"]
    places += ["--scheduler", "greedy"]  # as chsims-build
    targets = ["stage_faces", "stage_audio", "stage_text"]
    return [*program, *places, *options, "--cores", str(cores), *targets]


def end_to_end(corpus: dict[str, Any]) -> float:
    """Build all features but OpenFace's with Snakemake; return the seconds it took."""
    root = Path(corpus["folder"])
    names = [Path(c["media"]).stem for c in corpus["clips"]]
    rows = [f"video_0001,{n},{t},0.2" for n, t in zip(names, corpus["sentences"], strict=False)]
    (root / "raw" / "label.csv").write_text(
        "video_id,clip_id,text,label\n" + "\n".join(rows) + "\n", "utf-8"
    )
    with tempfile.TemporaryDirectory(dir=root) as folder:
        cores = len(os.sched_getaffinity(0))
        command = features_command(Path(folder), root / "raw", corpus["bert"], cores)
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - started
        records = Path(folder).glob("processed/records/*/*.json")
        lost = [q for r in records for q in json.loads(r.read_text("utf-8"))["quarantine"]]
        if done.returncode or lost:
            raise SystemExit(f"{done.stdout}{done.stderr}\nin quarantine: {lost}")
        return taken


def summary(runs: list[dict[str, float]], count: float, seconds: float) -> Any:
    """Return the medians of one side's runs over `count` frames or clips, `seconds` long."""
    taken = median(run["seconds"] for run in runs)
    return {
        "seconds": round(taken, 3),
        "runs": [round(run["seconds"], 3) for run in runs],
        "cpu": round(median(run["cpu"] for run in runs), 3),
        "peak_mb": round(max(run["peak_mb"] for run in runs)),
        "per_second": round(count / taken, 3),
        "per_unit_ms": round(1000 * taken / count, 3),
        "times_real_time": round(seconds / taken, 3),
    }


def benchmark(
    corpora: list[dict[str, Any]],
    wholes: dict[str, dict[str, Any]],
    rounds: int,
    quick: bool = False,
) -> list[dict[str, Any]]:
    """Measure every stage on every set of clips, the sides in turn; `wholes` end to end.

    `quick` leaves out the recipe on all threads, and text, whose BERT of full size takes
    longer to make than to time.
    """
    runs: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    for turn in range(rounds):
        for corpus in corpora:
            path = Path(corpus["folder"]) / "corpus.json"
            path.write_text(json.dumps(corpus), "utf-8")
            first = path.with_name("first.json")
            first.write_text(json.dumps({**corpus, "clips": corpus["clips"][:2]}), "utf-8")
            for stage in STAGES:
                if stage == "text" and (quick or corpus is not corpora[0]):
                    continue  # sentences do not depend on pictures
                for side in ("recipe", "recipe_one_thread", "ours"):
                    if side == "recipe" and (quick or turn):
                        continue
                    figures = measure(side, stage, first if side == "recipe" else path)
                    runs.setdefault((corpus["name"], stage, side), []).append(figures)
                    print(f"{corpus['name']:6} {stage:7} {side:18} {figures['seconds']:8.2f} s",
                          file=sys.stderr, flush=True)  # fmt: skip
                if stage in FLOORS:
                    floor = measure("ours", FLOORS[stage], path)
                    runs.setdefault((corpus["name"], stage, "floor"), []).append(floor)
            if corpus["name"] not in wholes:
                continue
            whole = {"seconds": end_to_end(wholes[corpus["name"]]), "cpu": 0, "peak_mb": 0}
            runs.setdefault((corpus["name"], "all", "ours"), []).append(whole)
            print(f"{corpus['name']:6} all     {whole['seconds']:27.2f} s", file=sys.stderr)
    results = [_row(c, stage, runs) for c in corpora for stage in STAGES
               if (c["name"], stage, "ours") in runs]  # fmt: skip
    return results + [_whole_row(c, wholes[c["name"]], results, runs) for c in corpora
                      if c["name"] in wholes]  # fmt: skip


def _row(corpus: dict[str, Any], stage: str, runs: Any) -> dict[str, Any]:
    pictures = stage in ("frames", "faces")
    clips = len(corpus["sentences"] if stage == "text" else corpus["clips"])
    sides = {}
    for side in ("recipe", "recipe_one_thread", "ours", "floor"):
        if (corpus["name"], stage, side) in runs:
            taken = runs[corpus["name"], stage, side]
            done = int(taken[0]["clips"])  # a side may have done the first ones only
            share = done / clips if stage == "text" else 1
            frames = _frames(corpus, None if stage == "text" else done) * share
            sides[side] = summary(taken, frames if pictures else done, frames / 30)
    if "floor" in sides:
        sides["floor"]["per_unit_ms"] /= len(os.sched_getaffinity(0))
    sides.setdefault("recipe", sides["recipe_one_thread"])
    best = min(sides["recipe"]["per_unit_ms"], sides["recipe_one_thread"]["per_unit_ms"])
    speed_up = round(best / sides["ours"]["per_unit_ms"], 2)
    return {"clips": corpus["name"], "stage": stage, "unit": "frame" if pictures else "clip",
            "units": _frames(corpus) if pictures else clips, "speed_up": speed_up,
            **sides}  # fmt: skip


def _frames(corpus: dict[str, Any], clips: int | None = None) -> int:
    """Return how many frames a corpus' first clips have, or all."""
    return sum(clip["shape"][0] for clip in corpus["clips"][:clips])


def _whole_row(
    corpus: dict[str, Any], whole: dict[str, Any], results: Any, runs: Any
) -> dict[str, Any]:
    """End to end: the recipe's steps one after the other, at their cost per frame and per clip."""
    clips, frames = len(whole["clips"]), _frames(whole)
    rows = [r for r in results if r["clips"] == corpus["name"] and r["stage"] != "text"]
    rows.append(next(r for r in results if r["stage"] == "text"))
    # a clip's sound is as long as its frames, which may be more here than where it was timed
    longer = frames / clips / (_frames(corpus) / len(corpus["clips"]))
    counts = {"frames": frames, "faces": frames, "audio": clips * longer, "text": clips}
    ours = summary(runs[corpus["name"], "all", "ours"], clips, frames / 30)
    row: dict[str, Any] = {"clips": corpus["name"], "stage": "all", "unit": "clip", "units": clips}
    for side in ("recipe", "recipe_one_thread"):
        seconds = sum(r[side]["per_unit_ms"] * counts[r["stage"]] / 1000 for r in rows)
        row[side] = {"seconds": round(seconds, 2), "per_unit_ms": 1000 * seconds / clips}
    best = min(row[side]["per_unit_ms"] for side in ("recipe", "recipe_one_thread"))
    floor = sum(r["floor"]["per_unit_ms"] * counts[r["stage"]] for r in rows) / clips
    row["floor"] = {"per_unit_ms": floor}
    return {**row, "ours": ours, "speed_up": round(best / ours["per_unit_ms"], 2)}


def forms(folder: Path) -> list[str]:
    """Write and read back a 720p clip in each lossless form; return a table."""
    source = sorted((ROOT / "raw" / "demo").glob("*/*.mp4"))[0]
    raw = folder / "raw.avi"
    ffmpeg("-i", source, "-vf", "scale=1280:720,fps=30", "-an", "-c:v", "rawvideo", raw)
    lines = ["| form | write, s | read, s | MB |", "|---|---|---|---|"]
    for name, options in FORMS.items():
        target = folder / ("%05d.png" if name == "PNG files" else f"{name}.mkv".replace(" ", "_"))
        started = time.perf_counter()
        ffmpeg("-i", raw, *options, target)
        written = time.perf_counter()
        ffmpeg("-i", target, "-f", "rawvideo", "-pix_fmt", "rgb24", os.devnull)
        read = time.perf_counter()
        files = folder.glob("*.png") if name == "PNG files" else [target]
        size = sum(file.stat().st_size for file in files) / 1e6
        lines.append(f"| {name} | {written - started:.2f} | {read - written:.2f} | {size:.0f} |")
    return lines


def table(result: dict[str, Any]) -> list[str]:
    """Return the figures as lines of Markdown."""
    lines = [
        "| clips | stage | recipe | recipe, one thread | ours | **times as fast** | ours, times "
        "real time | floor | peak MB, recipe / ours |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["results"]:
        floor = row.get("floor")
        words = f"{floor['per_unit_ms']:,.1f} ({FLOOR_WORDS[row['stage']]})" if floor else ""
        peak = row["recipe"].get("peak_mb")
        memory = f"{peak} / {row['ours']['peak_mb']}" if peak else ""
        lines.append(
            f"| {row['clips']} | {row['stage']} | {row['recipe']['per_unit_ms']:,.1f} ms/"
            f"{row['unit']} | {row['recipe_one_thread']['per_unit_ms']:,.1f} | "
            f"{row['ours']['per_unit_ms']:,.1f} | **{row['speed_up']:.1f}** | "
            f"{row['ours']['times_real_time']:.2f} | {words} | {memory} |"
        )
    return lines


def machine(before: tuple[float, ...]) -> dict[str, Any]:
    """Describe the machine and how busy others kept it."""
    return {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load_before": before,
        "load_after": os.getloadavg(),
    }


def write_docs(result: dict[str, Any], form_lines: list[str]) -> None:
    """Put table, forms and plot into docs/performance.md."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    info = result["machine"]
    load = f"{info['load_before'][0]:.1f} to {info['load_after'][0]:.1f}"
    where = (f"{info['cores']} cores ({info['cpu']}), load {load} while measuring, medians of "
             f"{result['rounds']} rounds, {result['date']}.")  # fmt: skip
    put_into_page(PERFORMANCE, "figures", [*table(result), "", where])
    if form_lines:
        put_into_page(PERFORMANCE, "forms", form_lines)
    rows = result["results"][::-1]
    figure, axis = plt.subplots(figsize=(7, 0.4 * len(rows) + 1), layout="constrained")
    axis.barh([f"{r['clips']} {r['stage']}" for r in rows], [r["speed_up"] for r in rows])
    axis.bar_label(axis.containers[0], fmt="%.1f", padding=3)
    axis.set(xscale="log", xlabel="times as fast as the recipe (the faster of its two ways)")
    axis.axvline(1, color="black", linewidth=0.8)
    axis.margins(x=0.12)
    figure.savefig(PLOT, dpi=110, metadata={"Software": ""})


def main() -> None:
    """Parse the command line, make the clips, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two short clips, one round")
    parser.add_argument("--sets", nargs="+", default=["720p", "demo", "real"])
    parser.add_argument("--clips", type=int, default=10, help="clips a set")
    parser.add_argument("--seconds", type=float, default=10, help="longest clip")
    parser.add_argument(
        "--whole", type=int, help="clips of the end to end, at full length; as many by default"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md")
    parser.add_argument("--keep", type=Path, help="other sets' figures of an earlier --json")
    parser.add_argument("--forms", action="store_true", help="compare lossless forms of frames")
    options = parser.parse_args()
    if options.quick:
        options.sets, options.clips, options.seconds, options.rounds = ["demo"], 2, 0.5, 1
    with tempfile.TemporaryDirectory(prefix="chsims-benchmark-") as scratch:
        root = Path(scratch)
        form_lines = []
        if options.forms:
            (root / "forms").mkdir()
            form_lines = forms(root / "forms")
            print("\n".join(form_lines))
            if not options.docs:
                return
        corpora = [make_corpus(n, root / n, options.clips, options.seconds) for n in options.sets]
        corpora = [corpus for corpus in corpora if corpus["clips"]]
        wholes = {}
        for corpus in [] if options.quick else corpora:
            add_text(corpus, root / "bert", SENTENCES)
            name = corpus["name"]
            wholes[name] = corpus
            if options.whole:
                wholes[name] = make_corpus(name, root / "whole" / name, options.whole, 10)
                add_text(wholes[name], root / "bert", options.whole)
        before = os.getloadavg()
        results = benchmark(corpora, wholes, options.rounds, options.quick)
        if options.keep:
            earlier = json.loads(options.keep.read_text("utf-8"))["results"]
            results = [row for row in earlier if row["clips"] not in options.sets] + results
        result = {"schema": 1, "date": time.strftime("%Y-%m-%d"), "rounds": options.rounds,
                  "machine": machine(before), "results": results}  # fmt: skip
    print("\n".join(table(result)))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    if options.docs:
        write_docs(result, form_lines)


if __name__ == "__main__":
    main()
