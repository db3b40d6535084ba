"""The choice of layers: what may be written, what it means, and which keys it changes."""

from __future__ import annotations

import doctest

import pytest

import pipeline.encoders.account
import pipeline.encoders.layers
import pipeline.encoders.names
from pipeline.config import load_config, make_config
from pipeline.encoders.account import layers_in_words
from pipeline.errors import BuildError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("last", "last"),
        ("12", "12"),
        ("-1", "-1"),
        ("9-12", "9-12"),
        ("[9, 12]", "9-12"),
        ("[-4, -1]", "-4--1"),
        ("9 - 12", "9-12"),
        ("7-7", "7"),
        ("0012", "12"),
    ],
)
def test_every_form_has_one_spelling(written: str, meant: str) -> None:
    assert load_config(assignments=(f"speech.layers={written}",)).speech.layers == meant
    again = make_config({"speech": {"layers": meant}})
    assert again.speech.layers == meant


@pytest.mark.parametrize("written", ["first", "1.5", "true", "[1]", "[1, 2, 3]", "1-", "", "null"])
def test_other_forms_are_refused_with_those_that_there_are(written: str) -> None:
    with pytest.raises(BuildError, match=r"text\.layers.*give last, a number"):
        load_config(assignments=(f"text.layers={written}",))


def test_the_last_layer_leaves_older_keys_as_they_were() -> None:
    text = make_config({}).text
    assert text.defining() == {"max_tokens": 512}
    chosen = make_config({"text": {"layers": 3}}).text
    assert chosen.defining() == {"max_tokens": 512, "layers": "3"}


def test_layers_are_named_in_words() -> None:
    assert layers_in_words("last") == "the last hidden layer"
    assert layers_in_words("0") == "the embeddings"
    assert layers_in_words("-4--1") == (
        "the mean of the hidden layers 4 from the end to 1 from the end"
    )


@pytest.mark.parametrize(
    "module", [pipeline.encoders.account, pipeline.encoders.layers, pipeline.encoders.names]
)
def test_the_examples_in_the_docstrings_run(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried > 0
    assert failed == 0
