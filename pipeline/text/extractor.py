"""text: transcripts through Chinese BERT, one 768-d vector a token."""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Sequence
from functools import cache
from itertools import chain, groupby
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import BuildError
from pipeline.extractor import Extractor
from pipeline.store.features import Features
from pipeline.store.files import file_digest
from pipeline.text.demo_model import DEMO_VERSION, LABEL, write_demo_model
from pipeline.text.settings import TextSettings

DEMO = "demo"
ATTENTION = "by_transcript"
_MODEL_FILES = ("config.json", "model.safetensors", "vocab.txt", "tokenizer.json")
_FOLDER_NEEDS = f"name a folder that holds a BERT's {', '.join(_MODEL_FILES[:3])}"


class TextExtractor(Extractor):
    """Token vectors of the last hidden layer, start and end token kept (paper, section 3.2).

    Parameters
    ----------
    settings : TextSettings
        The model and its pinned revision.

    Raises
    ------
    BuildError
        If the model is neither in a folder nor in the cache, and cannot be downloaded.

    Examples
    --------
    >>> extractor = TextExtractor(TextSettings(model="demo"))
    >>> features = extractor.extract("太好了！")
    >>> features.info["tokens"]
    ['[CLS]', '太', '好', '了', '！', '[SEP]']
    >>> features.arrays["text"].shape
    (6, 768)
    """

    version: ClassVar[int] = 2
    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers", "torch")
    preload: ClassVar[tuple[str, ...]] = ("transformers.models.bert.modeling_bert",)

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
        """Compute the token vectors of one transcript.

        Parameters
        ----------
        inputs : str
            A transcript of n tokens.

        Returns
        -------
        Features
            As from `extract_batch`.
        """
        result = self.extract_batch([inputs])[0]
        if isinstance(result, Exception):
            raise result
        return result

    def extract_batch(self, batch: Sequence[str]) -> list[Features | Exception]:
        """Map transcripts in packs: one after the other in a row of ``batch_tokens`` tokens.

        No token is spent on padding but at a pack's end. The packs of a transcript have the
        same shape whatever else is in them, and attention is worked out for each transcript by
        itself, so that on a CPU its vectors are the same to the bit in any company.

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
        vectors: dict[int, Any] = {}
        for pack in _packs([len(row) for row in ids], self.settings.batch_tokens):
            vectors |= zip(pack, self._vectors([ids[i] for i in pack]), strict=True)
        results: list[Features | Exception] = []
        for i, row in enumerate(ids):
            tokens = self.tokenizer.convert_ids_to_tokens(row)
            info = {
                "tokens": tokens,
                "unknown": tokens.count(self.tokenizer.unk_token),
                "model": self.label,
            }
            results.append(Features(arrays={"text": vectors[i]}, info=info))
        return results

    def _vectors(self, rows: list[list[int]]) -> list[Any]:
        """Send one pack through BERT; return ``[n, 768]`` for each of its transcripts."""
        import torch

        lengths = [len(row) for row in rows]
        used = sum(lengths)
        spare = -used % self.settings.batch_tokens
        ids = [*chain.from_iterable(rows), *[self.tokenizer.pad_token_id] * spare]
        positions = [*chain.from_iterable(map(range, lengths)), *[0] * spare]
        with torch.inference_mode():
            output = self.model(
                input_ids=torch.tensor([ids], device=self.device),
                position_ids=torch.tensor([positions], device=self.device),
                transcripts=[(length, len(list(same))) for length, same in groupby(lengths)],
            )
        hidden = output.last_hidden_state[0, :used].float().cpu()
        return [vectors.numpy() for vectors in hidden.split(lengths)]


def _packs(lengths: list[int], size: int) -> list[list[int]]:
    """Spread transcripts over packs of `size` tokens, longest first; a longer one stands alone."""
    packs: list[list[int]] = []
    spare: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        home = next((p for p, room in enumerate(spare) if lengths[i] <= room), len(packs))
        if home == len(packs):
            packs.append([])
            spare.append(size)
        packs[home].append(i)
        spare[home] -= lengths[i]
    return packs


def _attend_by_transcript(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: None,
    scaling: float,
    transcripts: list[tuple[int, int]],
    **others: Any,
) -> tuple[Any, None]:
    """Attend within each transcript of a pack (an attention function of transformers).

    Parameters
    ----------
    query, key, value : torch.Tensor
        ``[1, heads, tokens, width]``.
    scaling : float
        What scores are multiplied with.
    transcripts : list of (length, count)
        The pack from its start: so many transcripts of so many tokens. What follows is filling.
    module, attention_mask, **others
        Also given by transformers; not needed.
    """
    from torch.nn.functional import scaled_dot_product_attention

    attended = query.new_zeros(query.transpose(1, 2).shape)
    start = 0
    for length, count in transcripts:
        part = slice(start, start + length * count)
        q, k, v = (
            x[0, :, part].unflatten(1, (count, length)).transpose(0, 1) for x in (query, key, value)
        )  # each [count, heads, length, width]
        heads = scaled_dot_product_attention(q, k, v, scale=scaling)
        attended[0, part] = heads.transpose(1, 2).flatten(0, 1)
        start = part.stop
    return attended, None


def load_bert(settings: TextSettings) -> tuple[Any, Any]:
    """Load tokenizer and model: the demo's, or those of a folder, the cache or the hub.

    Weights are read from safetensors only, since a pickle could run code.
    """
    if settings.model == DEMO:
        with tempfile.TemporaryDirectory(prefix="demo-bert-") as folder:
            write_demo_model(Path(folder))
            return _from_folder(Path(folder))
    return _from_folder(find_model(settings))


def have_model(settings: TextSettings) -> None:
    """Make sure that the model is on this machine: in its folder, cached, or downloaded now.

    Raises
    ------
    BuildError
        As `find_model`.
    """
    if settings.model != DEMO:
        find_model(settings)


def find_model(settings: TextSettings) -> Path:
    """Return the folder of the model: as named, from the Hugging Face cache, or downloaded.

    Raises
    ------
    BuildError
        If it is to be had in none of these ways, with the commands that fetch it, or the
        folder lacks a file.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    folder = Path(settings.model)
    if folder.is_dir():
        lacking = [name for name in _MODEL_FILES[:3] if not (folder / name).is_file()]
        if lacking and not (lacking == ["vocab.txt"] and (folder / "tokenizer.json").is_file()):
            raise BuildError(
                f"text.model: the folder {folder} lacks {', '.join(lacking)}", _FOLDER_NEEDS
            )
        return folder
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
            _FOLDER_NEEDS,
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
    from transformers import AttentionInterface, BertModel, BertTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    AttentionInterface.register(ATTENTION, _attend_by_transcript)
    try:
        tokenizer = BertTokenizer.from_pretrained(folder)
        model = BertModel.from_pretrained(
            folder, use_safetensors=True, add_pooling_layer=False, attn_implementation=ATTENTION
        )
    except (OSError, ValueError) as error:
        raise BuildError(
            f"text.model: {folder} does not hold a BERT with safetensors weights "
            f"({_first_line(error)})",
            _FOLDER_NEEDS,
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
