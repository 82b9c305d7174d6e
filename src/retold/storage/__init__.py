"""Everything that touches the disk: tables, journal, recordings."""
