"""Damaged files are named with a remedy that works; a wrong setting costs no product."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import pytest

from benchmarks.kill import MEASURED
from pipeline.commands.status import print_status
from pipeline.commands.verify import Fault, verify
from pipeline.config import Config, load_config, make_config
from pipeline.dataset.info import DatasetInfo
from pipeline.errors import BuildError
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.media import MediaReader
from pipeline.report.build import build_report
from pipeline.report.summary import summary_text
from pipeline.store.features import Store
from pipeline.store.made import check_made
from pipeline.train.stored import check_seed
from pipeline.workflow.closing import check_quarantine
from pipeline.workflow.recheck import stale_records
from pipeline.workflow.settings_files import changed_settings
from tests.corpora import Corpus, small_corpus
from tests.media import face_clip

pytestmark = pytest.mark.long

TRAIN = {"models": ["mlf_dnn"], "seeds": [1], "max_epochs": 1, "experiments": ["table2"]}
SEED = "experiments/table2/mlf_dnn/seed_1"
CLIPS, CLIP = 5, "video_1/0002"
PRODUCTS = (
    *("manifest.parquet", "manifest_quarantine.json", "shards/0000.json", "dataset.h5"),
    *("records/audio/0000.json", "quarantine.csv", "results/table2.json", "results/table2.csv"),
    *(f"{stage}/{CLIP}.safetensors" for stage in ("faces", "openface", "vision", "audio", "text")),
    *(f"{SEED}/{name}" for name in ("weights.safetensors", "predictions.csv", "metrics.json")),
    *("report.html", "report/clips.csv", "report/table2.csv"),
)


def flip(path: Path) -> None:
    """Change one bit, and leave the file's times as they were: the disk did it."""
    times, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES: tuple[Callable[[Path], None], ...] = (flip, cut, empty, Path.unlink)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    corpus = small_corpus(tmp_path_factory.mktemp("damage"), CLIPS)
    corpus.build(train=TRAIN)
    return corpus


@pytest.fixture(scope="module")
def config(corpus: Corpus) -> Config:
    return load_config((corpus.folder / "config.yaml",))


def faults(config: Config) -> list[Fault]:
    return [fault for kind in verify(config) for fault in kind.faults]


