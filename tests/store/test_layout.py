"""The build folder's files are spelled in one module, and belong to one build."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipeline.store.layout import OWN, Layout
from tests.conftest import ROOT

LAYOUT = ROOT / "pipeline" / "store" / "layout.py"


def _joined_words(path: Path) -> list[str]:
    """Return the literal words that a module joins to a path with ``/``."""
    operations = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if _is_join(n)]
    return [
        str(n.right.value).split("/")[0]
        for n in operations
        if isinstance(n, ast.BinOp) and isinstance(n.right, ast.Constant)
    ]


def _is_join(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


def test_no_other_module_spells_a_file_of_the_build_folder() -> None:
    modules = [path for path in (ROOT / "pipeline").rglob("*.py") if path != LAYOUT]
    assert len(modules) > 100
    # a project has a config.yaml, too, in its folder config/
    config_file = {"project.py", "init.py", "config_reference.py"}
    modules = [path for path in modules if path.name not in config_file]
    # predict lays out a raw folder of its own; "raw" and "openface" are no files of a build
    found = {path.name: [word for word in _joined_words(path) if word in OWN] for path in modules}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("processed/dataset.h5", True),
        ("processed/records/audio/0000.json", True),
        ("processed/demo/dataset.h5", False),
        ("processed", False),
        ("elsewhere/dataset.h5", False),
    ],
)
def test_a_build_in_a_folder_below_is_another_build(path: str, own: bool) -> None:
    assert Layout(Path("processed")).holds(Path(path)) is own


def test_shards_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.shards.mkdir()
    for name in ("0002", "10000", "0010", "9999", "clips-0a1b2c3d"):
        layout.shard(name).touch()
    assert [p.stem for p in layout.numbered_shards] == ["0002", "0010", "9999", "10000"]
