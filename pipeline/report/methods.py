"""The methods paragraph and its references, from the settings that made the build."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.adopt.record import Adopted
from pipeline.report.sources import Build
from pipeline.stage import Account, Stage
from pipeline.train.registry import MODELS
from pipeline.vision.extractor import feature_names
from pipeline.vision.settings import VisionSettings

_BIBLIOGRAPHY = Path(__file__).parent / "data" / "references.bib"

_GROUPS = {
    "gaze": "gaze",
    "eye_landmarks_2d": "eye landmarks in the picture",
    "eye_landmarks_3d": "eye landmarks in space",
    "pose": "head pose",
    "landmarks_2d": "face landmarks in the picture",
    "landmarks_3d": "face landmarks in space",
    "pdm": "shape parameters",
    "au_r": "intensities of action units",
    "au_c": "presences of action units",
}
"""OpenFace's groups of columns, in words."""

_MODEL_REFERENCES = {
    "tfn": "zadeh2017tfn",
    "mtfn": "zadeh2017tfn",
    "lmf": "liu2018lmf",
    "mlmf": "liu2018lmf",
    "mfn": "zadeh2018mfn",
    "mult": "tsai2019mult",
}


def methods(build: Build, versions: Mapping[str, str], trained: list[str]) -> tuple[str, str]:
    """Write what was done, only of stages that ran.

    Parameters
    ----------
    build : Build
        The build.
    versions : mapping
        Package versions.
    trained : list of str
        Models with results.

    Returns
    -------
    paragraph, bibtex : str
        Plain text; the references it names, as BibTeX.
    """
    cited: list[str] = ["yu2020chsims", "molder2021snakemake"]
    sentences = [_adopted(build, build.adopted) if build.adopted else _intake(build)]
    for name, stage in build.stages.items():
        if not build.done[name]:
            continue
        if write := _SENTENCES.get(name):
            sentence, keys = write(build, versions)
            sentences.append(sentence)
            cited += keys
        elif stage.account is not None:
            sentence, keys = stage.account(_account(build, stage, versions))
            sentences.append(sentence)
            cited += keys
        elif stage.feature is not None:
            step = stage.feature.step_of(stage.settings(build.made_with))
            sentences.append(_other(build, stage.name, stage.feature.slot, step))
    if build.dataset is not None:
        sentences.append(_dataset(build))
    if trained and "table2" not in build.older_results:
        sentences.append(_training(build, trained))
        cited += [_MODEL_REFERENCES[name] for name in trained if name in _MODEL_REFERENCES]
    return " ".join(sentences), _bibtex(cited)


def _bibtex(keys: Sequence[str]) -> str:
    """Return the entries cited, each once, in the order of citation."""
    entries = {
        entry.split("{", 1)[1].split(",", 1)[0]: entry.strip()
        for entry in re.split(r"\n(?=@)", _BIBLIOGRAPHY.read_text("utf-8"))
    }
    return "\n\n".join(entries[key] for key in dict.fromkeys(keys))


def _named(package: str, name: str, versions: Mapping[str, str]) -> str:
    return f"{name} {versions[package]}" if package in versions else name


def _intake(build: Build) -> str:
    used = len(build.usable)
    lost = len(build.quarantine)
    clips = f"{lost:,} clip was" if lost == 1 else f"{lost:,} clips were"
    left_out = f" {clips} left out (see the quarantine list)." if lost else ""
    others = set(build.stages) - _OF_CH_SIMS
    recipe = (
        "in the manner of CH-SIMS (Yu et al., 2020) by the extractors named below"
        if others
        else f"after the recipe of CH-SIMS (Yu et al., 2020), preset {build.made_with.preset}"
    )
    return (
        f"Features were extracted from {used:,} clips {recipe}, with a Snakemake workflow (Mölder "
        f"et al., 2021).{left_out}"
    )


_OF_CH_SIMS = {"frames", "faces", "openface", "vision", "audio", "text"}
"""The stages of the corpus' own features."""


