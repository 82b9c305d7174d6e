"""Speech engines: one file per vendor, all its ports in it."""
