"""The tokens of every transcript, from the very tokenizer that made the text feature."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError
from pipeline.exports.source import Source
from pipeline.stages import slots
from pipeline.text.stage import TEXT

STORED = "text_bert"
"""Array of an adopted dataset that holds the tokens of the file it was made from."""


class Tokens:
    """Token ids, masks and types of a dataset's transcripts, as BERT takes them.

    Parameters
    ----------
    source : Source
        The dataset.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.absent = self._why_absent()
        self._tokenizer: Any = None

    def _why_absent(self) -> str:
        """Say why there are no tokens; empty if there are."""
        source = self.source
        if "text" not in source.modalities:
            return "the dataset has no text feature"
        if all(STORED in source[part] for part in source.parts):
            return ""
        if slots(source.config).get("text") is not TEXT:
            return "the text feature was not made from tokens of a text model"
        from pipeline.encoders.files import is_stored
        from pipeline.text.source import identity, label

        settings, models = source.config.text, source.attributes.get("text_models", [])
        try:
            identity(settings)  # nothing is downloaded
            known = len(models) == 1 and is_stored(label(settings), models)
        except BuildError as error:
            return f"the tokenizer is not on this machine ({error.problem})"
        if not known:
            return f"text.model is not the model of the dataset ({', '.join(models) or 'unknown'})"
        return ""

    def of(self, part: str, start: int, stop: int) -> NDArray[np.float32]:
        """Return ids, mask and types of some clips.

        Parameters
        ----------
        part : str
            A part of the dataset.
        start, stop : int
            Positions of the first clip and of the one after the last.

        Returns
        -------
        ndarray ``[stop - start, 3, L]`` float32
            Zeros where a clip is padded; cut where its features are cut.

        Raises
        ------
        BuildError
            If a transcript does not give as many tokens as its feature has rows.
        """
        group = self.source[part]
        if STORED in group:
            return np.asarray(group[STORED][start:stop], np.float32)
        length = int(group["text"].shape[1])
        found = np.zeros((stop - start, 3, length), np.float32)
        steps = group["quality"]["text_steps"][start:stop]
        texts = group["raw_text"].asstr()[start:stop]
        for row, text in enumerate(texts):
            ids = self._ids(str(text))
            if len(ids) != int(steps[row]):
                clip = group["id"].asstr()[start + row]
                raise BuildError(
                    f"the transcript of clip {clip} has {len(ids)} tokens, but its feature was "
                    f"made from {int(steps[row])}: the tokenizer is not the one that ran",
                    "build the text stage again: chsims-build --stage text --force",
                )
            kept = ids[:length]
            found[row, 0, : len(kept)] = kept
            found[row, 1, : len(kept)] = 1
        return found

    def _ids(self, text: str) -> list[int]:
        if self._tokenizer is None:
            from pipeline.text.extractor import TextExtractor

            self._tokenizer = TextExtractor(self.source.config.text)
        extractor = self._tokenizer
        found = extractor.tokenizer(text, truncation=True, max_length=extractor.max_tokens)
        return [int(number) for number in found["input_ids"]]
