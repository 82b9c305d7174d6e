"""A server in this process, reached by ASGI: no socket, scripted speech, its own data folder."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from retold.app import App, build_app
from retold.clock import SystemClock
from retold.log import set_up_logging
from retold.settings import Settings
from support.database import database_url

KEY = "key_unit_0123456789abcdef"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "data"
    speech = {"vad": "energy", "stt": "scripted", "tts": "scripted"}
    # A call that is over stays as it is, unless a test asks for its analysis.
    quiet = {"analysis": {"enabled": False}, **speech}
    return Settings.model_validate({"data_dir": folder, "api_key": KEY, "database_url": database_url(folder), **quiet})


@pytest.fixture(autouse=True)
def plain_log() -> None:
    set_up_logging("warning", "json")


@pytest.fixture
async def app(settings: Settings) -> AsyncGenerator[App]:
    async with build_app(settings, SystemClock()).running() as running:
        yield running


@pytest.fixture
async def api(app: App) -> AsyncGenerator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app.asgi)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://retold.test", headers=headers) as client:
        yield client
