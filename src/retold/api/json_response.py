"""JSON that is ready to be sent, however long."""

from collections.abc import Sequence

import anyio.lowlevel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class JsonBlocks(Response):
    """Sends blocks, one at least, that together are one JSON text; between them the event loop gets its turn."""

    media_type = "application/json"

    def __init__(self, blocks: Sequence[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self.headers["content-length"] = str(sum(map(len, blocks)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it."""
        _ = scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for block in self._blocks[:-1]:
            await send({"type": "http.response.body", "body": block, "more_body": True})
            await anyio.lowlevel.checkpoint()
        await send({"type": "http.response.body", "body": self._blocks[-1]})