def chsims(corpus: Corpus, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pipeline.commands.cli", "--config", "config.yaml"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=corpus.folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    return done.returncode, done.stdout + done.stderr


def test_a_build_that_nothing_happened_to_is_whole(config: Config) -> None:
    kinds = {kind.kind: kind for kind in verify(config)}
    assert all(kind.whole and not kind.faults for kind in kinds.values())
    assert not any(kind.unsigned for kind in kinds.values())
    assert kinds["feature files"].whole == 5 * CLIPS


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("product", PRODUCTS)
def test_each_damaged_product_is_named_with_a_remedy(
    config: Config, product: str, damage: Callable[[Path], None]
) -> None:
    path = config.processed / product
    data, times = path.read_bytes(), path.stat()
    damage(path)
    try:
        found = faults(config)
    finally:
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert any(str(path) in fault.problem and "chsims-build" in fault.remedy for fault in found)


def test_the_words_of_each_remedy_lead_back_to_the_same_bytes(
    corpus: Corpus, config: Config
) -> None:
    """Every product is damaged at once, one after the other in another way."""
    before = {product: _content(config.processed / product) for product in PRODUCTS}
    for number, product in enumerate(PRODUCTS):
        DAMAGES[number % 4](config.processed / product)
    commands = dict.fromkeys(fault.remedy.partition("chsims-build ")[2] for fault in faults(config))
    for command in commands:
        status, output = chsims(corpus, *shlex.split(command))
        assert status == 0, f"{command}: {output}"
    for product, content in before.items():
        assert _content(config.processed / product) == content, product
    status, output = chsims(corpus, "verify", "--recompute", "2")
    assert status == 0, output
    assert "computed anew  10 whole" in output


@pytest.mark.parametrize("damage", [flip, cut, empty], ids=lambda damage: damage.__name__)
def test_page_and_console_name_the_damaged_files_and_what_makes_them_again(
    config: Config, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(config.processed, tmp_path / "processed")
    copy = make_config({**config.model_dump(), "processed": tmp_path / "processed"})
    assert "DAMAGED" not in summary_text(copy)
    shown = [name for name in PRODUCTS if not name.startswith(("report", "faces", "openface"))]
    shown = [name for name in shown if name.split("/")[0] not in ("vision", "audio", "text")]
    for name in shown:
        damage(copy.processed / name)
    said = summary_text(copy)
    page = html.unescape(build_report(copy).read_text("utf-8"))
    for name in shown:
        named = SEED if name.startswith(SEED) else name
        for words in (said, page):
            assert re.search(rf"{re.escape(named)} (is|has|does|cannot)[^>]*", words), name
    assert said.count("-> chsims-build --stage") == len({n for n in shown if n[:5] != SEED[:5]}) + 1
    assert "Damaged files" in page


def test_a_failing_report_keeps_the_last_page(corpus: Corpus, config: Config) -> None:
    page, blocked = config.layout.report, config.layout.exhibits / "clips.csv"
    before, table = page.read_bytes(), blocked.read_bytes()
    blocked.unlink()
    (blocked / "in the way").mkdir(parents=True)
    status, output = corpus.run(train=TRAIN, report={"title": "Another"})
    assert status != 0
    assert page.read_bytes() == before
    assert "out of date" in output
    assert "report.html: " in (shown := chsims(corpus, "status")[1])
    assert "from an earlier build" in " ".join(shown.split())
    shutil.rmtree(blocked)
    corpus.build(train=TRAIN)
    assert _content(page) == MEASURED.sub(b"", before)
    assert blocked.read_bytes() == table


OWN_FILES = (
    *(*PRODUCTS, "manifest_cache.sqlite", "settings/audio.json", "settings/train.json"),
    *("records/manifest.json", "records/dataset.json", "records/results_table2.json"),
    *("experiments/table2/mlf_dnn.json", "logs/runs.jsonl", "logs/inputs/dataset.h5.json"),
    *(f"{SEED}/config.json", f"{SEED}/curve.csv"),
)


@pytest.mark.parametrize("content", [b"", b"\xff\x00\xfe", b"5", b'{"clips": 3, "files": [1]}'])
@pytest.mark.parametrize("name", OWN_FILES)
def test_a_broken_file_of_our_own_never_ends_in_a_traceback(
    config: Config, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config.processed / name
    data, times = path.read_bytes(), path.stat()
    path.write_bytes(content)
    steps = ("manifest", "audio", "dataset", "train", "report")
    calls: tuple[Callable[[], object], ...] = (
        lambda: print_status(config, with_quarantine=True),
        lambda: summary_text(config),
        lambda: stale_records(config),
        lambda: changed_settings(config, steps),
        lambda: check_quarantine(config),
        lambda: MediaReader(MediaFolders(config.raw), config.processed, 1),
    )
    try:
        for call in calls:
            with suppress(BuildError):
                call()
    finally:
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _content(path: Path) -> bytes | str | None:
    """Return a file's bytes, without the revision of this checkout and what jobs took."""
    if path.suffix == ".h5":
        return DatasetInfo(path).digest
    return MEASURED.sub(b"", path.read_bytes())


def test_what_a_step_reads_is_checked_before_it_is_read(config: Config) -> None:
    checks: dict[str, Callable[[], object]] = {
        "manifest.parquet": lambda: check_made(config.layout, "manifest"),
        "dataset.h5": lambda: check_made(config.layout, "dataset"),
        f"audio/{CLIP}.safetensors": lambda: Store(config.processed).read("audio", CLIP),
        f"{SEED}/weights.safetensors": lambda: check_seed(config.processed / SEED),
    }
    for product, check in checks.items():
        path = config.processed / product
        flip(path)
        with pytest.raises(BuildError, match=r"chsims-build --stage [a-z]+ .*--force"):
            check()
        flip(path)
        check()


def test_a_file_of_an_earlier_version_is_read_and_counted_as_without_digest(
    config: Config, tmp_path: Path
) -> None:
    import json

    import numpy as np
    from safetensors.numpy import save_file

    meta = {"key": "k", "stage": "audio", "clip": "v/c", "info": {"a": 1}}
    (tmp_path / "audio" / "v").mkdir(parents=True)
    arrays = {"audio": np.zeros((3, 33), np.float32)}
    save_file(arrays, tmp_path / "audio" / "v" / "c.safetensors", {"clip": json.dumps(meta)})
    store = Store(tmp_path)
    assert store.key("audio", "v/c") == "k"
    assert store.read("audio", "v/c").info == {"a": 1}
    assert store.fault("audio", "v/c") is None


def test_the_datasets_own_digests_are_recomputed_where_no_record_is(config: Config) -> None:
    record, path = config.layout.made("dataset"), config.layout.dataset
    words, data = record.read_bytes(), path.read_bytes()
    record.unlink()
    try:
        assert {k.kind: k.whole for k in verify(config)}["dataset"] == 1
        with h5py.File(path, "r+") as file:
            file["train/labels/M"][0] += 0.25
        (fault,) = faults(config)
        assert "the content of train has changed" in fault.problem
    finally:
        record.write_bytes(words)
        path.write_bytes(data)


WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"dataset": {"split": "given"}}, "dataset.split=given needs"),
    ({"train": {**TRAIN, "experiments": ["table2", "figure4"]}}, "figure4 compares"),
    ({"on_bad_clip": "stop"}, "on_bad_clip is stop"),
)
"""Settings with which the rules dataset, results and manifest fail, and what each says."""


