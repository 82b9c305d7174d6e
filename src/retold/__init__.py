"""Retold: a self-hosted voice-agent call platform whose record of each call is true."""

__version__ = "0.1.0"
