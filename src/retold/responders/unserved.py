"""The responder of an agent that this server cannot run, or not without a model: it says so, and ends the call."""

from collections.abc import AsyncGenerator
from typing import Final

import anyio

from retold.errors import CallFailed
from retold.ports import Act, ReplyWanted, Say, Traffic, TranscriptChanged

_SPOKEN_TIMEOUT_S: Final = 15.0
"""Longest wait for the apology to be heard."""


class Unserved:
    """A ports.Responder that apologises once, and then fails with what its call is to end with."""

    def __init__(self, failure: CallFailed, apology: str) -> None:
        self._failure = failure
        self._apology = apology
        self._is_over = anyio.Event()
        self._is_closed = False

    async def acts(self) -> AsyncGenerator[Act]:
        """The apology; once it was heard, or the caller says something, the failure is raised."""
        yield Traffic("note", f"not run: {self._failure}")
        yield Say(response_id=0, text=self._apology, is_complete=True, no_interruption_allowed=True)
        with anyio.move_on_after(_SPOKEN_TIMEOUT_S):
            await self._is_over.wait()
        if not self._is_closed:
            raise self._failure

    async def work(self) -> None:
        """Nothing runs beside `acts()`."""

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        """Look whether the apology has been heard; there is no answer to give."""
        heard = " ".join(utterance.content for utterance in event.transcript if utterance.role == "agent")
        if isinstance(event, ReplyWanted) or heard.endswith(self._apology):
            self._is_over.set()

    async def close(self) -> None:
        """End `acts()`."""
        self._is_closed = True
        self._is_over.set()
