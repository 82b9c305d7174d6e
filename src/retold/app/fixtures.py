"""Fixture mode, for tests only: the ids that the official SDK's own test tree names exist, whatever a test did before.

Its tests are stateless and come in any order: one deletes what the next one reads. So each request finds the objects
it names as they were made here; a call that is to be deleted is a copy. Inputs that the tree sends as placeholders,
such as a cursor called "pagination_key", are taken out. All else is the server as it is.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retold.clock import Clock
from retold.domain.agent import Agent
from retold.domain.api_key import NewKey
from retold.domain.call import Call, CallRecord
from retold.domain.flow import Flow, SharedComponent
from retold.domain.flow_nodes import EndNode
from retold.domain.llm import Llm
from retold.domain.phone_number import AgentWeight, PhoneNumber, SipTrunk
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.domain.response_engine import CustomLlm
from retold.errors import NotFound, StorageError
from retold.ids import DEFAULT_ORG_ID, CallId, hash_api_key, new_call_id, new_path_token
from retold.storage.store import Store

KEY = "YOUR_RETELL_API_KEY"
MARK = "fixtures"
"""The file by which a data folder is known to hold fixtures and nothing of value."""
AGENTS = ("16b980523634a6dc504898cda492e939", "oBeDLoLOeuAbiuaMFXRtDOLriTJ5tSxD", "agent_xxx", "agent_id")
LLMS = (*AGENTS[:2], "llm_234sdertfsdsfsdf", "llm_id")
FLOWS = ("conversation_flow_id",)
COMPONENTS = ("conversation_flow_component_id",)
CALLS = (
    "119c3f8e47135a29e65947eeb34cf12d",
    "call_119c3f8e47135a29e65947eeb34cf12d",
    "call_a4441234567890777c4a4a123e6",
    "call_id",
)
NUMBER = "+14157774444"
VOICES = {"retell-Cimo": "default"}
VERSIONS = 16
"""Version 0 is published, the others are drafts: the tree names 0, 1, 12, 15 and `latest_published`."""
PLACEHOLDERS: tuple[tuple[str, object, object], ...] = (
    ("pagination_key", "pagination_key", None),
    ("endpointing_ms", 0, 100),
    ("timeout_ms", 0, None),
    ("url", "url", "https://fixtures.invalid/"),
    ("foo", "string", None),
    ("weight", 0.5, 1),
    ("destination_state_name", "destination_state_name", "information_collection"),
)
"""Fields with a value that is well typed and means nothing, and what is taken instead; None takes the field out."""
_CALL_MS = 60_000


async def claim(store: Store) -> None:
    """Mark the data folder as one of fixtures. Raises StorageError when it holds calls that may be real."""
    mark = store.data_dir / MARK
    if not mark.exists():
        if await store.has_calls():
            raise StorageError(f"the data folder {store.data_dir} holds calls; --fixtures wants an empty one")
        mark.touch(mode=0o600)
    if await store.keys.find(hash_api_key(KEY)) is None:
        await store.keys.create(DEFAULT_ORG_ID, KEY, NewKey(api_key_name="fixtures"))


def refuse_claimed(data_dir: Path) -> None:
    """Raise StorageError for a folder of fixtures: everybody knows its key."""
    if (data_dir / MARK).exists():
        raise StorageError(f"the data folder {data_dir} was made by --fixtures, and everybody knows its key")


class Fixtures:
    """The application, with the objects that a request names put in place before it."""

    def __init__(self, application: ASGIApp, store: Store, clock: Clock) -> None:
        self._application = application
        self._store = store
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        body = _without_placeholders(await _whole_body(receive))
        scope = {**scope, "query_string": _query(scope)}
        named = {*scope["path"].split("/"), *_texts(_json(body))}
        await self._put(named)
        if NUMBER in named:
            await self._put_number(is_wanted=not scope["path"].startswith("/import"))
        if scope["method"] == "DELETE":
            scope = await self._with_a_copy(scope)
        await self._application(_with_length(scope, body), _replay(body, receive), send)

    async def _put(self, named: set[str]) -> None:
        now_ms = self._clock.wall_ms()
        for llm_id in named.intersection(LLMS):
            for version in range(2):
                await self._store.llms.save(
                    DEFAULT_ORG_ID, Llm(llm_id=llm_id, version=version, last_modification_timestamp=now_ms)
                )
        for flow_id in named.intersection(FLOWS):
            for version in range(2):
                await self._store.flows.save(DEFAULT_ORG_ID, _flow(flow_id, version, now_ms))
        for component_id in named.intersection(COMPONENTS):
            await self._store.components.save(DEFAULT_ORG_ID, _component(component_id, now_ms))
        for agent_id in named.intersection(AGENTS):
            for version in range(VERSIONS):
                await self._store.agents.save(DEFAULT_ORG_ID, _agent(agent_id, version, now_ms))
        for call_id in named.intersection(CALLS):
            if await self._store.find_call(DEFAULT_ORG_ID, CallId(call_id)) is None:
                await self._store.create_call(_ended_call(call_id, now_ms))

    async def _put_number(self, *, is_wanted: bool) -> None:
        with suppress(NotFound):
            await self._store.numbers.delete(DEFAULT_ORG_ID, NUMBER)
        if is_wanted:
            await self._put({AGENTS[1]})
            await self._store.numbers.create(DEFAULT_ORG_ID, _number(self._clock.wall_ms()), None)

    async def _with_a_copy(self, scope: Scope) -> Scope:
        """Point the deletion of a call at a copy: an erased call's id never comes back."""
        start, _, call_id = scope["path"].rpartition("/")
        if call_id not in CALLS:
            return scope
        copy_id = new_call_id()
        await self._store.create_call(_ended_call(copy_id, self._clock.wall_ms()))
        return {**scope, "path": f"{start}/{copy_id}", "raw_path": f"{start}/{copy_id}".encode()}


