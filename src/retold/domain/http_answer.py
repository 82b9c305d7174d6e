"""What a web server answered; a value that crosses from the guarded client to those who ask."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a server answered: the body, decompressed, cut at the most bytes asked for."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    is_cut: bool = False
