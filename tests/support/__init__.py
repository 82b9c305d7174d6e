"""Helpers that several test folders share; importable as `support.<name>`."""
