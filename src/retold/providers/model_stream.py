"""One request to one model, from its fields to its parts; the same for every wire format."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from retold.domain.dialogue import ModelPart
from retold.errors import ModelFailed
from retold.providers.model_http import ModelEndpoint
from retold.providers.server_sent_events import ServerSentEvent


class Answer(Protocol):
    """Puts the events of one answer together."""

    def has_stopped(self) -> bool:
        """Whether the model has said why it stopped: all that it said has been given."""
        ...

    def is_last(self, event: ServerSentEvent) -> bool:
        """Whether nothing of the answer comes after this event."""
        ...

    def take(self, event: ServerSentEvent) -> list[ModelPart]:
        """The parts that this event completes. Raises ModelFailed for what is no event, and for an error in one."""
        ...

    def end(self) -> list[ModelPart]:
        """The last parts, when the stream has ended. Raises ModelFailed when that was in the middle."""
        ...


async def answered(
    endpoint: ModelEndpoint,
    body: Callable[[], Mapping[str, Any]],
    answer: Callable[[], Answer],
    has_learnt: Callable[[ModelFailed], bool],
) -> AsyncGenerator[ModelPart]:
    """Ask and give the parts; ask again when the server has refused a field that `body` leaves out from then on."""
    while True:
        current = answer()
        has_given = False
        try:
            async with aclosing(endpoint.events(body(), current.is_last, current.has_stopped)) as events:
                async for event in events:
                    for part in current.take(event):
                        has_given = True
                        yield part
        except ModelFailed as failure:
            if not has_given and has_learnt(failure):
                continue
            # When the model has stopped, only its usage was still to come.
            if not current.has_stopped():
                raise
        for part in current.end():
            yield part
        return
