"""vision: OpenFace's rows on the 30 Hz grid, invalid ones masked, as 709-d vectors."""
