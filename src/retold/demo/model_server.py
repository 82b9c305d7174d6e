"""A stand-in for the server of a language model: the wire formats of OpenAI and Anthropic, the mind of a script.

`python -m retold.demo.model_server --port 0 --script FILE` runs it alone; domain/model_script.py says what a script may
hold. It streams word by word, sends tool calls in fragments, refuses what the vendors refuse, and fails as told.
"""

import argparse
import itertools
import json
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from retold.demo.model_answers import AnswerWriter, AnthropicWriter, OpenAIWriter, Quirk
from retold.demo.model_requests import Refused, anthropic_request, openai_request
from retold.domain.dialogue import ModelRequest, StopReason
from retold.domain.model_script import (
    ECHO,
    BreakStep,
    FailStep,
    SayStep,
    Script,
    ScriptReader,
    Step,
    StopStep,
    UsageStep,
    UseStep,
    WaitStep,
    arguments_text,
    pieces_of,
    tokens_of,
)

MAX_SEEN: Final = 1_000
_STREAM_HEADERS: Final = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
_NOBODY: Final = ModelRequest("", ())
_BROKEN_JSON: Final = '{"type": "content_block_delta", "choices": [{"delta": {"content": '


@dataclass(frozen=True, slots=True)
class Habits:
    """How a server differs from the vendor's; `refuses` names fields that it answers with 400."""

    quirks: frozenset[Quirk] = frozenset()
    refuses: frozenset[str] = frozenset()
    api_key: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: `body` as it was sent, `request` as it was understood."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    request: ModelRequest


