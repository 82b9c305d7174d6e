"""Pure signal code on PCM bytes and numpy arrays."""
