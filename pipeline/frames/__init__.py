"""frames: every clip at a constant 30 Hz, whatever its own rate."""