class ModelServer:
    """One server; what it was asked is in `asked`, and `left` counts clients that went before the end."""

    def __init__(self, script: Script = ECHO, habits: Habits | None = None) -> None:
        self.asked: deque[Asked] = deque(maxlen=MAX_SEEN)
        self.left = 0
        self.follow(script, habits)

    def follow(self, script: Script, habits: Habits | None = None) -> None:
        """Be another server from the next request on, without leaving the address; forget what was asked."""
        self._reader = ScriptReader(script)
        self._habits = habits or Habits()
        self.asked.clear()
        self.left = 0

    def application(self) -> Starlette:
        """The routes: chat completions, also below Azure's deployments, messages, and the list of models."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._openai, methods=["POST"]),
                Route("/openai/deployments/{name}/chat/completions", self._openai, methods=["POST"]),
                Route("/v1/messages", self._anthropic, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
            ]
        )

    async def _openai(self, request: Request) -> ASGIApp:
        key = request.headers.get("api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")

        def writer(asked: ModelRequest) -> AnswerWriter:
            return OpenAIWriter(asked.model, self._habits.quirks)

        return await self._answer(request, key, openai_request, writer)

    async def _anthropic(self, request: Request) -> ASGIApp:
        def writer(asked: ModelRequest) -> AnswerWriter:
            return AnthropicWriter(asked.model, self._habits.quirks, tokens_of(asked))

        if "anthropic-version" not in request.headers:
            return _refused(writer(_NOBODY), 400, "anthropic-version: header is required")
        return await self._answer(request, request.headers.get("x-api-key", ""), anthropic_request, writer)

    async def _models(self, request: Request) -> Response:
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._habits.api_key not in {None, key}:
            return _refused(OpenAIWriter("", self._habits.quirks), 401, "Incorrect API key provided")
        return JSONResponse({"object": "list", "data": [{"id": "stand-in", "object": "model"}]})

    async def _answer(
        self,
        request: Request,
        key: str,
        read: Callable[[bytes], ModelRequest],
        writer_for: Callable[[ModelRequest], AnswerWriter],
    ) -> ASGIApp:
        text = await request.body()
        if self._habits.api_key not in {None, key}:
            return _refused(writer_for(_NOBODY), 401, f"Incorrect API key provided: {key}")
        try:
            asked = read(text)
        except Refused as error:
            return _refused(writer_for(_NOBODY), 400, str(error))
        body = json.loads(text)
        for field in sorted(self._habits.refuses & _fields_of(body)):
            instead = " Use 'max_completion_tokens' instead." if field == "max_tokens" else ""
            return _refused(writer_for(asked), 400, f"Unsupported parameter: '{field}' is not supported here.{instead}")
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.asked.append(Asked(path, dict(request.headers), body, asked))
        return _Performance(self, writer_for(asked), self._reader.steps_for(asked), tokens_of(asked))


class _Performance:
    """One answer, as an ASGI application."""

    def __init__(self, server: ModelServer, writer: AnswerWriter, steps: Iterable[Step], input_tokens: int) -> None:
        self._server = server
        self._writer = writer
        self._steps = steps
        self._input_tokens = input_tokens
        self._output_tokens = 0
        self._stop: StopReason | None = None
        self._has_used_tools = False
        self._has_begun = False
        self._is_over = False
        self._is_whole = True
        """Whether the answer ends as HTTP wants it, be it broken otherwise."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, receive, tasks.cancel_scope)
            refusal = await self._perform(send)
            self._is_over = True
            if refusal is not None:
                await refusal(scope, receive, send)
            elif self._is_whole:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            tasks.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._is_over:
            self._server.left += 1
            scope.cancel()

    async def _perform(self, send: Send) -> Response | None:
        """Stream; or give the refusal, if the script wants one before anything else."""
        for step in self._steps:
            match step:
                case FailStep() if not self._has_begun:
                    return _refused(self._writer, step.fail, step.message)
                case FailStep():
                    error = self._writer.error(step.fail, step.message)
                    await self._give(send, [self._writer.event(error, "error" if "type" in error else "")])
                    return None
                case BreakStep():
                    await self._give(send, [self._writer.event(_BROKEN_JSON)] if step.broken == "bad_json" else [])
                    self._is_whole = step.broken != "cut"
                    return None
                case _:
                    await self._act(send, step)
        stop = self._stop or (StopReason.TOOL_USE if self._has_used_tools else StopReason.END)
        await self._give(send, self._writer.end(stop, self._input_tokens, self._output_tokens))
        return None

    async def _act(self, send: Send, step: Step) -> None:
        match step:
            case SayStep():
                for number, piece in enumerate(pieces_of(step.say)):
                    await anyio.sleep(step.gap_ms / 1000 if number else 0)
                    await self._give(send, self._writer.text(piece))
                    self._output_tokens += 1
            case UseStep():
                await self._give(send, self._writer.tool_use(step.use, arguments_text(step)))
                self._has_used_tools = True
                self._output_tokens += 1
            case WaitStep():
                await anyio.sleep(step.wait_ms / 1000)
            case StopStep():
                self._stop = step.stop
            case UsageStep():
                self._input_tokens, self._output_tokens = step.input_tokens, step.output_tokens
            case _:
                await anyio.sleep_forever()

    async def _give(self, send: Send, events: Iterable[bytes]) -> None:
        """Send each event by itself, as a server does that streams; the first goes behind the head of the answer."""
        if not self._has_begun:
            self._has_begun = True
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
            events = itertools.chain(self._writer.begin(), events)
        for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})


def _refused(writer: AnswerWriter, status: int, message: str) -> Response:
    return JSONResponse(writer.error(status, message), status)


def _fields_of(body: Mapping[str, Any]) -> set[str]:
    """The fields of a request, and of its tools."""
    tools = [tool.get("function", tool) for tool in body.get("tools", ())]
    return set(body).union(*tools)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m retold.demo.model_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8091, help="0 takes a free one")
    parser.add_argument("--script", type=Path, help="what it answers, as JSON; without one it repeats what it hears")
    parser.add_argument("--api-key", help="answer 401 without this key")
    parser.add_argument("--quirk", type=Quirk, action="append", default=[], help=", ".join(Quirk))
    parser.add_argument("--refuse", action="append", default=[], metavar="FIELD", help="answer 400 to this field")
    options = parser.parse_args()
    script = Script.model_validate_json(options.script.read_text()) if options.script else ECHO
    habits = Habits(frozenset(options.quirk), frozenset(options.refuse), options.api_key)
    listener = socket.create_server((options.host, options.port))
    url = f"http://{options.host}:{listener.getsockname()[1]}"
    print(f"RETOLD_LLM__BASE_URL={url}/v1", flush=True)  # noqa: T201 - a command's output
    config = uvicorn.Config(ModelServer(script, habits).application(), log_level="warning", lifespan="off")
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