def _agent(agent_id: str, version: int, now_ms: int) -> Agent:
    return Agent(
        agent_id=agent_id,
        version=version,
        is_published=version == 0,
        last_modification_timestamp=now_ms,
        response_engine=CustomLlm(llm_websocket_url="wss://fixtures.invalid/llm"),
        voice_id="default",
    )


def _flow(flow_id: str, version: int, now_ms: int) -> Flow:
    return Flow(
        conversation_flow_id=flow_id,
        version=version,
        last_modification_timestamp=now_ms,
        nodes=[EndNode(id="end", type="end")],
    )


def _component(component_id: str, now_ms: int) -> SharedComponent:
    return SharedComponent(
        conversation_flow_component_id=component_id,
        user_modified_timestamp=now_ms,
        name="fixture",
        nodes=[EndNode(id="end", type="end")],
    )


def _number(now_ms: int) -> PhoneNumber:
    return PhoneNumber(
        phone_number=NUMBER,
        last_modification_timestamp=now_ms,
        outbound_agents=[AgentWeight(agent_id=AGENTS[1], weight=1)],
        sip_outbound_trunk_config=SipTrunk(termination_uri="fixtures.invalid"),
    )


def _ended_call(call_id: str, now_ms: int) -> CallRecord:
    call = Call(
        call_id=call_id,
        agent_id=AGENTS[0],
        access_token=new_path_token(),
        call_status=CallStatus.ENDED,
        disconnection_reason=DisconnectionReason.USER_HANGUP,
        start_timestamp=now_ms - _CALL_MS,
        end_timestamp=now_ms,
        duration_ms=_CALL_MS,
    )
    return CallRecord(
        call=call,
        org_id=DEFAULT_ORG_ID,
        created_wall_ms=now_ms - _CALL_MS,
        join_deadline_wall_ms=now_ms,
        files_token=new_path_token(),
    )


def _query(scope: Scope) -> bytes:
    pairs = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
    # A published version cannot change; of these agents only version 0 is one.
    published = ("version", "latest_published") if scope["method"] == "PATCH" else None
    return urlencode([pair for pair in pairs if pair not in {("pagination_key", "pagination_key"), published}]).encode()


def _without_placeholders(body: bytes) -> bytes:
    value = _json(body)
    return body if not isinstance(value, dict | list) else orjson.dumps(_mended(value))


def _mended(value: Any) -> Any:
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if not isinstance(value, dict):
        return value
    mended = {name: _mended(item) for name, item in value.items()}
    for name, placeholder, instead in PLACEHOLDERS:
        if name in mended and mended[name] == placeholder:
            mended[name] = instead
    if isinstance(mended.get("nodes"), list):
        mended["nodes"] = [_led_back(node, mended["nodes"][0]["id"]) for node in mended["nodes"]]
    return {name: item for name, item in mended.items() if item is not None or value[name] is None}


def _led_back(value: Any, node_id: str) -> Any:
    """A node whose edges lead to this node: those of the tree lead to nodes that it does not send."""
    if isinstance(value, list):
        return [_led_back(item, node_id) for item in value]
    if not isinstance(value, dict):
        return value
    led = {name: _led_back(item, node_id) for name, item in value.items()}
    return led | {"destination_node_id": node_id} if "transition_condition" in led else led


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _with_length(scope: Scope, body: bytes) -> Scope:
    kept = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return {**scope, "headers": [*kept, (b"content-length", str(len(body)).encode())]} if body else scope


async def _whole_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
