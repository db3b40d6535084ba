"""text: transcripts through Chinese BERT or another encoder, one vector per token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import Any, ClassVar

from pipeline.encoders.hidden import Encoder
from pipeline.extractor import Extractor, pick_device
from pipeline.store.features import Features
from pipeline.text.loading import is_packed, load_text_model
from pipeline.text.settings import TextSettings
from pipeline.text.source import label

ATTENTION = "by_transcript"


class TextExtractor(Extractor):
    """Token vectors of the chosen layers, start and end token kept (paper, section 3.2).

    Parameters
    ----------
    settings : TextSettings
        Which model and which of its layers (the paper: the last); how long a transcript may be,
        in tokens; where it runs.

    Raises
    ------
    BuildError
        If the model is not available, is not what it says (`pipeline.text.loading`), has no
        such layer, or ``text.device`` names a GPU that is not here.

    Examples
    --------
    >>> from pipeline.text.settings import TextSettings
    >>> features = TextExtractor(TextSettings(model="demo", device="cpu")).extract("我走了。")
    >>> features.info["tokens"]
    ['[CLS]', '我', '走', '了', '。', '[SEP]']
    >>> features.arrays["text"].shape, features.arrays["text"].dtype
    ((6, 768), dtype('float32'))
    """

    version: ClassVar[int] = 3
    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers", "torch")
    preload: ClassVar[tuple[str, ...]] = ("transformers.models.bert.modeling_bert",)

    def __init__(self, settings: TextSettings) -> None:
        from transformers import AttentionInterface

        AttentionInterface.register(ATTENTION, _attend_by_transcript)
        self.settings = settings
        self.device = pick_device(settings.device, "text.device")
        self.tokenizer, model = load_text_model(settings, ATTENTION)
        self.model = model.to(self.device)
        self.encoder = Encoder(self.model, settings.layers, "text")
        self.label = label(settings)
        self.first_position = _first_position(model)
        self.max_tokens = settings.max_tokens
        positions = getattr(model.config, "max_position_embeddings", None)
        if positions:
            self.max_tokens = min(self.max_tokens, positions - self.first_position)

    def extract(self, inputs: str) -> Features:
        """Map one transcript to its token vectors.

        Parameters
        ----------
        inputs : str
            The transcript; not segmented into words.

        Returns
        -------
        Features
            As `extract_batch` gives for each transcript.
        """
        result = self.extract_batch([inputs])[0]
        if isinstance(result, Exception):
            raise result
        return result

    def extract_batch(self, batch: Sequence[str]) -> list[Features | Exception]:
        """Map transcripts in packs: one after the other in a row of ``batch_tokens`` tokens.

        No token is spent on padding except at a pack's end. The packs of a transcript have the
        same shape whatever else is in them, and each transcript attends to itself alone, so
        that on a CPU its vectors are the same to the bit in any company. A model whose attention
        cannot be replaced (`pipeline.text.loading.is_packed`) takes one transcript at a time.

        Parameters
        ----------
        batch : sequence of str
            Transcripts of any length; those over ``max_tokens`` tokens, or more than the model
            has positions for, are cut.

        Returns
        -------
        list of Features
            ``text [n + 2, width]`` float32, without unit: one row per token, the start token
            ([CLS]) first and the end token ([SEP]) last; width is the model's, 768 for a base
            model. ``info`` holds the tokens, how many of them the model does not know
            (``unknown``), and which model it was.
        """
        ids = [
            self.tokenizer(text, truncation=True, max_length=self.max_tokens)["input_ids"]
            for text in batch
        ]
        vectors: dict[int, Any] = {}
        for pack in _packs([len(row) for row in ids], self.settings.batch_tokens):
            vectors |= zip(pack, self._vectors([ids[i] for i in pack]), strict=True)
        return [
            Features(
                arrays={"text": vectors[i]},
                info={
                    "tokens": self.tokenizer.convert_ids_to_tokens(row),
                    "unknown": row.count(self.tokenizer.unk_token_id),
                    "model": self.label,
                },
            )
            for i, row in enumerate(ids)
        ]

    def _vectors(self, rows: list[list[int]]) -> list[Any]:
        """Send one pack through the model; return ``[n, width]`` for each of its transcripts."""
        return [vectors.float().cpu().numpy() for vectors in self._hidden(rows)]

    def _hidden(self, rows: list[list[int]]) -> Iterator[Any]:
        """Yield the chosen layers of each transcript of a pack."""
        import torch

        if not is_packed(self.model.config.model_type):
            for row in rows:
                yield self.encoder.run(input_ids=torch.tensor([row], device=self.device))[0][0]
            return
        lengths = [len(row) for row in rows]
        used = sum(lengths)
        spare = -used % self.settings.batch_tokens
        first = self.first_position
        ids = [*chain.from_iterable(rows), *[self.tokenizer.pad_token_id or 0] * spare]
        positions = [
            *chain.from_iterable(range(first, first + length) for length in lengths),
            *[first] * spare,
        ]
        hidden, _ = self.encoder.run(
            input_ids=torch.tensor([ids], device=self.device),
            position_ids=torch.tensor([positions], device=self.device),
            transcripts=[(length, len(list(same))) for length, same in groupby(lengths)],
        )
        yield from hidden[0, :used].split(lengths)


def _first_position(model: Any) -> int:
    """Return the number of a transcript's first position: RoBERTa counts on from its padding."""
    embeddings = getattr(model, "embeddings", None)
    positions = getattr(embeddings, "position_embeddings", None)
    padding = getattr(positions, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


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
        Factor of the scores.
    transcripts : list of (length, count)
        The pack from its start: `count` transcripts of `length` tokens. The rest is filling.
    module, attention_mask, **others
        Also given by transformers; not needed.

    Returns
    -------
    attended : torch.Tensor
        ``[1, tokens, heads, width]``; zeros in the filling.
    weights : None
        Not kept.
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