def _adopted(build: Build, adopted: Adopted) -> str:
    """Say where the features come from, and nothing about how they were made."""
    widths = {name: len(names) for name, names in build.feature_names.items()}
    values = ", ".join(f"{name} {width}" for name, width in widths.items())
    what = f"{adopted.published}; " if adopted.published else ""
    return (
        f"The features of {len(build.usable):,} clips ({values} values per step) were not "
        f"extracted for this work but taken from the file {adopted.name} ({what}SHA-256 "
        f"{adopted.digest}), in the manner of CH-SIMS (Yu et al., 2020); models were trained and "
        "evaluated with a Snakemake workflow (Mölder et al., 2021)."
    )


def _frames(build: Build, _: Mapping[str, str]) -> tuple[str, list[str]]:
    return (
        f"Video was resampled to a constant {build.made_with.frames.fps:g} frames per second.",
        [],
    )


def _faces(build: Build, versions: Mapping[str, str]) -> tuple[str, list[str]]:
    s = build.made_with.faces
    crop = {
        "box": f"as a square with a margin of {s.margin:g} of its side",
        "aligned": "by a similarity transform of the five landmarks",
        "recipe": "as the detector's box without margin",
    }[s.crop]
    track = (
        "the speaker's face was followed through each clip"
        if s.track == "speaker"
        else "the largest face of each frame was taken"
    )
    tool = _named("facenet-pytorch", "facenet-pytorch", versions)
    return (
        f"Faces were detected by MTCNN (Zhang et al., 2016; {tool}); {track} and cropped {crop} "
        f"to {s.image_size} × {s.image_size} pixels.",
        ["zhang2016mtcnn"],
    )


def _openface(build: Build, _: Mapping[str, str]) -> tuple[str, list[str]]:
    if build.made_with.openface.runtime == "import":
        how = (
            "Facial behaviour had been analysed beforehand with OpenFace (Baltrušaitis et al., "
            "2018), whose output files were imported."
        )
    else:
        which = " and ".join(build.openface_programs) or "the features do not say which"
        how = (
            f"Facial behaviour was analysed with OpenFace 2.0 (Baltrušaitis et al., 2018; {which})."
        )
    return how, ["baltrusaitis2018openface"]


def _vision(build: Build, _: Mapping[str, str]) -> tuple[str, list[str]]:
    s = build.made_with.vision
    rows = "frames" if s.rows == "grid" else "rows of OpenFace's output"
    fate = {
        "zero": "are zero and marked as invalid",
        "drop": "were left out",
        "keep": "were used like the others",
    }[s.invalid]
    if s.pool == 1:
        steps = f"{rows} in which OpenFace found no face {fate}"
    elif s.invalid == "keep":
        steps = (
            f"each vector is the mean of {s.pool} successive {rows}, those in which OpenFace "
            "found no face included"
        )
    else:
        steps = (
            f"each vector is the mean of those among {s.pool} successive {rows} in which OpenFace "
            f"found a face; spans without any {fate}"
        )
    values = len(feature_names(s))
    return f"The vision feature has {values} values per vector ({_groups(s)}); {steps}.", []


def _groups(settings: VisionSettings) -> str:
    """Name the groups of OpenFace's columns that a vector holds."""
    if settings.columns == "all":
        return "gaze, eye and face landmarks, head pose, shape parameters, action units"
    return ", ".join(_GROUPS[group] for group in settings.columns)


def _audio(build: Build, versions: Mapping[str, str]) -> tuple[str, list[str]]:
    s = build.made_with.audio
    first, keys = {
        "pyin": ("log F0 by pYIN (Mauch and Dixon, 2014)", ["mauch2014pyin"]),
        "yin": ("log F0 by YIN (de Cheveigné and Kawahara, 2002)", ["decheveigne2002yin"]),
        "zcr": ("the zero-crossing rate", []),
    }[s.f0]
    tool = _named("librosa", "librosa", versions)
    htk = ", HTK mel scale" if s.mfcc_htk else ""
    return (
        f"The audio feature has 33 values per frame ({tool}, McFee et al., 2015; "
        f"{s.sample_rate:,} Hz, hop {s.hop_length}): {first}, 20 MFCC{htk} and a 12-bin "
        "constant-Q chromagram.",
        ["mcfee2015librosa", *keys],
    )


