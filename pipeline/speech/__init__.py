"""speech: vectors of a Hugging Face speech encoder, at the model's own rate."""
