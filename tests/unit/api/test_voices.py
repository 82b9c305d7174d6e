"""Voices over HTTP."""

import anyio
import httpx2
import pytest

from retold.app import App
from retold.audio.wav import decode_wav
from retold.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"voice_map": {"11labs-Adrian": "low"}})


async def test_voices_are_listed_and_found(api: httpx2.AsyncClient) -> None:
    listed = (await api.get("/list-voices")).json()
    assert [voice["voice_id"] for voice in listed] == ["default", "agent", "caller", "high", "low", "11labs-Adrian"]
    for voice in listed:
        assert (await api.get(f"/get-voice/{voice['voice_id']}")).json() == voice
    unknown = await api.get("/get-voice/retell-Cimo")
    assert (unknown.status_code, unknown.json()["field"]) == (422, "voice_id")


async def test_a_preview_is_spoken_once_and_needs_no_key(app: App, settings: Settings) -> None:
    transport = httpx2.ASGITransport(app=app.asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://retold.test") as stranger:
        answers = [await stranger.get("/voice-previews/low.wav") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert len(decode_wav(answers[0].content).pcm) > 10_000
    assert [path.name async for path in anyio.Path(settings.data_dir / "previews").iterdir()] == ["scripted-low.wav"]


async def test_the_preview_of_a_mapped_voice_is_that_of_ours(api: httpx2.AsyncClient) -> None:
    voice = (await api.get("/get-voice/11labs-Adrian")).json()
    assert voice["preview_audio_url"] == "http://retold.test/voice-previews/low.wav"


@pytest.mark.parametrize("name", ["11labs-Adrian.wav", "low", "..%2Fretold.db", "low.wav.wav"])
async def test_there_is_no_other_preview(api: httpx2.AsyncClient, name: str) -> None:
    assert (await api.get(f"/voice-previews/{name}")).status_code == 404


async def test_a_mapped_voice_is_taken_without_a_warning(api: httpx2.AsyncClient) -> None:
    agent = {"response_engine": {"type": "custom-llm", "llm_websocket_url": "wss://brain.example.com"}}
    mapped = await api.post("/create-agent", json={**agent, "voice_id": "11labs-Adrian"})
    assert "X-Retold-Warning" not in mapped.headers
    other = await api.post("/create-agent", json={**agent, "voice_id": "11labs-Billy"})
    assert "11labs-Billy" in other.headers["X-Retold-Warning"]


@pytest.mark.parametrize("path", ["/clone-voice", "/add-community-voice", "/search-community-voice"])
async def test_there_is_no_voice_market(api: httpx2.AsyncClient, path: str) -> None:
    answer = await api.post(path, json={"search_query": "x"})
    assert answer.status_code == 400
    assert "RETOLD_VOICE_MAP" in answer.json()["fix"]
