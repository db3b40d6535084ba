"""config/config.yaml and docs/configuration.md, made from the tree of settings.

``python -m pipeline.commands.config_reference`` writes both; a test checks that they are current.
"""

from __future__ import annotations

import json
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.config import Config, every_field
from pipeline.train.registry import MODELS

_HEAD = """\
# Every key with its default. Copy what you want to change into a file of your own and give it with
#   chsims-build --config my.yaml        or        snakemake --configfile my.yaml
# or set single keys: chsims-build --set audio.f0=yin. Unknown keys are errors.
# This file is made by: python -m pipeline.commands.config_reference
"""


def as_yaml(config: Config) -> str:
    """Return a configuration as YAML, every key with its help as a comment."""
    return _HEAD + "\n".join(_lines(config, 0)) + "\n"


def _lines(settings: BaseModel, depth: int) -> list[str]:
    pad = "  " * depth
    lines: list[str] = []
    plain = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        if field.exclude:
            continue
        value = getattr(settings, name)
        if depth == 0 or isinstance(value, BaseModel):
            lines.append("")
        lines += textwrap.wrap(
            _help(field), 96 - len(pad), initial_indent=f"{pad}# ", subsequent_indent=f"{pad}# "
        )
        if isinstance(value, BaseModel):
            lines += [f"{pad}{name}:", *_lines(value, depth + 1)]
        else:
            lines.append(f"{pad}{name}: {json.dumps(plain[name], ensure_ascii=False)}")
    return lines


def _help(field: Any) -> str:
    return " ".join((field.description or "").split())


def as_markdown() -> str:
    """Return the reference of all keys: type, default, range, meaning."""
    defaults = Config()
    schema = Config.model_json_schema()
    lines = [
        "# Configuration reference",
        "",
        "Made from the settings by `python -m pipeline.commands.config_reference`; do not edit."
        " Keys marked * say where things lie, how much runs at a time, on what, and when a build"
        " stops: they are no part of a feature file's key (an OpenFace container enters it by its"
        " image's digest). A GPU may change a result's last bits.",
        "",
    ]
    for name, field in every_field():
        value: Any = defaults
        for part in name.split("."):
            value = getattr(value, part)
        if isinstance(value, BaseModel):
            lines += ["", f"## {name}", "", _help(field), ""]
            lines += ["| key | default | values | meaning |", "|---|---|---|---|"]
            continue
        if "." not in name and lines[-1] == "":
            lines += ["## General", "", "| key | default | values | meaning |", "|---|---|---|---|"]
        extra = field.json_schema_extra
        star = " *" if isinstance(extra, dict) and extra.get("operational") else ""
        plain = json.dumps(_plain(defaults, name), ensure_ascii=False)
        allowed = _allowed(_schema_of(schema, name)).replace("|", "\\|")
        lines.append(f"| `{name}`{star} | `{plain}` | {allowed} | {_help(field)} |")
    return "\n".join([*lines, *_hyper_lines()]).rstrip() + "\n"


def _hyper_lines() -> list[str]:
    """Return the table of hyper-parameters, each with the models' values."""
    lines = [
        "",
        "## Hyper-parameters",
        "",
        "What `train.hyper` can change, as `{mlf_dnn: {learning_rate: 0.001, alpha: {A: 0.2}}}`,"
        " and a grid by dotted names (`alpha.A`). The values are those of the published code's"
        " configuration; preset `paper` sets `decay.rest` to 0 for LF-DNN, LMF and MLMF, and"
        " `alpha.A` to 0.4 for MTFN.",
        "",
        "| key | meaning | values |",
        "|---|---|---|",
    ]
    fields = {
        name: field
        for info in MODELS.values()
        for name, field in every_field(type(info.hyper))
        if not isinstance(field.default, BaseModel)
    }
    for name, field in fields.items():
        models: dict[str, list[str]] = {}
        for model, info in MODELS.items():
            with suppress(KeyError):
                models.setdefault(json.dumps(_plain(info.hyper, name)), []).append(model)
        values = "; ".join(f"{value}: {', '.join(names)}" for value, names in models.items())
        lines.append(f"| `{name}` | {_help(field)} | {values} |")
    return lines


def _plain(config: BaseModel, name: str) -> Any:
    value = config.model_dump(mode="json")
    for part in name.split("."):
        value = value[part]
    return value


def _schema_of(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found = schema
    for part in name.split("."):
        found = _resolved(schema, found)["properties"][part]
    return _resolved(schema, found)


def _resolved(schema: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    reference = item.get("$ref")
    if reference is None:
        return item
    definition: dict[str, Any] = schema["$defs"][reference.rsplit("/", 1)[-1]]
    return definition


def _allowed(item: dict[str, Any]) -> str:
    if "enum" in item:
        return ", ".join(f"`{value}`" for value in item["enum"])
    if "anyOf" in item:
        return " or ".join(_allowed(option) for option in item["anyOf"])
    if item.get("type") == "array" and isinstance(item.get("items"), dict):
        return f"list of {_allowed(item['items'])}"
    bounds = [
        f"{sign} {item[name]:g}"
        for name, sign in (
            ("minimum", ">="),
            ("exclusiveMinimum", ">"),
            ("maximum", "<="),
            ("exclusiveMaximum", "<"),
        )
        if name in item
    ]
    return " ".join([str(item.get("type", "value")), *bounds])


def main() -> None:
    """Write config/config.yaml and docs/configuration.md."""
    root = Path(__file__).resolve().parent.parent.parent
    (root / "config" / "config.yaml").write_text(as_yaml(Config()), "utf-8")
    (root / "docs" / "configuration.md").write_text(as_markdown(), "utf-8")


if __name__ == "__main__":
    main()
