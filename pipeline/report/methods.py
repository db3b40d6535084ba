"""The methods paragraph and its references, from the settings that made the build."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.report.sources import Build
from pipeline.train.experiments import TITLES

REFERENCES = {
    "chsims": """@inproceedings{yu2020chsims,
  title = {{CH-SIMS}: A {Chinese} Multimodal Sentiment Analysis Dataset with Fine-grained Annotation of Modality},
  author = {Yu, Wenmeng and Xu, Hua and Meng, Fanyang and Zhu, Yilin and Ma, Yixiao and Wu, Jiele and Zou, Jiyun and Yang, Kaicheng},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year = {2020}, pages = {3718--3727}
}""",
    "snakemake": """@article{molder2021snakemake,
  title = {Sustainable data analysis with {Snakemake}},
  author = {M{\\"o}lder, Felix and Jablonski, Kim Philipp and Letcher, Brice and others},
  journal = {F1000Research}, volume = {10}, year = {2021}, pages = {33}
}""",
    "mtcnn": """@article{zhang2016mtcnn,
  title = {Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks},
  author = {Zhang, Kaipeng and Zhang, Zhanpeng and Li, Zhifeng and Qiao, Yu},
  journal = {IEEE Signal Processing Letters}, volume = {23}, number = {10}, year = {2016}, pages = {1499--1503}
}""",
    "openface": """@inproceedings{baltrusaitis2018openface,
  title = {{OpenFace} 2.0: Facial Behavior Analysis Toolkit},
  author = {Baltru{\\v{s}}aitis, Tadas and Zadeh, Amir and Lim, Yao Chong and Morency, Louis-Philippe},
  booktitle = {13th IEEE International Conference on Automatic Face and Gesture Recognition},
  year = {2018}, pages = {59--66}
}""",
    "librosa": """@inproceedings{mcfee2015librosa,
  title = {librosa: Audio and Music Signal Analysis in {Python}},
  author = {McFee, Brian and Raffel, Colin and Liang, Dawen and Ellis, Daniel P. W. and McVicar, Matt and Battenberg, Eric and Nieto, Oriol},
  booktitle = {Proceedings of the 14th Python in Science Conference},
  year = {2015}, pages = {18--25}
}""",
    "pyin": """@inproceedings{mauch2014pyin,
  title = {{pYIN}: A Fundamental Frequency Estimator Using Probabilistic Threshold Distributions},
  author = {Mauch, Matthias and Dixon, Simon},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing},
  year = {2014}, pages = {659--663}
}""",
    "yin": """@article{decheveigne2002yin,
  title = {{YIN}, a fundamental frequency estimator for speech and music},
  author = {de Cheveign{\\'e}, Alain and Kawahara, Hideki},
  journal = {The Journal of the Acoustical Society of America}, volume = {111}, number = {4}, year = {2002}, pages = {1917--1930}
}""",
    "bert": """@inproceedings{devlin2019bert,
  title = {{BERT}: Pre-training of Deep Bidirectional Transformers for Language Understanding},
  author = {Devlin, Jacob and Chang, Ming-Wei and Lee, Kenton and Toutanova, Kristina},
  booktitle = {Proceedings of NAACL-HLT}, year = {2019}, pages = {4171--4186}
}""",
    "tfn": """@inproceedings{zadeh2017tfn,
  title = {Tensor Fusion Network for Multimodal Sentiment Analysis},
  author = {Zadeh, Amir and Chen, Minghai and Poria, Soujanya and Cambria, Erik and Morency, Louis-Philippe},
  booktitle = {Proceedings of EMNLP}, year = {2017}, pages = {1103--1114}
}""",
    "lmf": """@inproceedings{liu2018lmf,
  title = {Efficient Low-rank Multimodal Fusion with Modality-Specific Factors},
  author = {Liu, Zhun and Shen, Ying and Lakshminarasimhan, Varun Bharadhwaj and Liang, Paul Pu and Zadeh, AmirAli Bagher and Morency, Louis-Philippe},
  booktitle = {Proceedings of ACL}, year = {2018}, pages = {2247--2256}
}""",
    "mfn": """@inproceedings{zadeh2018mfn,
  title = {Memory Fusion Network for Multi-view Sequential Learning},
  author = {Zadeh, Amir and Liang, Paul Pu and Mazumder, Navonil and Poria, Soujanya and Cambria, Erik and Morency, Louis-Philippe},
  booktitle = {Proceedings of AAAI}, year = {2018}
}""",
    "mult": """@inproceedings{tsai2019mult,
  title = {Multimodal Transformer for Unaligned Multimodal Language Sequences},
  author = {Tsai, Yao-Hung Hubert and Bai, Shaojie and Liang, Paul Pu and Kolter, J. Zico and Morency, Louis-Philippe and Salakhutdinov, Ruslan},
  booktitle = {Proceedings of ACL}, year = {2019}, pages = {6558--6569}
}""",
}  # fmt: skip

_MODEL_REFERENCES = {
    "tfn": "tfn", "mtfn": "tfn", "lmf": "lmf", "mlmf": "lmf", "mfn": "mfn", "mult": "mult",
}  # fmt: skip


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
    cited: list[str] = ["chsims", "snakemake"]
    sentences = [_intake(build)]
    for stage, write in (
        ("frames", _frames),
        ("faces", _faces),
        ("openface", _openface),
        ("vision", _vision),
        ("audio", _audio),
        ("text", _text),
    ):
        if build.done[stage]:
            sentence, keys = write(build, versions)
            sentences.append(sentence)
            cited += keys
    if build.dataset is not None:
        sentences.append(_dataset(build))
    if trained:
        sentences.append(_training(build, trained))
        cited += [_MODEL_REFERENCES[name] for name in trained if name in _MODEL_REFERENCES]
    bibtex = "\n\n".join(REFERENCES[key] for key in dict.fromkeys(cited))
    return " ".join(sentences), bibtex


def _named(package: str, name: str, versions: Mapping[str, str]) -> str:
    return f"{name} {versions[package]}" if package in versions else name


def _intake(build: Build) -> str:
    used = len(build.usable)
    lost = len(build.quarantine)
    left_out = f" {lost} further clip(s) were left out (see the quarantine list)." if lost else ""
    return (
        f"Features were extracted from {used:,} clips after the recipe of CH-SIMS (Yu et al., 2020), "
        f"preset “{build.config.preset}”, with a Snakemake workflow (Mölder et al., 2021).{left_out}"
    )


def _frames(build: Build, _: Mapping[str, str]) -> tuple[str, list[str]]:
    return f"Video was resampled to a constant {build.config.frames.fps:g} frames per second.", []


def _faces(build: Build, versions: Mapping[str, str]) -> tuple[str, list[str]]:
    s = build.config.faces
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
        ["mtcnn"],
    )


def _openface(build: Build, _: Mapping[str, str]) -> tuple[str, list[str]]:
    runtime = build.config.openface.runtime
    how = (
        "Facial behaviour had been analysed beforehand with OpenFace (Baltrušaitis et al., 2018), whose "
        "output files were imported."
        if runtime == "import"
        else "Facial behaviour was analysed with OpenFace 2.0 (Baltrušaitis et al., 2018)."
    )
    return how, ["openface"]


def _vision(build: Build, _: Mapping[str, str]) -> tuple[str, list[str]]:
    s = build.config.vision
    invalid = "set to zero" if s.invalid == "zero" else "dropped"
    pool = f" and averaged over {s.pool} frames" if s.pool > 1 else ""
    return (
        "The vision feature has 709 values a frame (gaze, eye and face landmarks, head pose, shape "
        f"parameters, action units); frames in which OpenFace found no face were {invalid}{pool}.",
        [],
    )


def _audio(build: Build, versions: Mapping[str, str]) -> tuple[str, list[str]]:
    s = build.config.audio
    first, keys = {
        "pyin": ("log F0 by pYIN (Mauch and Dixon, 2014)", ["pyin"]),
        "yin": ("log F0 by YIN (de Cheveigné and Kawahara, 2002)", ["yin"]),
        "zcr": ("the zero-crossing rate", []),
    }[s.f0]
    tool = _named("librosa", "librosa", versions)
    htk = ", HTK mel scale" if s.mfcc_htk else ""
    return (
        f"The audio feature has 33 values a frame ({tool}, McFee et al., 2015; {s.sample_rate:,} Hz, hop "
        f"{s.hop_length}): {first}, 20 MFCC{htk} and a 12-bin constant-Q chromagram.",
        ["librosa", *keys],
    )


def _text(build: Build, versions: Mapping[str, str]) -> tuple[str, list[str]]:
    s = build.config.text
    if s.model == "demo":
        return (
            "Transcripts were passed through a small UNTRAINED text model that serves demonstration "
            "only; its features carry no meaning.",
            [],
        )
    tool = _named("transformers", "transformers", versions)
    return (
        f"Transcripts were encoded by Chinese BERT (Devlin et al., 2019; {s.model}, {tool}): the last "
        "hidden layer, 768 values a token, start and end token kept.",
        ["bert"],
    )


def _dataset(build: Build) -> str:
    s = build.config.dataset
    facts = build.dataset
    assert facts is not None
    split = {
        "stratified": f"6:2:2, stratified by five classes of the multimodal label (seed {s.seed})",
        "given": "as the label sheet gives it",
        "by_speaker": f"6:2:2 with each speaker in one part (seed {s.seed})",
        "by_video": f"6:2:2 with each video in one part (seed {s.seed})",
    }[s.split]
    lengths = ", ".join(f"{name} {steps}" for name, steps in facts.padded.items())
    return (
        f"Sequences were padded with zeros or cut at their mean plus {s.sigmas:g} standard deviations of "
        f"the length ({lengths} steps). Clips were split {split}."
    )


def _training(build: Build, trained: list[str]) -> str:
    names = ", ".join(TITLES[name] for name in trained)
    seeds = len(build.config.train.seeds)
    return f"{names} were trained with {seeds} seeds; scores are means and standard deviations over them."
