"""vision: OpenFace's rows on the frame grid, invalid ones masked, all 709 columns or some."""
