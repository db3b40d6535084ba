"""From films to candidate clips: shots, speech and faces, exact cuts, transcripts, a report."""
