"""The demo brain's websocket route, mounted in the server and runnable alone."""

from typing import Final

import anyio
from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from retold.demo.protocol import Ada

PATH: Final = "/demo-brain/llm-websocket"
"""The call id follows as the last part of the path."""
_SILENCE_TIMEOUT_S: Final = 60.0
_UNSUPPORTED: Final = 1003
_GOING_AWAY: Final = 1001


def routes() -> list[BaseRoute]:
    """The routes to mount."""
    return [WebSocketRoute(f"{PATH}/{{call_id}}", _attend)]


def app() -> Starlette:
    """The demo brain alone."""
    return Starlette(routes=routes())


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
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await websocket.close(_GOING_AWAY, "nothing heard for a minute")


async def _say(websocket: WebSocket, messages: list[str]) -> None:
    for text in messages:
        await websocket.send_text(text)
