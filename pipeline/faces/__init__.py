"""faces: the speaker's face in every frame, as a box, landmarks and a crop."""
