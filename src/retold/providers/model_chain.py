"""One answer from whoever can give it: a second try, and a backup model that takes over when the first is slow.

```
primary --first part--> its answer           (the backup, if it runs, is given up)
   |-- fails before it --> a second try, if the failure may pass
   '-- silent for kick_in_s, or fails --> the backup starts too; the first part of either decides
```
Once a part has been given the answer is that model's, and so is its failure: what was spoken cannot be taken back.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import anyio

from retold.domain.dialogue import ModelPart, ModelRequest
from retold.domain.llm_models import BackupModel
from retold.errors import ModelFailed
from retold.ports import LanguageModel

RETRY_PAUSE_S: Final = 0.2
RETRY_WITHIN_S: Final = 3.0
"""A caller who has waited so long for a failure is not made to wait for another one."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """An answer whose first part is there."""

    first: ModelPart
    rest: AsyncGenerator[ModelPart]


class ModelChain:
    """A ports.LanguageModel in front of another one, which knows both models by name."""

    def __init__(self, models: LanguageModel, backup: BackupModel | None = None) -> None:
        self._models = models
        self._backup = backup

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        """See ports.LanguageModel."""
        if self._backup is None:
            begun = await self._begin(request)
        else:
            begun = await self._race(request, self._backup)
        async with aclosing(begun.rest):
            yield begun.first
            async for part in begun.rest:
                yield part

    async def _race(self, request: ModelRequest, backup: BackupModel) -> _Begun:
        """The answer that begins first. Raises the primary's ModelFailed when neither does."""
        begun: list[_Begun] = []
        failures: list[ModelFailed] = []
        has_failed = anyio.Event()

        async def attempt(wanted: ModelRequest) -> None:
            try:
                begun.append(await self._begin(wanted, has_failed))
                tasks.cancel_scope.cancel()
            except ModelFailed as failure:
                failures.insert(0 if wanted is request else len(failures), failure)

        async def stand_by() -> None:
            with anyio.move_on_after(backup.kick_in_timeout_ms / 1000):
                await has_failed.wait()
            await attempt(replace(request, model=backup.model, tier=backup.tier))

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(attempt, request)
                tasks.start_soon(stand_by)
        except BaseException:  # who asked is cancelled: nobody will read what has just begun
            await _give_up(begun)
            raise
        await _give_up(begun[1:])
        if not begun:
            raise failures[0]
        return begun[0]

    async def _begin(self, request: ModelRequest, has_failed: anyio.Event | None = None) -> _Begun:
        """The first part and the rest, at the second try if need be; a failure that took long is final."""
        give_up_at = anyio.current_time() + RETRY_WITHIN_S
        try:
            return await _first_part(self._models.stream(request))
        except ModelFailed as failure:
            if has_failed is not None:
                has_failed.set()
            if not failure.is_retryable or anyio.current_time() > give_up_at:
                raise
        await anyio.sleep(RETRY_PAUSE_S)
        return await _first_part(self._models.stream(request))


async def _first_part(answer: AsyncGenerator[ModelPart]) -> _Begun:
    first = await anext(answer, None)
    if first is None:
        raise ModelFailed("the model ended without an answer", is_retryable=True)
    return _Begun(first, answer)


async def _give_up(begun: Sequence[_Begun]) -> None:
    with anyio.CancelScope(shield=True):
        for one in begun:
            await one.rest.aclose()