def _account(build: Build, stage: Stage, versions: Mapping[str, str]) -> Account:
    """Gather what is known of a stage that writes its own sentence."""
    slot = stage.feature.slot if stage.feature else ""
    return Account(
        settings=stage.settings(build.made_with),
        models=build.models_of(stage.name),
        width=len(build.feature_names.get(slot, ())),
        rate=build.rates.get(slot),
        tool=_named("transformers", "transformers", versions),
    )


def _opensmile(build: Build, versions: Mapping[str, str]) -> tuple[str, list[str]]:
    s = build.made_with.opensmile
    reference = next(item for part, item in _FEATURE_SETS.items() if part in s.set)
    tool = _named("opensmile", "opensmile", versions)
    what = "low-level descriptors" if s.level == "lld" else "functionals"
    if s.deltas:
        what += " and their deltas"
    width = len(build.feature_names.get("audio", ()))
    values = f"{width:,} {what}" if width else what
    per = " per 10 ms" if s.level == "lld" else " of each clip"
    cited = f"; {reference[0]}" if reference else ""
    return (
        f"The audio feature has the {values}{per} of {s.set} (openSMILE, Eyben et al., 2010; "
        f"{tool}{cited}), from sound at 16 kHz. openSMILE is free for research and other "
        "non-commercial use.",
        ["eyben2010opensmile", *reference[1:]],
    )


_FEATURE_SETS = {
    "GeMAPS": ("Eyben et al., 2016", "eyben2016gemaps"),
    "ComParE": ("Schuller et al., 2016", "schuller2016compare"),
    "": (),
}
"""The papers of feature sets, by a part of their name."""


def _other(build: Build, name: str, slot: str, step: str) -> str:
    """Name an extractor of another package, of which nothing else is known here."""
    width = len(build.feature_names.get(slot, ()))
    values = f" ({width} values per {step})" if width else ""
    return f"The {slot} feature was computed by the extractor {name}{values}."


_SENTENCES: dict[str, Callable[[Build, Mapping[str, str]], tuple[str, list[str]]]] = {
    "frames": _frames,
    "faces": _faces,
    "openface": _openface,
    "vision": _vision,
    "audio": _audio,
    "opensmile": _opensmile,
}


def _dataset(build: Build) -> str:
    s = build.made_with.dataset
    made = build.dataset.attributes.get("split") if build.dataset else None
    split = {
        "auto": "split as the label sheet gives it, or 6:2:2 where it names no parts",
        "stratified": "split 6:2:2, stratified by five classes of the multimodal label "
        f"(seed {s.seed})",
        "given": "split as the label sheet gives it",
        "by_speaker": f"split 6:2:2 with each speaker in one part (seed {s.seed})",
        "by_video": f"split 6:2:2 with each video in one part (seed {s.seed})",
        "none": "not split, because none has a label",
    }[made or s.split]
    lengths = ", ".join(f"{name} {steps}" for name, steps in build.padded.items())
    if build.adopted is not None:
        return (
            f"Sequences have the common lengths of that file ({lengths} steps), and clips are "
            "split as it gives them."
        )
    return (
        f"Sequences were padded with zeros or cut at their mean plus {s.sigmas:g} standard "
        f"deviations of the length ({lengths} steps). Clips were {split}."
    )


def _training(build: Build, trained: list[str]) -> str:
    s = build.made_with.train
    names = ", ".join(MODELS[name].title for name in trained)
    how = {
        "paper": "as the paper describes it",
        "published": "as the published code computes it",
    }[s.preset]
    changed = {
        **{f"recipe.{key}": value for key, value in s.recipe.items()},
        **{f"{m}.{k}": v for m, own in s.hyper.items() if m in trained for k, v in own.items()},
    }
    but = ", ".join(f"{key} = {value}" for key, value in changed.items())
    departures = f", with {but}" if changed else ""
    one = len(s.seeds) == 1
    seeds = "one seed" if one else f"{len(s.seeds)} seeds"
    scores = (
        "Scores are those of this seed"
        if one
        else "Scores are means and standard deviations over the seeds"
    )
    were = "was" if len(trained) == 1 else "were"
    return (
        f"{names} {were} trained with {seeds} ({', '.join(map(str, s.seeds))}), {how} (training "
        f"preset {s.preset}{departures}). Training stopped when the loss on the valid part had "
        f"not fallen for {s.patience} epochs, or after {s.max_epochs} in all. {scores} on the "
        "test part."
    )
