"""text: vectors of Chinese BERT or another encoder, one per token."""
