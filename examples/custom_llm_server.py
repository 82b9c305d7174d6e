"""A complete brain for a Retold agent in one file: it greets, repeats what it hears, and hangs up on "goodbye".

Run it with `python examples/custom_llm_server.py 8090`, allow it with `RETOLD_ALLOW_PRIVATE_HOSTS=127.0.0.1:8090`
and name it in an agent: `"llm_websocket_url": "ws://127.0.0.1:8090/llm-websocket"`.
"""

import asyncio
import json
import sys
from typing import Any

from websockets.asyncio.server import ServerConnection, serve


def answer(message: dict[str, Any]) -> dict[str, Any] | None:
    """What to send for one message of the platform; None for messages that want no answer."""
    match message["interaction_type"]:
        case "ping_pong":
            return {"response_type": "ping_pong", "timestamp": message["timestamp"]}
        case "response_required":
            heard = next((line["content"] for line in reversed(message["transcript"]) if line["role"] == "user"), "")
            is_over = "goodbye" in heard.lower()
            return speech(message["response_id"], "Goodbye!" if is_over else f"You said: {heard}", end_call=is_over)
        case "reminder_required":
            return speech(message["response_id"], "Are you still there?")
        case _:
            return None


def speech(response_id: int, content: str, *, end_call: bool = False) -> dict[str, Any]:
    """One complete reply; a longer one may be streamed in several messages with `content_complete` false."""
    return {
        "response_type": "response",
        "response_id": response_id,
        "content": content,
        "content_complete": True,
        "end_call": end_call,
    }


async def attend(call: ServerConnection) -> None:
    """Talk on one call."""
    await call.send(json.dumps({"response_type": "config", "config": {"auto_reconnect": True}}))
    await call.send(json.dumps(speech(0, "Hello, I repeat what you say.")))
    async for frame in call:
        reply = answer(json.loads(frame))
        if reply is not None:
            await call.send(json.dumps(reply))


async def main(port: int) -> None:
    """Listen until interrupted."""
    async with serve(attend, "127.0.0.1", port) as server:
        print("listening on port", next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8090))
