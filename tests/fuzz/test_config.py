"""Any configuration is checked or refused in words; YAML never runs code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config, every_field, load_config
from pipeline.errors import BuildError
from tests.conftest import ROOT
from tests.fuzz.mutate import fuzzed, mutated

FILES = [path.read_bytes() for path in sorted((ROOT / "config").glob("*.yaml"))]
SHORT = [
    b"train: {models: [lmf], hyper: {lmf: {rank: 3}}}\nfaces: {thresholds: [0.6, 0.7, 0.7]}\n",
    b"a: &a {text: none}\nfeatures: *a\nmanifest: {rules: {duration: off, min_seconds: 1}}\n",
]
KEYS = [name for name, _ in every_field()]
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["off", "yes", "null", "~", "1:30", "0x1F", "1_0", ".nan", "-.inf", "1e400"]),
    st.integers(-(2**70), 2**70).map(str),
    st.recursive(
        st.sampled_from(["1", "a", "null", "-1"]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
            inner.map(lambda item: f"{{k: {item}}}"),
        ),
        max_leaves=6,
    ),
)


def read(*files: Path, assignments: tuple[str, ...] = ()) -> Config | None:
    """Load a configuration; None if it is refused."""
    try:
        return load_config(files, assignments)
    except BuildError as error:
        assert str(error).strip()
        return None


@fuzzed(150)
@given(data=st.one_of(mutated(SHORT), mutated(FILES), st.binary(max_size=200)))
def test_a_damaged_file_is_checked_or_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_bytes(data)
    read(tmp_path / "my.yaml")


@fuzzed(300)
@given(key=st.sampled_from(KEYS), value=WORDS)
def test_any_value_of_any_key_is_checked_or_refused(key: str, value: str) -> None:
    found: Any = read(assignments=(f"{key}={value}",))
    if found is not None:  # what was accepted is accepted again, as a build's record of it
        again = type(found).model_validate(found.model_dump(mode="json"))
        assert again.model_dump(mode="json") == found.model_dump(mode="json")
