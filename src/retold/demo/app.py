"""The demo brain's websocket route, mounted in the server and runnable alone."""

from collections.abc import Callable
from typing import Final

import anyio
import anyio.lowlevel
from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from retold.demo.protocol import Ada

PATH: Final = "/demo-brain/llm-websocket"
"""The call id follows as the last part of the path."""
_SILENCE_TIMEOUT_S: Final = 60.0
_UNSUPPORTED: Final = 1003
_GOING_AWAY: Final = 1001


IsKnown = Callable[[str], bool]
"""Whether a call with this id is to be answered: the id is the only credential of the LLM websocket."""


def routes(is_known: IsKnown) -> list[BaseRoute]:
    """The routes to mount."""

    async def attend(websocket: WebSocket) -> None:
        if is_known(websocket.path_params["call_id"]):
            await _attend(websocket)
        else:
            # Before it is accepted, this is the HTTP status 403.
            await websocket.close()

    return [WebSocketRoute(f"{PATH}/{{call_id}}", attend)]


def app() -> Starlette:
    """The demo brain alone: it answers whoever reaches it."""
    return Starlette(routes=routes(lambda _: True))


async def _attend(websocket: WebSocket) -> None:
    """Speak with one call until it ends; a platform that has not even pinged for a minute is gone."""
    await websocket.accept()
    ada = Ada()
    try:
        with anyio.fail_after(_SILENCE_TIMEOUT_S) as silence:
            await _say(websocket, ada.opening())
            while True:
                message = await websocket.receive()
                silence.deadline = anyio.current_time() + _SILENCE_TIMEOUT_S
                if message["type"] == "websocket.disconnect":
                    return
                text = message.get("text")
                if text is None:
                    await websocket.close(_UNSUPPORTED, "only text frames are understood")
                    return
                await _say(websocket, ada.answers(text))
                # Neither receiving nor sending waits for a peer that floods us: let the calls have their turn.
                await anyio.lowlevel.checkpoint()
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await websocket.close(_GOING_AWAY, "nothing heard for a minute")


async def _say(websocket: WebSocket, messages: list[str]) -> None:
    for text in messages:
        await websocket.send_text(text)
