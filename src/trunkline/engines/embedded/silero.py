"""Voice activity on this machine: the silero model at the leg's own rate, woken only where webrtcvad hears something.

The model costs some 85 us for 32 ms of audio. On a telephone line most of the time nobody speaks, so WebRTC's detector (2 us) listens first and the
model sleeps while it hears nothing. It wakes with the audio of the last windows, so that the onset is not lost.
"""

from __future__ import annotations

import hashlib
import importlib
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from trunkline.audio.formats import PTIME_MS
from trunkline.core.errors import UpstreamError
from trunkline.engines.port import Pcm

WEIGHTS: Final = Path(__file__).parent / "weights" / "silero_vad.onnx"
WEIGHTS_SHA256: Final = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"

_WINDOW_MS = 32
_CONTEXT_MS = 4
_STATE_SHAPE = (2, 1, 128)
_GATE_MODE = 1
_AWAKE_MS = 320
"""How long the model goes on listening after WebRTC's detector heard something last."""
_WAKE_WINDOWS = 3
"""Past windows that the model hears when it wakes: its score needs some context."""


@cache
def _session() -> Any:
    """One model for the process; runs inline, as a window costs less than handing it to a thread.

    Raises:
        UpstreamError: onnxruntime is missing, or the weights are not the ones that were shipped.
    """
    if hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise UpstreamError(
            f"silero: {WEIGHTS} is damaged; install trunkline again.", code="engine_not_installed"
        )
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise UpstreamError(
            "silero: onnxruntime is missing; pip install 'trunkline[engines]'.", code="engine_not_installed"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(WEIGHTS), options, providers=["CPUExecutionProvider"])


def load_silero() -> None:
    """Loads the model now (some 100 ms), so that the first call does not.

    Raises:
        UpstreamError: it can't be loaded.
    """
    SileroDetector(8_000).push(np.zeros(8_000 * PTIME_MS // 1000, np.int16))
    _session()


class SileroDetector:
    """Implements `VoiceDetector` at 8000 or 16000 Hz. One a leg.

    Args:
        rate_hz: of the frames.
        is_gated: let webrtcvad decide when the model listens at all.
    """

    def __init__(self, rate_hz: int, *, is_gated: bool = True) -> None:
        if rate_hz not in (8_000, 16_000):
            raise ValueError(f"silero listens at 8000 or 16000 Hz, not at {rate_hz}")
        self._rate_hz = rate_hz
        self._rate = np.array(rate_hz, dtype=np.int64)
        self._window = rate_hz * _WINDOW_MS // 1000
        self._context = rate_hz * _CONTEXT_MS // 1000
        self._gate = webrtcvad.Vad(_GATE_MODE) if is_gated else None
        self.windows_scored = 0
        self.reset()

    def reset(self) -> None:
        """Forgets the stream so far."""
        self._pending: NDArray[np.float32] = np.zeros(0, np.float32)
        self._past: deque[NDArray[np.float32]] = deque(maxlen=_WAKE_WINDOWS)
        self._awake_ms = 0
        self._is_awake = False
        self._probability = 0.0
        self._forget()

    def push(self, frame: Pcm) -> float:
        """Takes the next frame and returns the probability of speech in the newest whole window of 32 ms."""
        if self._gate is not None:
            self._listen_at_gate(frame)
        self._pending = np.concatenate((self._pending, frame.astype(np.float32) * np.float32(1 / 32768)))
        while len(self._pending) >= self._window:
            window, self._pending = self._pending[: self._window], self._pending[self._window :]
            self._take(window)
        return self._probability

    def _listen_at_gate(self, frame: Pcm) -> None:
        assert self._gate is not None
        if self._gate.is_speech(frame.tobytes(), self._rate_hz):
            self._awake_ms = _AWAKE_MS
        else:
            self._awake_ms = max(0, self._awake_ms - PTIME_MS)

    def _take(self, window: NDArray[np.float32]) -> None:
        if self._gate is not None and self._awake_ms == 0:
            self._is_awake = False
            self._probability = 0.0
            self._past.append(window)
            return
        if not self._is_awake:
            self._is_awake = True
            self._forget()
            for past in self._past:
                self._score(past)
            self._past.clear()
        self._probability = self._score(window)

    def _forget(self) -> None:
        self._state: NDArray[np.float32] = np.zeros(_STATE_SHAPE, np.float32)
        self._before: NDArray[np.float32] = np.zeros(self._context, np.float32)

    def _score(self, window: NDArray[np.float32]) -> float:
        heard = np.concatenate((self._before, window))[None]
        self._before = window[-self._context :]
        score, self._state = _session().run(None, {"input": heard, "state": self._state, "sr": self._rate})
        self.windows_scored += 1
        return float(score[0, 0])
