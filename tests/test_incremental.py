"""What changed is computed again, and nothing else: counted in clips, through Snakemake."""

from __future__ import annotations

import shutil

import pytest

from tests.corpora import Corpus, small_corpus
from tests.media import face_clip

pytestmark = pytest.mark.long

VISION = {"frames", "faces", "openface", "vision"}
STAGES = ("stage_vision", "stage_audio", "stage_text")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    corpus = small_corpus(tmp_path_factory.mktemp("incremental"))
    corpus.build(*STAGES)
    assert corpus.computed() == dict.fromkeys([*VISION, "audio", "text"], 3)
    return corpus


def test_nothing_changed_means_no_clip_is_computed(corpus: Corpus) -> None:
    assert "Nothing to be done" in corpus.build(*STAGES)
    assert corpus.computed() == {}


def test_frames_are_kept_only_while_they_are_needed(corpus: Corpus) -> None:
    assert list(corpus.processed.glob("frames/**/*.mkv")) == []
    assert list(corpus.processed.glob("faces/**/*.safetensors"))


def test_an_added_clip_costs_one_clip(corpus: Corpus) -> None:
    face_clip(corpus.add("video_2/new"), seconds=1.2)
    corpus.build(*STAGES)
    assert corpus.computed() == dict.fromkeys([*VISION, "audio", "text"], 1)


def test_a_changed_transcript_costs_one_text(corpus: Corpus) -> None:
    corpus.rows["video_1/0000"] = ("换了一句话。", 1.0)
    corpus.build(*STAGES)
    assert corpus.computed() == {"text": 1}


def test_a_changed_label_costs_nothing(corpus: Corpus) -> None:
    text, _ = corpus.rows["video_1/0000"]
    corpus.rows["video_1/0000"] = (text, -1.0)
    corpus.build(*STAGES)
    assert corpus.computed() == {}


def test_an_edited_media_file_costs_its_own_features_but_not_its_text(corpus: Corpus) -> None:
    face_clip(corpus.raw / "video_2" / "0001.mp4", seconds=1.3)
    corpus.build(*STAGES)
    assert corpus.computed() == dict.fromkeys([*VISION, "audio"], 1)


def test_a_changed_audio_setting_costs_all_audio_and_only_audio(corpus: Corpus) -> None:
    corpus.build(*STAGES, audio={"f0": "zcr"})
    assert corpus.computed() == {"audio": 4}


def test_a_changed_crop_costs_everything_behind_the_faces(corpus: Corpus) -> None:
    corpus.build(*STAGES, audio={"f0": "zcr"}, faces={"margin": 0.1})
    assert corpus.computed() == dict.fromkeys(VISION, 4)


def test_a_removed_clip_costs_nothing(corpus: Corpus) -> None:
    del corpus.rows["video_1/0000"]
    corpus.build(*STAGES, audio={"f0": "zcr"}, faces={"margin": 0.1})
    assert corpus.computed() == {}


def test_a_touched_media_file_costs_nothing(corpus: Corpus) -> None:
    (corpus.raw / "video_2" / "0001.mp4").touch()
    corpus.build(*STAGES, audio={"f0": "zcr"}, faces={"margin": 0.1})
    assert corpus.computed() == {}


def test_a_lost_feature_file_is_noticed_and_made_again(corpus: Corpus) -> None:
    (corpus.processed / "audio" / "video_2" / "new.safetensors").unlink()
    corpus.build(*STAGES, audio={"f0": "zcr"}, faces={"margin": 0.1})
    assert corpus.computed() == {"audio": 1}


def test_one_clip_can_be_forced(corpus: Corpus) -> None:
    settings = {"audio": {"f0": "zcr"}, "faces": {"margin": 0.1}}
    run = {"clips": ["video_2/new"], "force": ["audio"]}
    corpus.build("stage_audio", run=run, **settings)
    assert corpus.computed() == {"audio": 1}
    assert "Nothing to be done" in corpus.build(*STAGES, **settings)


def test_a_changed_setting_is_seen_without_snakemakes_own_notes(corpus: Corpus) -> None:
    """`make clean`, or a folder that was moved: what was made with which settings is in it."""
    settings = {"audio": {"f0": "zcr"}, "faces": {"margin": 0.1}}
    shutil.rmtree(corpus.folder / ".snakemake")
    corpus.build(*STAGES, **settings)
    assert corpus.computed() == {}
    shutil.rmtree(corpus.folder / ".snakemake")
    corpus.build(*STAGES, faces={"margin": 0.1})
    assert corpus.computed() == {"audio": 3}
    shutil.rmtree(corpus.folder / ".snakemake")
    corpus.build(*STAGES, **settings)
    assert corpus.computed() == {"audio": 3}


def test_a_clip_computed_alone_with_another_setting_is_made_right_again(corpus: Corpus) -> None:
    """The record of its shard is out of date, in whichever order the calls come."""
    settings = {"audio": {"f0": "zcr"}, "faces": {"margin": 0.1}}
    other = {"audio": {"f0": "zcr", "mfcc_htk": True}, "faces": {"margin": 0.1}}
    alone, clips = {"clips": ["video_1/0002"], "force": []}, len(corpus.rows)
    corpus.build(*STAGES, **settings)
    corpus.computed()
    for _ in range(2):
        corpus.build("stage_audio", run=alone, **other)
        assert corpus.computed() == {"audio": 1}
        corpus.build(*STAGES, **settings)
        assert corpus.computed() == {"audio": 1}
    corpus.build(*STAGES, **other)
    assert corpus.computed() == {"audio": clips}
    corpus.build("stage_audio", run=alone, **settings)
    assert corpus.computed() == {"audio": 1}
    corpus.build(*STAGES, **settings)
    assert corpus.computed() == {"audio": clips - 1}


@pytest.mark.parametrize(
    ("target", "settings", "words"),
    [
        ("dataset", {"dataset": {"split": "given"}}, "dataset.split=given needs"),
        ("stage_text", {"text": {"model": "no/such-model"}}, "no/such-model"),
    ],
)
def test_what_fails_fails_again(
    corpus: Corpus, target: str, settings: dict[str, object], words: str
) -> None:
    """A job that stopped leaves nothing behind that the next call takes for its result."""
    others = {"audio": {"f0": "zcr"}, "faces": {"margin": 0.1}}
    corpus.build(*STAGES, **others)
    for _ in range(2):
        status, output = corpus.run(target, **others, **settings)
        assert status != 0
        assert words in output
    corpus.build(*STAGES, **others)
    corpus.computed()
