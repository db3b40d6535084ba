"""text: transcripts through Chinese BERT, one 768-d vector a token."""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import BuildError
from pipeline.extractor import Extractor
from pipeline.store import Features, file_digest
from pipeline.text.demo_model import DEMO_VERSION, LABEL, write_demo_model
from pipeline.text.settings import TextSettings

DEMO = "demo"
WIDTH_STEP = 8
_MODEL_FILES = ("config.json", "model.safetensors", "vocab.txt", "tokenizer.json")


class TextExtractor(Extractor):
    """Token vectors of the last hidden layer, start and end token kept (paper, section 3.2).

    Parameters
    ----------
    settings : TextSettings
        Which model, and its pinned revision.

    Raises
    ------
    BuildError
        If the model is neither in a folder, nor in the cache, nor to be downloaded.
    """

    version: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers", "torch")

    def __init__(self, settings: TextSettings) -> None:
        import torch

        device = settings.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.settings = settings
        self.device = torch.device(device)
        self.tokenizer, model = load_bert(settings)
        self.model = model.to(self.device).eval()
        self.label = LABEL if settings.model == DEMO else settings.model

    def extract(self, inputs: str) -> Features:
        """Map one transcript to ``text [n + 2, 768]`` float32."""
        result = self.extract_batch([inputs])[0]
        if isinstance(result, Exception):
            raise result
        return result

    def extract_batch(self, batch: Sequence[str]) -> list[Features | Exception]:
        """Map transcripts in length-sorted batches.

        Batches have fixed shapes, whatever is in them: ``batch_clips`` rows (the last one is
        filled up) of the next multiple of 8 tokens. Matrix products of one shape add up in
        one order, so a transcript's vectors are the same to the bit in any company.

        Parameters
        ----------
        batch : sequence of str
            Transcripts of any length; those over ``max_tokens`` tokens are cut.

        Returns
        -------
        list of Features
            ``text [n + 2, 768]`` float32 with [CLS] first and [SEP] last; ``info`` holds
            the tokens and how many of them are unknown to the model.
        """
        limit = self.settings.max_tokens
        ids = [self.tokenizer(t, truncation=True, max_length=limit)["input_ids"] for t in batch]
        order = sorted(range(len(batch)), key=lambda i: len(ids[i]))
        results: list[Features | Exception | None] = [None] * len(batch)
        for members in _batches(order, ids, self.settings.batch_clips):
            hidden = self._hidden([ids[i] for i in members])
            for row, i in enumerate(members):
                tokens = self.tokenizer.convert_ids_to_tokens(ids[i])
                info = {
                    "tokens": tokens,
                    "unknown": tokens.count(self.tokenizer.unk_token),
                    "model": self.label,
                }
                results[i] = Features(arrays={"text": hidden[row, : len(tokens)]}, info=info)
        return [result for result in results if result is not None]

    def _hidden(self, ids: list[list[int]]) -> Any:
        import torch

        width = _width(ids[0])
        pad = self.tokenizer.pad_token_id
        ids = ids + [ids[0]] * (self.settings.batch_clips - len(ids))
        padded = torch.tensor([row + [pad] * (width - len(row)) for row in ids])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
        with torch.inference_mode():
            output = self.model(
                input_ids=padded.to(self.device), attention_mask=mask.to(self.device)
            )
        return output.last_hidden_state.float().cpu().numpy()


def _width(ids: list[int]) -> int:
    return -(-len(ids) // WIDTH_STEP) * WIDTH_STEP


def _batches(order: list[int], ids: list[list[int]], size: int) -> Iterator[list[int]]:
    """Cut a length-sorted list into batches of one padded width."""
    for _, group in groupby(order, key=lambda i: _width(ids[i])):
        members = list(group)
        for start in range(0, len(members), size):
            yield members[start : start + size]


def load_bert(settings: TextSettings) -> tuple[Any, Any]:
    """Load tokenizer and model: the demo's, or those of a folder, the cache or the hub.

    Weights are read from safetensors only, since a pickle could run code.
    """
    if settings.model == DEMO:
        with tempfile.TemporaryDirectory(prefix="demo-bert-") as folder:
            write_demo_model(Path(folder))
            return _from_folder(Path(folder))
    return _from_folder(find_model(settings))


def find_model(settings: TextSettings) -> Path:
    """Return the folder of the model: as named, from the Hugging Face cache, or downloaded.

    Raises
    ------
    BuildError
        If it is to be had in none of these ways, with the commands that fetch it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if Path(settings.model).is_dir():
        return Path(settings.model)
    wanted: dict[str, Any] = {
        "repo_id": settings.model,
        "revision": settings.revision,
        "allow_patterns": list(_MODEL_FILES),
    }
    try:
        return Path(snapshot_download(**wanted, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError):
        pass  # not in the cache yet: ask the hub
    except ValueError as error:
        raise BuildError(
            f"text.model: {settings.model!r} is neither a folder nor a name on the hub ({error})",
            "name a folder that holds config.json, model.safetensors and vocab.txt",
        ) from error
    try:
        urllib.request.urlopen(ENDPOINT, timeout=10).close()  # noqa: S310 - fixed https address
        return Path(snapshot_download(**wanted))
    except (OSError, HfHubHTTPError) as error:
        raise BuildError(
            f"text.model: {settings.model} at revision {settings.revision[:12]} is neither in the "
            f"Hugging Face cache nor to be downloaded ({_first_line(error)})",
            f"on a machine with network run: hf download {settings.model} --revision "
            f"{settings.revision} --local-dir bert-base-chinese; copy the folder here and build "
            "with --set text.model=bert-base-chinese",
        ) from error


def _from_folder(folder: Path) -> tuple[Any, Any]:
    from transformers import BertModel, BertTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = BertTokenizer.from_pretrained(folder)
        model = BertModel.from_pretrained(folder, use_safetensors=True, add_pooling_layer=False)
    except (OSError, ValueError) as error:
        raise BuildError(
            f"text.model: {folder} does not hold a BERT with safetensors weights "
            f"({_first_line(error)})",
            f"it needs {', '.join(_MODEL_FILES[:3])}",
        ) from error
    return tokenizer, model


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@cache
def _folder_digests(folder: Path) -> dict[str, str]:
    return {name: file_digest(folder / name) for name in _MODEL_FILES if (folder / name).is_file()}


def identity(settings: TextSettings) -> dict[str, object]:
    """Return what identifies the model in a key: the weights themselves, not where they lie."""
    if settings.model == DEMO:
        return {"demo": DEMO_VERSION}
    if Path(settings.model).is_dir():
        return {"files": _folder_digests(Path(settings.model).resolve())}
    return {"model": settings.model, "revision": settings.revision}
