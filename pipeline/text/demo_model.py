"""A small BERT that anyone can build without a network: right in shape, never trained."""

from __future__ import annotations

from pathlib import Path

DEMO_VERSION = 1
SEED = 2020
WIDTH = 768
LABEL = "untrained text model: demo only"


def vocabulary() -> list[str]:
    """Return BERT's special tokens, printable ASCII and the 7,445 characters of GB 2312.

    The list is the same for every corpus: with one made from the transcripts, a new clip
    would change the features of all others.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ascii_ = [chr(code) for code in range(0x21, 0x7F)]
    pairs = (bytes((row, cell)) for row in range(0xA1, 0xF8) for cell in range(0xA1, 0xFF))
    characters = [text for pair in pairs if (text := pair.decode("gb2312", "ignore")).strip()]
    pieces = [f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
    return list(dict.fromkeys(special + ascii_ + characters + pieces))


def write_demo_model(folder: Path) -> None:
    """Write the demo BERT (768-d, one layer, fixed seed) and its vocabulary into a folder."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = BertModel(
            BertConfig(
                vocab_size=len(words),
                hidden_size=WIDTH,
                num_hidden_layers=1,
                num_attention_heads=12,
                intermediate_size=WIDTH,
            )
        )
    model.save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
