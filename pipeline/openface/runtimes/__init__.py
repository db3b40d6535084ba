"""The ways to start OpenFace, one file each; `select` chooses."""
