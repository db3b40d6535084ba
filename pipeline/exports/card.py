"""The dataset card of a Hugging Face export: what it holds, and how it was made."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from pipeline.corpus import CLASS_TITLES, LABELS, TITLES
from pipeline.exports.source import Source

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#!|~&$]|^[-+.=]|^\d+[.)]|:(?=//)|@)")
_LINE = re.compile(r"\s+")


def escaped(text: object) -> str:
    """Return text that Markdown and HTML show as it is, on one line.

    Examples
    --------
    >>> print(escaped("<b>*hi*</b>\\n[x](y) https://z 0.1"))
    &lt;b&gt;\\*hi\\*&lt;/b&gt; \\[x\\]\\(y\\) https\\://z 0.1
    """
    line = _LINE.sub(" ", "".join(c if c.isprintable() else " " for c in str(text))).strip()
    marked = _SPECIAL.sub(_escape, line)
    return marked.replace("<", "&lt;").replace(">", "&gt;")


def _escape(match: re.Match[str]) -> str:
    return f"{match[0][:-1]}\\{match[0][-1]}"


def card(source: Source, splits: list[str]) -> str:
    """Write the card.

    Parameters
    ----------
    source : Source
        The dataset; nothing is said that it does not say itself.
    splits : list of str
        Its splits, in the order of its parts that have clips.
    """
    parts = [part for part in source.parts if source.size(part)]
    counts = [[split, f"{source.size(p):,}"] for split, p in zip(splits, parts, strict=True)]
    return "\n".join(
        [
            "---",
            yaml.safe_dump(_header(splits), allow_unicode=True, sort_keys=False).strip(),
            "---",
            "",
            "# Multimodal sentiment features",
            "",
            f"Made by chsims-build {escaped(_version(source))} with the preset "
            f"{escaped(source.attributes.get('preset', 'unknown'))}: clips with separate labels "
            "for text, audio, vision and all three together, in the manner of CH-SIMS "
            "(Yu et al., ACL 2020).",
            "",
            *_warnings(source),
            "## Splits",
            "",
            *_table(["split", "clips"], counts),
            "",
            f"Split: {escaped(source.attributes.get('split_reason', 'unknown'))}.",
            "",
            "## Columns",
            "",
            *_columns(source),
            "",
            "## Features",
            "",
            "`features.json` has the name of every dimension, all settings and the versions.",
            "",
            *_features(source),
            "",
            *_sources(source),
            "## Terms",
            "",
            "The clips, transcripts and labels keep the terms under which they were obtained, and "
            "features of OpenFace are for academic, non-commercial research only.",
            "",
        ]
    )


def _header(splits: list[str]) -> dict[str, Any]:
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    return {
        "language": ["zh"],
        "license": "other",
        "pretty_name": "Multimodal sentiment features (CH-SIMS style)",
        "tags": ["multimodal", "sentiment-analysis", "ch-sims", "chsims-build"],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _version(source: Source) -> str:
    return str(source.attributes.get("versions", {}).get("chsims-build", "of an unknown version"))


def _warnings(source: Source) -> list[str]:
    warnings = source.attributes.get("warnings", [])
    if not warnings:
        return []
    return ["## Before you use it", "", *(f"- {escaped(words)}" for words in warnings), ""]


def _columns(source: Source) -> list[str]:
    classes = ", ".join(f"{name} {title}" for name, title in CLASS_TITLES.items())
    lacking = {task: source.unlabelled(task, source.parts) for task in LABELS}
    rows = [
        ["`id`", "`video_id/clip_id`"],
        ["`raw_text`", "the transcript"],
        *(
            [
                f"`{task}`",
                f"label from -1 to 1: {TITLES[task]}; missing for {lacking[task]:,} clips",
            ]
            for task in LABELS
        ),
        ["`class`", f"class of M: {classes}"],
        *([f"`{m}`", f"`[steps, {len(source.names(m))}]` float32"] for m in source.modalities),
        *([f"`{m}_valid`", f"1 where a row of `{m}` is valid"] for m in source.masked()),
        ["`quality_*`", "figures of each clip; missing where its stage does not give one"],
    ]
    return _table(["column", "meaning"], rows)


def _features(source: Source) -> list[str]:
    rows = []
    for modality in source.modalities:
        described = source.attributes.get("modalities", {}).get(modality, {})
        rate = described.get("steps_per_second")
        lengths = source.attributes.get(f"{modality}_length_statistics", {})
        rows.append(
            [
                modality,
                escaped(described.get("extractor", "unknown")),
                str(len(source.names(modality))),
                escaped(described.get("step", "unknown")),
                "-" if rate is None else f"{rate:.4g}",
                str(lengths.get("padded", "unknown")),
            ]
        )
    header = ["modality", "extractor", "dimensions", "a step is", "steps per second"]
    return _table([*header, "common length in dataset.h5"], rows)


def _sources(source: Source) -> list[str]:
    """Say which models and programs made the features, and which file an adopted one is from."""
    found = []
    for name in ("text_models", "openface_runtimes", "openface_programs"):
        for value in source.attributes.get(name, []):
            found.append(f"- {name.replace('_', ' ')}: {escaped(value)}")
    adopted = source.attributes.get("adopted")
    if adopted:
        words = json.dumps(adopted, ensure_ascii=False) if isinstance(adopted, dict) else adopted
        found.append(f"- adopted from a file that others made: {escaped(words)}")
    return [*found, ""] if found else []


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
