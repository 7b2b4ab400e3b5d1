"""What every voice detector promises, and what silero behind its gate adds."""

from __future__ import annotations

import time

import numpy as np
import pytest
from engines_kit import prompt

from trunkline.audio.resample import resample_whole
from trunkline.audio.voice_activity import WebRtcDetector
from trunkline.engines.embedded.silero import SileroDetector, load_silero
from trunkline.engines.port import VoiceDetector

pytestmark = pytest.mark.engines
RATES = (8_000, 16_000)


@pytest.fixture(
    params=[(kind, rate) for kind in ("silero", "ungated silero", "webrtc") for rate in RATES],
    ids=lambda each: f"{each[0]}-{each[1]}",
)
def detector_and_rate(request: pytest.FixtureRequest) -> tuple[VoiceDetector, int]:
    kind, rate_hz = request.param
    load_silero()
    if kind == "webrtc":
        return WebRtcDetector(rate_hz), rate_hz
    return SileroDetector(rate_hz, is_gated=kind == "silero"), rate_hz


def scores(detector: VoiceDetector, pcm: np.ndarray, rate_hz: int) -> np.ndarray:
    size = rate_hz // 50
    return np.array([detector.push(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)])


def speech_at(rate_hz: int, name: str = "auth-incorrect") -> np.ndarray:
    return resample_whole(prompt(name), 8_000, rate_hz)


def test_silence_is_not_speech(detector_and_rate: tuple[VoiceDetector, int]) -> None:
    """A quiet line never scores half."""
    detector, rate_hz = detector_and_rate
    hiss = (np.random.default_rng(2).standard_normal(rate_hz * 3) * 20).astype(np.int16)

    assert scores(detector, hiss, rate_hz).max() < 0.5


def test_speech_is_speech(detector_and_rate: tuple[VoiceDetector, int]) -> None:
    """Most frames of a person talking score over half, and every score is a probability."""
    detector, rate_hz = detector_and_rate
    result = scores(detector, speech_at(rate_hz), rate_hz)

    assert np.mean(result > 0.5) > 0.6
    assert result.min() >= 0
    assert result.max() <= 1


def test_reset_forgets(detector_and_rate: tuple[VoiceDetector, int]) -> None:
    """After a reset the same audio scores the same."""
    detector, rate_hz = detector_and_rate
    first = scores(detector, speech_at(rate_hz), rate_hz)
    detector.reset()

    assert np.array_equal(scores(detector, speech_at(rate_hz), rate_hz), first)


def test_speech_after_a_long_silence_is_heard_in_time(detector_and_rate: tuple[VoiceDetector, int]) -> None:
    """The gate costs no onset: within 200 ms of the first loud sample the score is over half."""
    detector, rate_hz = detector_and_rate
    pcm = speech_at(rate_hz, "hello")
    onset = int(np.argmax(np.abs(pcm.astype(np.int32)) > 1_500))
    scores(detector, np.zeros(rate_hz * 10, np.int16), rate_hz)
    result = scores(detector, pcm, rate_hz)

    assert int(np.argmax(result > 0.5)) * 20 - onset * 1000 // rate_hz < 200


def test_silero_sleeps_through_silence() -> None:
    """Behind the gate the model runs only where there may be speech: silence costs a fraction of it."""
    load_silero()
    detector = SileroDetector(8_000)
    scores(detector, np.zeros(8_000 * 20, np.int16), 8_000)
    asleep = detector.windows_scored
    since = time.process_time()
    scores(detector, np.zeros(8_000 * 20, np.int16), 8_000)
    silence_us = (time.process_time() - since) * 1e6 / 1_000
    scores(detector, prompt("auth-incorrect"), 8_000)

    assert asleep == 0
    assert detector.windows_scored > 100
    assert silence_us < 60


def test_the_gate_changes_no_decision_in_speech() -> None:
    """With and without the gate the same frames are speech, but for a few at the edges."""
    load_silero()
    pcm = np.concatenate(
        (
            np.zeros(16_000, np.int16),
            prompt("auth-incorrect"),
            np.zeros(16_000, np.int16),
            prompt("pls-hold-while-try"),
        )
    )
    gated, free = (
        scores(SileroDetector(8_000, is_gated=is_gated), pcm, 8_000) > 0.5 for is_gated in (True, False)
    )

    assert np.mean(gated != free) < 0.06


def test_another_rate_is_refused() -> None:
    """Silero knows 8 and 16 kHz."""
    with pytest.raises(ValueError, match="11025"):
        SileroDetector(11_025)
