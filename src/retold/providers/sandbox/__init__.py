"""JavaScript that is trusted with nothing: a process of its own for each run."""
