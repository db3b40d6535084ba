"""One small synthetic build and its page, shared by the report's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.report.build import build_report
from tests.report.browser import CHROMIUM, Browser
from tests.report.synthetic import Corpus, write_build

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)> \"'`&\u2028"
RIGHT_TO_LEFT = "\u202eevil\u202c \u0645\u0631\u062d\u0628\u0627"


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Thirty clips; some with hostile texts, one in quarantine with a hostile reason."""
    corpus = Corpus(
        clips=30,
        texts={0: HOSTILE, 1: "长" * 5000, 2: RIGHT_TO_LEFT},
        ids={4: "video_0001/a'b&c;d=e", 6: f"video_{'long' * 8}/clip_{'name' * 6}"},
        short_sound=(7,),
        silent=(8,),
        warnings={5: [HOSTILE]},
        reasons={"video_0009/0001": HOSTILE},
    )
    return write_build(tmp_path_factory.mktemp("build"), corpus)


@pytest.fixture(scope="session")
def page(build: Config) -> Path:
    """The report of the small build."""
    return build_report(build)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH (apt-get install chromium)")
    with Browser() as opened:
        yield opened
