"""One call from scenario to saved files, over the public API only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2

from retold.caller.client import AudioClient, Watcher
from retold.caller.expectations import failures
from retold.caller.scenario import Scenario
from retold.caller.script import Script
from retold.caller.server import ServerAddress
from retold.caller.tape import CallerTape
from retold.caller.voice import Passage
from retold.clock import Clock
from retold.domain.call import CallAudio
from retold.domain.reasons import CallStatus
from retold.errors import CallNotPlaced

SAMPLE_RATE = CallAudio().sample_rate
"""Web calls carry the default audio."""

_HTTP_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 30.0
_POLL_S = 0.1
_FILES = {
    "recording_url": "recording.wav",
    "recording_multi_channel_url": "recording_multi_channel.wav",
    "public_log_url": "log.txt",
}


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call went: the final call object, the caller's own record, and what was not as expected, in words."""

    call: dict[str, Any]
    tape: CallerTape
    failures: tuple[str, ...]
    saved_in: Path | None


class Caller:
    """Places calls to one server."""

    def __init__(self, address: ServerAddress, clock: Clock) -> None:
        self._address = address
        self._clock = clock

    async def place(
        self,
        scenario: Scenario,
        passages: Mapping[int, Passage],
        *,
        save_in: Path | None = None,
        watcher: Watcher | None = None,
    ) -> CallResult:
        """Play a scenario whose passages are prepared. Raises CallNotPlaced."""
        headers = {"Authorization": f"Bearer {self._address.api_key}"}
        async with httpx2.AsyncClient(base_url=self._address.url, headers=headers, timeout=_HTTP_TIMEOUT_S) as http:
            agent_id = await self._agent_id(http, scenario)
            call_id = (await _post(http, "/v2/create-web-call", {"agent_id": agent_id}))["call_id"]
            tape = CallerTape(call_id, SAMPLE_RATE)
            script = Script(scenario.steps, {step: passage.duration_ms for step, passage in passages.items()})
            client = AudioClient(script, passages, tape, self._clock, watcher)
            await client.run(f"{self._address.websocket_url}/audio-websocket/{call_id}?enable_update=true")
            call = await _final_call(http, call_id)
            if save_in is not None:
                await _save(call, tape, save_in)
        complaints = [tape.complaint] if tape.complaint else []
        return CallResult(call, tape, (*complaints, *failures(scenario.expect, call)), save_in)

    async def _agent_id(self, http: httpx2.AsyncClient, scenario: Scenario) -> str:
        if isinstance(scenario.agent, str):
            return scenario.agent
        return str((await _post(http, "/create-agent", scenario.agent))["agent_id"])


async def _post(http: httpx2.AsyncClient, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return _checked(await _request(http, "POST", path, body)).json()


async def _final_call(http: httpx2.AsyncClient, call_id: str) -> dict[str, Any]:
    """The call object once the call is over; the last one seen when it does not end in time."""
    call: dict[str, Any] = {}
    with anyio.move_on_after(_END_TIMEOUT_S):
        while True:
            call = _checked(await _request(http, "GET", f"/v2/get-call/{call_id}")).json()
            if CallStatus(call["call_status"]).is_terminal:
                return call
            await anyio.sleep(_POLL_S)
    raise CallNotPlaced(f"call {call_id} is still {call.get('call_status')} {_END_TIMEOUT_S:g} s after it was over")


async def _request(
    http: httpx2.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None = None
) -> httpx2.Response:
    try:
        return await http.request(method, path, json=body)
    except httpx2.HTTPError as error:
        raise CallNotPlaced(
            f"{method} {http.base_url.join(path)}: {error or type(error).__name__}; is it up?"
        ) from error


def _checked(answer: httpx2.Response) -> httpx2.Response:
    if not answer.is_success:
        raise CallNotPlaced(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    return answer


async def _save(call: Mapping[str, Any], tape: CallerTape, folder: Path) -> None:
    target = anyio.Path(folder)
    await target.mkdir(parents=True, exist_ok=True)
    await (target / "call.json").write_bytes(_json(call))
    await (target / "caller.json").write_bytes(_json(tape.as_json()))
    await (target / "caller.wav").write_bytes(await anyio.to_thread.run_sync(tape.as_wav))
    # Without the key: the addresses come from the server, and their paths are secret enough.
    async with httpx2.AsyncClient(timeout=_HTTP_TIMEOUT_S) as http:
        for field, name in _FILES.items():
            if call.get(field):
                answer = await _request(http, "GET", call[field])
                await (target / name).write_bytes(_checked(answer).content)


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