def test_a_wrong_setting_costs_no_product_of_the_last_good_build(
    corpus: Corpus, config: Config
) -> None:
    kept = [path for path in sorted(config.processed.rglob("*")) if _is_kept(config, path)]
    at_first = {path: _content(path) for path in kept}
    corpus.add("video_1/bad").write_bytes(b"no video")
    del corpus.rows["video_1/bad"]
    for settings, words in WRONG:
        if "on_bad_clip" in settings:
            corpus.rows["video_1/bad"] = ("好的。", 0.0)
        before = {path: _content(path) for path in kept}
        status, output = corpus.run(**{"train": TRAIN, **settings})
        assert status != 0
        assert words in output
        after = {path: _content(path) for path in kept}
        if "train" in settings:  # results name the settings that they were made with
            assert after.keys() == before.keys()
        else:
            assert after == before
            assert "dataset.h5 is from an earlier build" in output
    assert "dataset.h5: " in (shown := chsims(corpus, "status")[1])
    assert "from an earlier build" in " ".join(shown.split())
    del corpus.rows["video_1/bad"]
    corpus.build(train=TRAIN)
    assert {path: _content(path) for path in kept} == at_first
    assert not faults(config)


def _is_kept(config: Config, path: Path) -> bool:
    first = path.relative_to(config.processed).parts[0]
    named = ("dataset.h5", "quarantine.csv", "results", "manifest.parquet", "shards")
    return path.is_file() and first in named


def test_a_right_build_after_a_wrong_one_makes_new_products(corpus: Corpus, config: Config) -> None:
    old = config.layout.dataset.read_bytes()
    status, _ = corpus.run("dataset", dataset={"split": "given"})
    assert status != 0
    face_clip(corpus.add("video_2/more"), seconds=1.1)
    corpus.build("dataset", train=TRAIN)
    assert config.layout.dataset.read_bytes() != old
    with h5py.File(config.layout.dataset) as file:
        assert sum(len(file[part]["id"]) for part in ("train", "valid", "test")) == CLIPS + 1
