"""Voices, concurrency and the key's own identity, by every generation of the official client that asks for them."""

from urllib import request

import pytest

from support.patience import PATIENCE_S
from support.sdk_client import SdkClient
from support.sdk_plans import every_form, generations, unknown, web_call


@every_form
@generations("4.6", "4.7", "5.0", "5.64", "6.2", "node")
@pytest.mark.covers("voice.list", "voice.retrieve")
def test_voices_are_listed_and_can_be_heard(sdk: SdkClient) -> None:
    voices = sdk.ask("voice.list")
    assert voices
    for voice in voices:
        assert sdk.ask("voice.retrieve", voice["voice_id"]) == voice
    heard = next(voice["preview_audio_url"] for voice in voices if voice.get("preview_audio_url"))
    with request.urlopen(heard, timeout=PATIENCE_S) as preview:  # noqa: S310 - our own http address
        assert preview.read(4) == b"RIFF"
    unknown(sdk, "voice.retrieve", "no-such-voice")


@every_form
@generations("4.6", "4.7", "5.0", "5.64", "6.2", "node")
@pytest.mark.covers("concurrency.retrieve")
def test_concurrency_counts_calls_that_wait(sdk: SdkClient) -> None:
    before = sdk.ask("concurrency.retrieve")
    web_call(sdk)
    after = sdk.ask("concurrency.retrieve")
    assert after["current_concurrency"] - before["current_concurrency"] in {0, 1}
    assert after["concurrency_limit"] == before["concurrency_limit"] > 0


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers("identity.retrieve")
def test_a_key_knows_its_organisation(sdk: SdkClient) -> None:
    known = sdk.ask("identity.retrieve")
    assert known["org_id"].startswith("org_")
    assert known["org_name"]
    assert known["api_key_name"] == "RETOLD_API_KEY"
