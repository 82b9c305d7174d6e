"""What a voice sounds like: spoken once, then kept in the data folder."""

from pathlib import Path

import anyio
import anyio.to_thread

from retold.audio.wav import encode_wav
from retold.calls.deps import Deps
from retold.domain.voice import Voice, preview_text
from retold.errors import SynthesisFailed, Unavailable
from retold.ids import new_path_token
from retold.ports import VoiceSettings

_READY_TIMEOUT_S = 30.0


async def preview_file(deps: Deps, voice: Voice) -> Path:
    """The WAV file in which one of our own voices introduces itself. Raises Unavailable when it cannot speak."""
    path = deps.settings.data_dir / "previews" / f"{deps.settings.tts}-{voice.voice_id}.wav"
    if not await anyio.Path(path).exists():
        wav = await _speak(deps, voice)
        await anyio.to_thread.run_sync(_keep, path, wav)
    return path


async def _speak(deps: Deps, voice: Voice) -> bytes:
    pieces: list[bytes] = []
    rate_hz = 0
    try:
        with anyio.fail_after(_READY_TIMEOUT_S):
            await deps.speech_ready()
            async for spoken in deps.voices.tts.stream(preview_text(voice), VoiceSettings(voice.voice_id)):
                pieces.append(spoken.pcm)
                rate_hz = spoken.sample_rate
    except (SynthesisFailed, TimeoutError) as error:
        raise Unavailable("the voice cannot be heard: speech synthesis is not ready", fix="see `retold doctor`") from (
            error
        )
    return encode_wav(b"".join(pieces), rate_hz)


def _keep(path: Path, wav: bytes) -> None:
    """Put the file there in one go: whoever asks at the same moment makes the same bytes."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    partial = path.with_name(f".{path.name}.{new_path_token()}")
    try:
        partial.write_bytes(wav)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
