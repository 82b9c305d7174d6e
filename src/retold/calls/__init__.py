"""Use cases: create, run, end and recover calls."""
