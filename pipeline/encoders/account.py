"""What a report says of an encoder: its name, digest, layers, width and rate."""

from __future__ import annotations

from pipeline.encoders.layers import LAST, ends
from pipeline.stage import Account


def layers_in_words(layers: str) -> str:
    """Name a choice of layers.

    Examples
    --------
    >>> layers_in_words("9-12")
    'the mean of the hidden layers 9 to 12'
    >>> layers_in_words("-1")
    'the hidden layer 1 from the end'
    """
    if layers == LAST:
        return "the last hidden layer"
    first, end = ends(layers)
    if first != end:
        return f"the mean of the hidden layers {_place(first)} to {_place(end)}"
    return "the embeddings" if first == 0 else f"the hidden layer {_place(first)}"


def encoded(what: str, account: Account, source: str, more: str) -> str:
    """Write the sentence about an encoder.

    Parameters
    ----------
    what : str
        What was encoded, with the verb: ``Transcripts were``.
    account : Account
        Of the stage.
    source : str
        Library and reference, in brackets.
    more : str
        What else there is to say of a step, after the number of values.
    """
    named = " and by ".join(account.models) or "a model that the features do not name"
    layers = layers_in_words(account.settings.layers)
    values = f", {account.width} values per {more}" if account.width else f", one vector per {more}"
    return f"{what} encoded by {named} ({source}): {layers}{values}."


def _place(number: int) -> str:
    return f"{-number} from the end" if number < 0 else str(number)
