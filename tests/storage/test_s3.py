"""A corpus and a build in S3: moto's server, on this machine, through boto3."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from moto.server import ThreadedMotoServer

from pipeline.config import load_config, make_config
from pipeline.dataset.info import DatasetInfo
from pipeline.errors import BuildError
from pipeline.store.mirror import Mirror
from pipeline.store.s3 import JOURNAL, _made
from pipeline.store.urls import Url, is_safe
from pipeline.workflow.mirrors import _files, fetch, fetch_to_look, store_all, store_step
from pipeline.workflow.start import start
from tests.conftest import ROOT
from tests.corpora import Corpus, small_corpus

pytestmark = pytest.mark.long

BUCKET = "corpus"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server; its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client, and the environment that this and every build takes its address from."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    _made.cache_clear()
    client = boto3.client("s3")
    for bucket in client.list_buckets()["Buckets"]:
        for item in client.list_objects_v2(Bucket=bucket["Name"]).get("Contents", ()):
            client.delete_object(Bucket=bucket["Name"], Key=item["Key"])
    client.create_bucket(Bucket=BUCKET)
    return client


def keys(client: Any, prefix: str = "") -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


@pytest.fixture
def mirror(s3: Any, tmp_path: Path) -> Mirror:
    return Mirror(Url(BUCKET, "a/b"), tmp_path / "mirror")


def put(client: Any, name: str, text: str) -> None:
    client.put_object(Bucket=BUCKET, Key=f"a/b/{name}", Body=text.encode())


def texts(mirror: Mirror) -> dict[str, str]:
    found = (path for path in mirror.folder.rglob("*") if path.is_file() and path.name != JOURNAL)
    return {path.relative_to(mirror.folder).as_posix(): path.read_text("utf-8") for path in found}


def test_only_what_is_new_or_changed_is_fetched(mirror: Mirror, s3: Any) -> None:
    put(s3, "label.csv", "1")
    put(s3, "视频/片段 1.mp4", "2")
    s3.put_object(Bucket=BUCKET, Key="a/b/folder/", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="a/bc", Body=b"a neighbour")
    assert mirror.fetch(exactly=True) == 2
    assert texts(mirror) == {"label.csv": "1", "视频/片段 1.mp4": "2"}
    assert mirror.fetch(exactly=True) == 0
    put(s3, "label.csv", "3")
    assert mirror.fetch(exactly=False) == 1
    assert texts(mirror)["label.csv"] == "3"


def test_a_corpus_is_mirrored_exactly(mirror: Mirror, s3: Any) -> None:
    put(s3, "label.csv", "1")
    put(s3, "v/1.mp4", "2")
    mirror.fetch(exactly=True)
    (mirror.folder / "label.csv").write_text("edited here")
    s3.delete_object(Bucket=BUCKET, Key="a/b/v/1.mp4")
    assert mirror.fetch(exactly=True) == 1
    assert texts(mirror) == {"label.csv": "1"}


def test_what_a_build_made_is_stored_and_comes_back_with_its_time(
    mirror: Mirror, s3: Any, tmp_path: Path
) -> None:
    made = mirror.folder / "records" / "audio" / "0000.json"
    made.parent.mkdir(parents=True)
    made.write_text("{}")
    os.utime(made, ns=(10**18 + 7, 10**18 + 7))
    gone = mirror.folder / "gone"
    gone.write_text("x")
    assert mirror.store([made, gone]) == 2
    assert mirror.store([made, gone]) == 0
    gone.unlink()
    assert mirror.store([made, gone]) == 1
    assert keys(s3) == ["a/b/records/audio/0000.json"]
    other = Mirror(mirror.bucket.url, tmp_path / "other machine")
    assert other.fetch(exactly=False) == 1
    copy = other.folder / "records" / "audio" / "0000.json"
    assert copy.stat().st_mtime_ns == 10**18 + 7
    # made here and not stored yet: stays; but S3 counts where both have changed
    copy.write_text("newer")
    other.fetch(exactly=False)
    assert copy.read_text() == "newer"
    put(s3, "records/audio/0000.json", "newest")
    other.fetch(exactly=False)
    assert copy.read_text() == "newest"


def test_an_object_that_is_not_what_was_stored_is_refused(
    mirror: Mirror, s3: Any, tmp_path: Path
) -> None:
    mirror.folder.mkdir()
    (mirror.folder / "file").write_text("as it was")
    mirror.store([mirror.folder / "file"])
    noted = s3.head_object(Bucket=BUCKET, Key="a/b/file")["Metadata"]
    s3.put_object(Bucket=BUCKET, Key="a/b/file", Body=b"as it is!", Metadata=noted)
    other = Mirror(mirror.bucket.url, tmp_path / "other")
    with pytest.raises(BuildError, match="is not the file that was stored"):
        other.fetch(exactly=False)
    assert texts(other) == {}


@pytest.mark.parametrize(
    "name",
    ["../../x", "/x", "./x", "x\\..\\y", "\x07", "/etc/passwd", "x/..", "v//1.mp4", "n" * 256],
)
def test_a_key_that_is_no_path_below_the_folder_is_refused(name: str) -> None:
    assert not is_safe(name)
    with pytest.raises(BuildError, match="cannot be a file's path"):
        Url(BUCKET, "a/b").name(f"a/b/{name}")


def test_an_escaping_key_of_a_real_bucket_is_refused(mirror: Mirror, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/b/x/../../../evil", Body=b"x")
    if "a/b/x/../../../evil" not in keys(s3):
        pytest.skip("this server does not keep such keys")
    with pytest.raises(BuildError, match="cannot be a file's path"):
        mirror.fetch(exactly=True)
    assert not (mirror.folder.parent / "evil").exists()


def test_a_link_in_the_mirror_is_not_followed(mirror: Mirror, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    mirror.folder.mkdir()
    (mirror.folder / "v").symlink_to(tmp_path / "elsewhere")
    put(s3, "v/1.mp4", "x")
    with pytest.raises(BuildError, match="leads out of"):
        mirror.fetch(exactly=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


VICTIM = '{"name": "../victim.txt", "tag": "t", "size": 0, "time": 0}\n'


def test_a_journal_in_the_bucket_is_not_fetched(mirror: Mirror, s3: Any) -> None:
    put(s3, JOURNAL, VICTIM)
    put(s3, f"v/{JOURNAL}", VICTIM)
    put(s3, "label.csv", "1")
    assert mirror.fetch(exactly=True) == 1
    assert texts(mirror) == {"label.csv": "1"}
    assert not (mirror.folder / "v").exists()


def test_a_journal_that_names_files_elsewhere_harms_none(mirror: Mirror, s3: Any) -> None:
    mirror.folder.mkdir()
    victim = mirror.folder.parent / "victim.txt"
    victim.write_text("mine")
    odd = '{"name": ["x"], "tag": "t", "size": 0, "time": 0}\n{"name": "x", "tag": 1}\n[]\n'
    (mirror.folder / JOURNAL).write_text(VICTIM + odd)
    assert mirror.known_files() == []
    mirror.fetch(exactly=True)
    assert victim.read_text() == "mine"
    assert keys(s3) == []


def test_what_only_this_machine_needs_is_not_stored(tmp_path: Path) -> None:
    stored = {"logs/audio/0000.log", "records/audio/0000.json", "settings/labels.json"}
    for name in (*stored, "logs/seen/audio.json", "logs/labels.json", "logs/audio/0000.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert {path.relative_to(tmp_path).as_posix() for path in _files(tmp_path)} == stored


def test_a_link_in_the_mirror_loses_and_stores_nothing(
    mirror: Mirror, s3: Any, tmp_path: Path
) -> None:
    put(s3, "v/1.mp4", "x")
    mirror.fetch(exactly=True)
    (mirror.folder / "v").rename(tmp_path / "elsewhere")
    (mirror.folder / "v").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "1.mp4").write_text("mine")
    with pytest.raises(BuildError, match="leads out of"):
        mirror.store(mirror.known_files())
    s3.delete_object(Bucket=BUCKET, Key="a/b/v/1.mp4")
    with pytest.raises(BuildError, match="leads out of"):
        mirror.fetch(exactly=True)
    assert (tmp_path / "elsewhere" / "1.mp4").read_text() == "mine"


def test_what_a_killed_build_removed_does_not_come_back(mirror: Mirror, s3: Any) -> None:
    for name in ("shards/0000.json", "shards/0001.json", "audio/v/1.failed.json"):
        put(s3, name, "{}")
    mirror.fetch(exactly=False)
    (mirror.folder / "shards" / "0001.json").unlink()
    (mirror.folder / "audio" / "v" / "1.failed.json").unlink()
    assert mirror.fetch(exactly=False) == 0
    assert texts(mirror) == {"shards/0000.json": "{}"}
    mirror.store(mirror.known_files())
    assert keys(s3) == ["a/b/shards/0000.json"]
    # but an emptied folder is no build that removed all
    (mirror.folder / "shards" / "0000.json").unlink()
    assert mirror.fetch(exactly=False) == 1


def test_a_step_stores_what_it_removed(s3: Any, tmp_path: Path) -> None:
    config = make_config({"processed": f"s3://{BUCKET}/a/b", "store": {"mirror": str(tmp_path)}})
    for name in ("shards/0000.json", "shards/0001.json", "audio/v/1.safetensors"):
        put(s3, name, "{}")
    fetch(config)
    for name in ("shards/0001.json", "audio/v/1.safetensors"):
        (config.processed / name).unlink()
    store_step(config)
    assert keys(s3) == ["a/b/audio/v/1.safetensors", "a/b/shards/0000.json"]


def test_a_look_leaves_the_corpus_and_a_running_build_alone(s3: Any, tmp_path: Path) -> None:
    there = {"raw": f"s3://{BUCKET}/raw", "processed": f"s3://{BUCKET}/a/b"}
    config = make_config({**there, "store": {"mirror": str(tmp_path)}})
    s3.put_object(Bucket=BUCKET, Key="raw/label.csv", Body=b"1")
    put(s3, "records/manifest.json", "1")
    (said,) = fetch_to_look(config)[:1]
    assert "not fetched yet; the next build fetches it" in said
    assert not config.raw.exists()
    fetch(config)
    (config.raw / "label.csv").write_text("edited")
    put(s3, "records/manifest.json", "2")
    config.layout.build_lock.parent.mkdir()
    with config.layout.build_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "a build is running here" in "".join(fetch_to_look(config))
        values = {**there, "store": {"mirror": str(tmp_path)}}
        for dry_run in (True, False):
            with pytest.raises(BuildError, match="found the columns edited"):
                start(values, main=True, dry_run=dry_run, say=len)
        assert config.layout.made("manifest").read_text() == "1"
    assert len(fetch_to_look(config)) == 1
    assert config.layout.made("manifest").read_text() == "2"
    assert (config.raw / "label.csv").read_text() == "edited"


@pytest.mark.parametrize("ns", ["9" * 30, str(4 * 10**18), "-1"])
def test_an_object_cannot_give_a_file_a_time_in_the_future(
    ns: str, mirror: Mirror, s3: Any
) -> None:
    key = {"Bucket": BUCKET, "Key": "a/b/label.csv"}
    s3.put_object(**key, Body=b"x", Metadata={"mtime-ns": ns})
    mirror.fetch(exactly=True)
    assert (mirror.folder / "label.csv").stat().st_mtime <= time.time() + 60


def test_a_journal_has_a_line_per_file_when_a_build_begins(s3: Any, tmp_path: Path) -> None:
    config = make_config({"processed": f"s3://{BUCKET}/a/b", "store": {"mirror": str(tmp_path)}})
    for content in "123":
        put(s3, "label.csv", content)
        put(s3, f"other{content}", content)
        fetch(config)
    lines = (config.processed / JOURNAL).read_text("utf-8").splitlines()
    assert len(lines) == 4
    put(s3, "label.csv", "4")
    assert fetch_to_look(config) == [f"s3://{BUCKET}/a/b: fetched 1 files into {config.processed}"]


def test_what_is_being_made_is_not_stored(s3: Any, tmp_path: Path) -> None:
    config = make_config({"processed": f"s3://{BUCKET}/a/b", "store": {"mirror": str(tmp_path)}})
    model = config.layout.experiment("table2") / "lmf"
    for name in (
        *("seed_1/weights", ".seed_2.99.tmp/weights"),
        *("checkpoint_2.safetensors", ".tmp0jXDw9"),
    ):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text("x")
    (config.processed / ".dataset.h5.99.tmp").write_text("x")
    store_step(config)
    assert keys(s3) == ["a/b/experiments/table2/lmf/seed_1/weights"]


def test_an_object_that_is_also_a_folder_is_refused(mirror: Mirror, s3: Any) -> None:
    put(s3, "v", "x")
    put(s3, "v/1.mp4", "x")
    with pytest.raises(BuildError, match="a file and a folder at once"):
        mirror.fetch(exactly=True)


@pytest.mark.parametrize(
    "address", ["s3://", "s3://B/x", "s3://ab", "s3:/b/x", "s3://bucket/../x", "s3://a..b/x"]
)
def test_a_wrong_address_is_named(address: str) -> None:
    with pytest.raises(BuildError, match=r"raw: .*\n.*--set raw=s3://my-bucket/raw"):
        make_config({"raw": address})


@pytest.mark.parametrize(
    ("raw", "processed"),
    [("bucket", "bucket/processed"), ("bucket/x/raw", "bucket/x"), ("bucket/x", "bucket/x/")],
)
def test_addresses_in_each_other_are_refused(raw: str, processed: str) -> None:
    with pytest.raises(BuildError, match="must not lie in each other"):
        make_config({"raw": f"s3://{raw}", "processed": f"s3://{processed}"})


def test_an_address_stands_for_a_folder_and_changes_no_key() -> None:
    config = make_config({"raw": "s3://bucket/my/corpus", "processed": "s3://bucket/my/co"})
    assert (config.raw, config.processed) == (Path("s3/bucket/my/corpus"), Path("s3/bucket/my/co"))
    again = make_config(config.model_dump(mode="json"))
    assert again == config
    assert config.defining() == make_config({}).defining()


def test_what_is_wrong_with_s3_is_said(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildError, match=r"NoSuchBucket\n.*create the bucket"):
        Mirror(Url("absent"), tmp_path).fetch(exactly=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    _made.cache_clear()
    with pytest.raises(BuildError, match=r"cannot list s3://absent.*\n.*AWS_ENDPOINT_URL"):
        Mirror(Url("absent"), tmp_path).fetch(exactly=True)
    _made.cache_clear()


def test_a_build_in_s3_is_killed_and_goes_on_elsewhere_to_the_same_dataset(
    s3: Any, tmp_path: Path
) -> None:
    local = small_corpus(tmp_path / "local")
    few = {"train": {"models": []}, "shard_size": 1, "features": {"vision": "none"}}
    local.build("dataset", **few)
    for path in sorted(local.raw.rglob("*.*")):
        name = path.relative_to(local.raw).as_posix()
        s3.upload_file(str(path), BUCKET, f"raw/{name}")
    there = {"raw": f"s3://{BUCKET}/raw", "processed": f"s3://{BUCKET}/out", **few}
    settings = {**json.loads((local.folder / "config.yaml").read_text()), **there}

    first = tmp_path / "first"
    first.mkdir()
    (first / "config.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pipeline.commands.cli", "--config", "config.json"]
    options: dict[str, Any] = {"cwd": first, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    running = subprocess.Popen(
        [*command, "--stage", "dataset", "--cores", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    deadline = time.monotonic() + 300
    while not [key for key in keys(s3, "out/records/") if "/manifest" not in key]:
        assert running.poll() is None, running.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    tree = psutil.Process(running.pid)
    for process in [*tree.children(recursive=True), tree]:  # at once: nothing may end in good order
        with suppress(psutil.NoSuchProcess):
            process.kill()
    running.communicate()
    assert "out/dataset.h5" not in keys(s3)
    stored = [key for key in keys(s3, "out/") if key.endswith(".safetensors")]
    shutil.rmtree(first)  # that machine is gone

    second = tmp_path / "second"
    second.mkdir()
    (second / "config.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [*command, "--stage", "dataset", "--cores", "2"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        **{**options, "cwd": second},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    corpus = Corpus(second)
    corpus.processed = second / "s3" / BUCKET / "out"
    computed = corpus.computed()
    assert computed["audio"] + computed["text"] == 6 - len(stored)
    digest = DatasetInfo(local.processed / "dataset.h5").digest
    assert DatasetInfo(corpus.processed / "dataset.h5").digest == digest

    # what lies in S3 is the build: a third machine fetches it, and has nothing to do
    third = load_config((second / "config.json",), (f"store.mirror={tmp_path / 'third'}",))
    assert len(fetch(third)) == 2
    assert DatasetInfo(third.layout.dataset).digest == digest
    before = keys(s3)
    store_all(third)
    assert keys(s3) == before
