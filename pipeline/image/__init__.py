"""image: vectors of a Hugging Face image encoder, of face crops or of whole frames."""
