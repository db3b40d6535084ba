"""text: 768-d Chinese BERT vectors, one a token."""
