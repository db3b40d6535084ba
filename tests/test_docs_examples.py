"""The examples in the docstrings of what users import run, on the demo."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path
from types import FunctionType

import pytest

import pipeline
from pipeline.config import make_config
from pipeline.extractor import Extractor
from pipeline.openface.imported import ImportedOpenFace
from pipeline.stages import STAGES
from tests.conftest import ROOT

OPENFACE = {"openface": {"runtime": "import"}}


def extractors() -> list[type[Extractor]]:
    """Each stage's extractor, and the one that imports OpenFace's CSVs."""
    config = make_config({})
    classes = [stage.extractor(getattr(config, name)) for name, stage in STAGES.items()]
    return [*classes, ImportedOpenFace]


PUBLIC = {
    f"pipeline.{name}": thing
    for name in pipeline.__all__
    if isinstance(thing := getattr(pipeline, name), FunctionType)
} | {cls.__name__: cls for cls in extractors()}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_of_a_public_name_runs(
    name: str, demo_build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    thing = PUBLIC[name]
    finder = doctest.DocTestFinder(recurse=False)
    (test,) = finder.find(thing, name, globs=dict(vars(import_module(thing.__module__))))
    assert test.examples, f"{name} has no example"
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_parameters_and_results_are_described(name: str) -> None:
    thing = PUBLIC[name]
    described = thing.extract if isinstance(thing, type) else thing
    for section in ("Parameters\n", "Returns\n"):
        assert section in (described.__doc__ or ""), f"{described.__qualname__} lacks {section}"
