"""manifest: the label sheet and the media files become one table that all stages share."""
