"""Reads of one row each, for what is asked most: a hop to a thread costs several times the read itself.

```
row() --> line --> [a reader's thread: takes one, reads it, tells the loop; until none waits] --> answers
```
What is asked while a reader is at work stands in line for it, and needs no hop of its own. Where a line grows, because
the disk is slow, more readers are called. Readers are shared with longer questions, so none stays for ever.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Select

from retold.errors import StorageError
from retold.storage.backend import READERS

T = TypeVar("T")

Row = Sequence[Any] | None
"""The columns; None where there is no such row."""

LINE_PER_READER = 2
"""So many may wait for each reader at work before another is called."""
TURN = 32
"""So many rows a reader reads before others may have its thread."""


class ReadRow(Protocol):
    """`Backend.row` on the connections of the readers."""

    def __call__(self, wanted: Select[*tuple[Any, ...]], values: Mapping[str, str]) -> Row:
        """Read it. Blocks."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    wanted: Select[*tuple[Any, ...]]
    values: Mapping[str, str]
    use: Callable[[Row], Any]
    answer: asyncio.Future[Any]


class RowReads:
    """The line in front of the readers; to be made and used on the event loop."""

    def __init__(
        self,
        read: ReadRow,
        readers: Executor,
        failure: Callable[[BaseException], StorageError | None],
        timeout_s: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._read = read
        self._readers = readers
        self._failure = failure
        self._timeout_s = timeout_s
        # The loop appends and the threads take from the left, each in one step: no lock.
        self._line: deque[_Asked] = deque()
        self._at_work = 0
        """Changed by the loop only."""

    async def row(self, wanted: Select[*tuple[Any, ...]], values: Mapping[str, str], use: Callable[[Row], T]) -> T:
        """What `use` makes of a row, in the reader's thread. Raises what `use` raises, or StorageError."""
        answer = self._loop.create_future()
        self._line.append(_Asked(wanted, values, use, answer))
        self._call_readers()
        try:
            # Not anyio's: its scopes cost as much as the read.
            async with asyncio.timeout(self._timeout_s):
                return cast("T", await answer)
        except TimeoutError as error:
            raise StorageError(f"the database did not answer within {self._timeout_s:.0f} s; check it") from error

    def _call_readers(self) -> None:
        if len(self._line) > self._at_work * LINE_PER_READER and self._at_work < READERS:
            self._readers.submit(self._work)
            self._at_work += 1

    # --- a reader's thread ---

    def _work(self) -> None:
        try:
            for _ in range(TURN):
                if not self._read_next():
                    break
        finally:
            # Whatever happens: a reader that never left would be missed by all who ask later.
            self._tell(self._leave)

    def _read_next(self) -> bool:
        """Whether there was one."""
        try:
            asked = self._line.popleft()
        except IndexError:
            return False
        if not asked.answer.done():
            self._tell(_settle, asked.answer, *self._outcome(asked))
        return True

    def _outcome(self, asked: _Asked) -> tuple[Any, Exception | None]:
        try:
            return asked.use(self._read(asked.wanted, asked.values)), None
        except Exception as error:  # noqa: BLE001 - handed on to who asked
            failure = self._failure(error)
            if failure is None:
                return None, error
            failure.__cause__ = error
            return None, failure

    def _tell(self, news: Callable[..., None], *details: object) -> None:
        self._loop.call_soon_threadsafe(news, *details)

    # --- on the loop again ---

    def _leave(self) -> None:
        self._at_work -= 1
        # Something may have been asked after the reader found nothing more.
        if self._line:
            self._call_readers()


def _settle(answer: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
