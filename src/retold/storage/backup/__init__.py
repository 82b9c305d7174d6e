"""Backups: one file with everything a server keeps, made while it runs, and turned into a data folder again."""
