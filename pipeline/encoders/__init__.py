"""encoders: finding, checking, loading and running Hugging Face encoders, for every slot."""
