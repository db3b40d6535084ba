"""Face crops are dropped once they are read, and computed again if they are needed again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands.recompute import differences
from pipeline.commands.status import clips_due
from pipeline.commands.verify import verify
from pipeline.config import load_config
from pipeline.dataset.info import DatasetInfo
from pipeline.errors import BuildError
from pipeline.faces.crops import film_frames, trimmed
from pipeline.faces.extractor import split_crops
from pipeline.faces.stage import FACES
from pipeline.report.drawings import OWN
from pipeline.report.read import read_build
from pipeline.report.signals import Detail
from pipeline.stage import Build
from pipeline.store.features import Features, Store
from pipeline.store.shards import read_shard
from tests.conftest import snakemake
from tests.corpora import Corpus, small_corpus
from tests.image.models import write_image_model

pytestmark = pytest.mark.long

DROP = {"keep_crops": False}
SLOTS = {"audio": "none", "text": "none"}
FEW = {"train": {"models": []}, "report": {"thumbnails": 3}, "features": SLOTS}
FILM = Detail(columns=80, pixels=72, quality=60, clips=9)


def sizes(corpus: Corpus) -> int:
    """Return the bytes of all faces files."""
    paths = [
        *corpus.processed.glob("faces/*/*.safetensors"),
        *corpus.processed.glob("packs/faces/*.zip"),
    ]
    return sum(path.stat().st_size for path in paths)


def films(corpus: Corpus) -> list[object]:
    """Return what the page draws of each clip's faces."""
    build = read_build(load_config((corpus.folder / "config.yaml",)))
    return [OWN["faces"][1](build, clip, FILM) for clip in sorted(build.done["faces"])]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    corpus = small_corpus(tmp_path_factory.mktemp("kept"))
    corpus.build("dataset", **FEW)
    return corpus


def digest(corpus: Corpus) -> str | None:
    return DatasetInfo(corpus.processed / "dataset.h5").digest


def test_a_build_that_drops_crops_makes_the_same_dataset_and_pictures(
    kept: Corpus, tmp_path: Path
) -> None:
    corpus = small_corpus(tmp_path)
    corpus.build("dataset", faces=DROP, store={"pack": True}, **FEW)
    assert corpus.computed()["faces"] == 3
    assert list(corpus.processed.glob("*/*/*.safetensors")) == []
    assert digest(corpus) == digest(kept)
    assert sizes(corpus) < sizes(kept) / 5
    assert films(corpus) == films(kept)
    config = load_config((corpus.folder / "config.yaml",))
    assert all(not kind.faults for kind in verify(config))
    found = list(differences(config, 1, 1, tmp_path / "anew"))
    assert ("faces", "") in {(stage, words) for stage, _, words in found}
    assert [words for _, _, words in found if words] == []


def test_crops_are_dropped_when_asked_and_computed_again_when_needed(
    kept: Corpus, tmp_path: Path
) -> None:
    """Follow one build through the changes of its settings."""
    shutil.copytree(kept.folder, tmp_path / "copy")
    corpus = Corpus(tmp_path / "copy")
    corpus.rows = dict(kept.rows)
    store, clip = Store(corpus.processed), next(iter(corpus.rows))
    before = sizes(corpus)
    corpus.computed()
    # an older build; OpenFace has yet to read the crops of one clip
    store.discard("openface", clip)
    said = corpus.build("dataset", faces=DROP, **FEW)
    assert "dropped what no stage needs any longer of 2 clips" in said
    computed = corpus.computed()
    assert (computed["openface"], computed["faces"]) == (1, 0)
    assert store.read("faces", clip).trimmed == {"thumbnails": 3}
    assert sizes(corpus) < before / 5
    assert films(corpus) == films(kept)
    assert digest(corpus) == digest(kept)
    # a stage that no slot uses is refused, with the way out
    config = load_config((corpus.folder / "config.yaml",))
    shard = read_shard(config.layout.numbered_shards[0])
    with pytest.raises(BuildError, match=r"no longer holds.*\n.*--set features.SLOT=NAME"):
        Build.of(config).whole(FACES, shard[0])
    # OpenFace forced for one clip: its faces, and no others
    corpus.build("stage_vision", faces=DROP, run={"clips": [clip], "force": ["openface"]}, **FEW)
    computed = corpus.computed()
    assert (computed["openface"], computed["faces"], computed["frames"]) == (1, 1, 1)
    assert store.read("faces", clip).trimmed is not None
    # an encoder of crops is chosen
    model = str(write_image_model(tmp_path / "clip", "clip"))
    other = {**FEW, "features": {**SLOTS, "vision": "image"}, "image": {"model": model, "fps": 10}}
    corpus.build("manifest", faces=DROP, **other)
    dry = snakemake("all", "--dry-run", "--configfile", "config.yaml", cwd=corpus.folder)
    assert re.search(r"faces +1\n", dry.stdout + dry.stderr), dry.stderr
    due = clips_due(load_config((corpus.folder / "config.yaml",)))
    assert "a stage needs what was dropped of 3 clips (faces.keep_crops: false)" in due
    assert "clips to compute: frames 3, faces 3, image 3 (of 3)" in due
    corpus.build("dataset", faces=DROP, **other)
    computed = corpus.computed()
    assert {computed[name] for name in ("frames", "faces", "image")} == {3}
    assert "openface" not in computed
    assert all(store.read("faces", each).trimmed for each in corpus.rows)
    # back to OpenFace: its tables are still there
    corpus.build("dataset", faces=DROP, **FEW)
    assert corpus.computed() == {}
    assert digest(corpus) == digest(kept)


def test_the_kept_crops_are_those_that_the_page_shows() -> None:
    random = np.random.default_rng(0)
    crops = [bytes(random.bytes(9)) if i % 4 else b"" for i in range(30)]
    offsets = np.cumsum([0, *map(len, crops)])
    data = np.frombuffer(b"".join(crops), np.uint8)
    whole = Features({"crop_offsets": offsets, "crop_bytes": data, "box": np.zeros((30, 4))})
    for count in (0, 1, 6, 40):
        left = split_crops(trimmed(whole, {"thumbnails": count}))
        frames = film_frames(30, count)
        assert [left[t] for t in frames] == [crops[t] or None for t in frames]
        assert all(left[t] is None for t in set(range(30)) - set(frames))
