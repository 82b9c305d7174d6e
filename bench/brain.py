"""An agent's brain that answers everything after a fixed delay: `python bench/brain.py` prints its port.

The address says how: `ws://host:port/{delay_ms}/{words of the begin message}/{words of each reply}/{call_id}`.
Word 3 of reply 2 is `r2w3`; each eighth word ends a sentence.
"""

import sys

import anyio
import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

WORDS_PER_SENTENCE = 8


def text_of(reply: int, words: int) -> str:
    """The words of one reply."""
    ends = (position % WORDS_PER_SENTENCE == WORDS_PER_SENTENCE - 1 for position in range(words))
    return " ".join(f"r{reply}w{position}{'.' if is_end else ''}" for position, is_end in enumerate(ends))


async def attend(socket: ServerConnection) -> None:
    """Serve one call."""
    assert socket.request is not None
    delay_ms, begin_words, reply_words = (int(part) for part in socket.request.path.split("/")[1:4])

    async def say(response_id: int, words: int) -> None:
        content = text_of(response_id, words)
        message = {"response_type": "response", "response_id": response_id, "content": content}
        await socket.send(orjson.dumps({**message, "content_complete": True}).decode())

    async def answer(response_id: int) -> None:
        await anyio.sleep(delay_ms / 1000)
        await say(response_id, reply_words)

    try:
        async with anyio.create_task_group() as tasks:
            await say(0, begin_words)
            async for frame in socket:
                message = orjson.loads(frame)
                if message["interaction_type"] == "response_required":
                    tasks.start_soon(answer, message["response_id"])
            tasks.cancel_scope.cancel()
    except* ConnectionClosed:
        pass


async def main() -> None:
    """Serve until killed."""
    async with serve(attend, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None) as server:
        sys.stdout.write(f"{next(iter(server.sockets)).getsockname()[1]}\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
