"""A card number that is really spoken, on the embedded speech stack: it is in neither of the scrubbed copies."""

import json
import os
import sys
import wave
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest
import yaml

from support.embedded_stack import needs_embedded_stack
from support.llm_server import Peer, llm_server
from support.plain_client import ask
from support.server import running_server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(200), pytest.mark.alone]

EMBEDDED = {
    "RETOLD_VAD": "local",
    "RETOLD_STT": "local",
    "RETOLD_TTS": "local",
    "RETOLD_ALLOW_PRIVATE_HOSTS": "*",
}
CALL_TIMEOUT_S = 120
SPOKEN = "My card number is four two four two, four two four two, four two four two, four two four two."


async def asks_for_the_card(peer: Peer) -> None:
    await peer.replies(0, "Hello. What is your card number?")
    while True:
        asked = await peer.listens(until="response_required")
        await peer.replies(asked["response_id"], "Thank you.")


async def test_a_spoken_card_number_is_masked_and_muted(tmp_path: Path) -> None:
    needs_embedded_stack()
    steps = [{"wait": "agent_done"}, {"say": SPOKEN}, {"wait": "agent_done"}, "hang_up"]
    scenario = tmp_path / "card.yaml"
    async with llm_server(asks_for_the_card) as llm:
        with running_server(tmp_path / "data", env=EMBEDDED) as server:
            engine = {"type": "custom-llm", "llm_websocket_url": llm.url}
            agent = {
                "voice_id": "default",
                "response_engine": engine,
                "pii_config": {"mode": "post_call", "categories": ["credit_card"]},
            }
            _, made = await anyio.to_thread.run_sync(ask, server, "POST", "/create-agent", agent)
            scenario.write_text(yaml.safe_dump({"agent": made["agent_id"], "caller": steps}))
            options = ["--json", "--save", str(tmp_path), "--server", server.url, "--api-key", server.api_key]
            with anyio.fail_after(CALL_TIMEOUT_S):
                done = await anyio.run_process(
                    [sys.executable, "-m", "retold", "call", str(scenario), *options],
                    env={name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")},
                    check=False,
                )
        assert done.returncode == 0, done.stderr.decode()
    call = json.loads((tmp_path / "call.json").read_text())
    check_transcript(call)
    check_recordings(call, tmp_path / "data")


def check_transcript(call: dict[str, Any]) -> None:
    """The number is in the whole transcript, and its mark, without a digit, in the scrubbed one."""
    said = " ".join(item["content"] for item in call["transcript_object"] if item["role"] == "user")
    assert sum(char.isdecimal() for char in said) >= 12 or said.lower().count("four") >= 6, said
    scrubbed = " ".join(
        item["content"] for item in call["scrubbed_transcript_with_tool_calls"] if item["role"] == "user"
    )
    assert "[CREDIT_CARD]" in scrubbed, (said, scrubbed)
    assert not any(char.isdecimal() for char in scrubbed), (said, scrubbed)


def check_recordings(call: dict[str, Any], data_dir: Path) -> None:
    """Where the mark stands, the caller sounds in the whole recording and is silent in the scrubbed ones."""
    whole, rate = samples(data_dir, call["recording_multi_channel_url"])
    scrubbed, _ = samples(data_dir, call["scrubbed_recording_multi_channel_url"])
    mixed, _ = samples(data_dir, call["scrubbed_recording_url"])
    marks = [
        word
        for item in call["scrubbed_transcript_with_tool_calls"]
        for word in item.get("words", [])
        if "[CREDIT_CARD]" in word["word"]
    ]
    for mark in marks:
        inside = slice(int(mark["start"] * rate), int(mark["end"] * rate))
        assert not scrubbed[inside, 0].any()
        assert not mixed[inside].any()
        assert np.abs(whole[inside, 0]).max() > 1000
    # The agent's channel is as it was.
    assert (scrubbed[:, 1] == whole[:, 1]).all()
    assert sum(mark["end"] - mark["start"] for mark in marks) >= 2


def samples(data_dir: Path, url: str) -> tuple[np.ndarray, int]:
    with wave.open(str(data_dir / "files" / "/".join(url.split("/")[-2:]))) as recording:
        frames = recording.readframes(recording.getnframes())
        return np.frombuffer(frames, dtype="<i2").reshape(-1, recording.getnchannels()), recording.getframerate()
