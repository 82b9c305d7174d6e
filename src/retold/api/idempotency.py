"""`Idempotency-Key`: a request that is sent again takes effect once, and is answered as it was the first time.

```
known, same content  -> the kept answer            known, other content -> 422
known, answer lost   -> 409                        under way            -> waits, then 409
unknown              -> answered; its first change and the note that it took effect are one transaction,
                        the answer is kept in a second one before it is sent
```
A crash between the two leaves the note without an answer: the request is then refused, never done twice. An answer
that says `no-store` is not kept either. What only reads takes no notice of the header.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from retold.api.auth import key_of
from retold.api.context import context_of
from retold.api.errors import error_response
from retold.api.limits import BODY_KEY, JSON_KEY
from retold.domain.scopes import Scope, scope_for
from retold.errors import AnswerNotKept, ApiError, IdempotencyKeyReused, InvalidRequest, UnderWay
from retold.storage.effect import noting
from retold.storage.idempotency import KEPT_OF_BODY_MS, KEPT_OF_HEADER_MS, Answer, Attempt, Idempotency, digest

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_ANSWER_BYTES = 256 * 1024
"""A longer answer is not kept."""
WAIT_S = 10.0
"""How long a repeated request waits for the first to be answered."""
_BODY_FIELD_ROUTE = "/v2/create-phone-call"
_BODY_FIELD = "idempotency_key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_NOT_KEPT = frozenset({"content-length", "x-request-id"})

Handle = Callable[[Request], Awaitable[Response]]


class UnderWayRequests:
    """The requests with a key that this server is working on; each key has one at a time."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], tuple[anyio.Lock, int]] = {}

    @asynccontextmanager
    async def alone(self, attempt: Attempt) -> AsyncGenerator[None]:
        """Be the only one with this key inside. Raises UnderWay when another does not end in time."""
        name = (attempt.org_id, attempt.key_hash)
        lock, users = self._locks.get(name, (anyio.Lock(), 0))
        self._locks[name] = (lock, users + 1)
        try:
            await _acquire(lock)
            try:
                yield
            finally:
                lock.release()
        finally:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = (lock, users - 1)


async def _acquire(lock: anyio.Lock) -> None:
    try:
        with anyio.fail_after(WAIT_S):
            await lock.acquire()
    except TimeoutError:
        raise UnderWay("a request with this Idempotency-Key is still being worked on", fix="send it again") from None


async def once(request: Request, handle: Handle) -> Response:
    """Answer a request, and a repeated one as before. Raises what `handle` raises, and ApiError."""
    attempt = await _attempt(request)
    if attempt is None:
        return await handle(request)
    store = context_of(request).deps.store.idempotency
    under_way: UnderWayRequests = request.app.state.under_way
    async with under_way.alone(attempt):
        known = await store.find(attempt)
        if known is None:
            return await _first(request, handle, store, attempt)
        if known.body_hash != attempt.body_hash:
            raise IdempotencyKeyReused(
                "this idempotency key was used with another request", fix="send each request with a key of its own"
            )
        if known.answer is None:
            raise AnswerNotKept(
                "the request with this idempotency key took effect, and its answer is not known any more",
                fix="look at what there is before you send it with another key",
            )
        return _response(known.answer, {REPLAYED: "true"})


async def _first(request: Request, handle: Handle, store: Idempotency, attempt: Attempt) -> Response:
    note = store.note(attempt)
    with noting(note):
        try:
            response = await handle(request)
        except ApiError as error:
            if not note.is_written:
                # Nothing was done: the same request may yet succeed.
                raise
            response = error_response(error)
    answer = await _captured(request, response)
    is_kept = "no-store" not in response.headers.get("cache-control", "") and len(answer.body) <= MAX_ANSWER_BYTES
    if is_kept and (note.is_written or answer.status < 400):
        await store.keep(attempt, note, answer)
    return _response(answer)


async def _attempt(request: Request) -> Attempt | None:
    """What the request says of being repeated; None when it says nothing. Raises InvalidRequest."""
    path = request.scope["path"]
    if request.method != "POST" or scope_for("POST", path) is Scope.READ:
        return None
    key, field, kept_ms = request.headers.get(HEADER), HEADER, KEPT_OF_HEADER_MS
    body = request.scope.get(JSON_KEY)
    if key is None and path == _BODY_FIELD_ROUTE and isinstance(body, dict):
        key, field, kept_ms = body.get(_BODY_FIELD), _BODY_FIELD, KEPT_OF_BODY_MS
    if key is None:
        return None
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidRequest(f"{field} must have 1 to 255 visible ASCII characters", field=field, fix="send a UUID")
    caller = await key_of(request)
    raw_body: bytes = request.scope.get(BODY_KEY, b"")
    return Attempt(
        org_id=caller.org_id,
        key_hash=digest(path.encode(), field.encode(), key.encode()),
        body_hash=digest(request.scope["query_string"], raw_body),
        expires_ms=context_of(request).deps.clock.wall_ms() + kept_ms,
    )


async def _captured(request: Request, response: Response) -> Answer:
    """What a response sends."""
    status, headers, chunks = 0, [(b"", b"")], list[bytes]()

    async def take(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], message["headers"]
        else:
            chunks.append(message.get("body", b""))

    await response(request.scope, request.receive, take)
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return Answer(status, [header for header in texts if header[0].lower() not in _NOT_KEPT], b"".join(chunks))


def _response(answer: Answer, further: dict[str, str] | None = None) -> Response:
    response = Response(answer.body, answer.status)
    for name, value in (*answer.headers, *(further or {}).items()):
        response.headers.append(name, value)
    if not answer.body and answer.status == 204:
        del response.headers["content-length"]
    return response
