"""Bytes on a wire to audio frames and back; knows signalling, not agents."""
