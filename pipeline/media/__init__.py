"""Opening media: which ffmpeg, what it may open, sound and pictures on the clip's one clock."""
