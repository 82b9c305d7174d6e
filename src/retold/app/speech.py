"""Chooses the speech engines that the settings name, and loads their models in the background."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import anyio.to_thread
import structlog

from retold.audio.pcm import silence
from retold.audio.resample import resample
from retold.domain.agent_options import LOCALES
from retold.errors import RetoldError
from retold.ports import SPEECH_RATE_HZ, SpeechToText, TextToSpeech, VoiceActivityDetector, Voices
from retold.settings import Settings

log = structlog.stdlib.get_logger()

WarmUp = Callable[[], Awaitable[None]]
_EVERY_LANGUAGE: Final = frozenset(locale.partition("-")[0] for locale in LOCALES)
"""Of scripted engines, whose words are known or tones."""


class Speech:
    """The voices of a server, and how far their models are.

    A model that is missing or broken does not stop the server: calls that need it end with an error that says what to
    install, and `state` says it to the health check.
    """

    def __init__(self, settings: Settings) -> None:
        self._warm_ups: list[WarmUp] = []
        self._state = "warming"
        self._is_warm = anyio.Event()
        stt, languages = self._speech_to_text(settings)
        tts, voice_ids = self._text_to_speech(settings)
        self.voices = Voices(
            vad=self._voice_activity(settings),
            stt=stt,
            tts=tts,
            languages=languages,
            spoken_languages=_EVERY_LANGUAGE if settings.tts == "scripted" else frozenset({"en"}),
            voice_ids=voice_ids,
        )

    def state(self) -> str:
        """`warming`, `ready`, or `unavailable: ` and what to do."""
        return self._state

    async def ready(self) -> None:
        """Wait until the models are loaded, or known to be unavailable."""
        await self._is_warm.wait()

    async def warm_up(self) -> None:
        """Load all models at once, in threads."""
        problems: list[str] = []

        async def load(warm_up: WarmUp) -> None:
            try:
                await warm_up()
            except (RetoldError, ImportError, OSError, RuntimeError) as error:
                log.warning("speech_unavailable", error=str(error))
                problems.append(str(error))

        async with anyio.create_task_group() as tasks:
            for warm_up in self._warm_ups:
                tasks.start_soon(load, warm_up)
        self._state = f"unavailable: {'; '.join(problems)}" if problems else "ready"
        self._is_warm.set()
        log.info("speech_warmed_up", state=self._state)

    # Each engine is imported only when it is chosen: what is not used costs neither memory nor time to start.

    def _voice_activity(self, settings: Settings) -> Callable[[], VoiceActivityDetector]:
        if settings.vad == "energy":
            from retold.providers.energy_vad import EnergyVad  # noqa: PLC0415 - imported when chosen

            return EnergyVad
        from retold.providers.local_vad import SileroVad  # noqa: PLC0415 - imported when chosen

        silero = SileroVad()
        self._warm_ups.append(silero.warm_up)
        return silero.detector

    def _speech_to_text(self, settings: Settings) -> tuple[SpeechToText, frozenset[str]]:
        if settings.stt == "scripted":
            from retold.providers.scripted import ScriptedSpeechToText  # noqa: PLC0415 - imported when chosen

            scripted = ScriptedSpeechToText(settings.scripted)
            self._warm_ups.append(scripted.warm_up)
            return scripted, _EVERY_LANGUAGE
        from retold.providers.local_stt import LocalSpeechToText  # noqa: PLC0415 - imported when chosen
        from retold.providers.models import whisper_languages  # noqa: PLC0415 - imported when chosen

        local = LocalSpeechToText(settings.local)
        self._warm_ups += [local.warm_up, _load_resampler]
        return local, whisper_languages(settings.local)

    def _text_to_speech(self, settings: Settings) -> tuple[TextToSpeech, frozenset[str]]:
        if settings.tts == "scripted":
            from retold.providers.scripted import ScriptedTextToSpeech  # noqa: PLC0415 - imported when chosen

            scripted = ScriptedTextToSpeech(settings.scripted)
            self._warm_ups.append(scripted.warm_up)
            return scripted, scripted.voice_ids
        from retold.providers.local_tts import LocalTextToSpeech  # noqa: PLC0415 - imported when chosen

        local = LocalTextToSpeech(settings.local)
        self._warm_ups.append(local.warm_up)
        return local, local.voice_ids


async def _load_resampler() -> None:
    """PyAV is imported with the first sound that it changes: in the first call, all others would wait for it for 0.1 s.

    Its 18 MB are not spent where no recognition asks for another rate.
    """
    await anyio.to_thread.run_sync(resample, silence(441), 44_100, SPEECH_RATE_HZ)
