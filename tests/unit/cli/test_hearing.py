"""Recorded audio and its words are judged as a listener would."""

from __future__ import annotations

import numpy as np
import pytest

from trunkline.cli.hearing import first_sound_ms, share_heard, speech_seconds, stretches, word_error_rate

RATE = 8000


def tone(ms: int, amplitude: int = 8000) -> np.ndarray:
    return (amplitude * np.sin(np.arange(RATE * ms // 1000) * 2 * np.pi * 440 / RATE)).astype(np.int16)


def silence(ms: int) -> np.ndarray:
    return np.zeros(RATE * ms // 1000, np.int16)


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("Parking is free.", "parking is free", 0.0),
        ("Tuesday at ten", "Tuesday at 10:00.", 0.0),
        ("Parking is free.", "parking is three", 1 / 3),
        ("Parking is free.", "", 1.0),
        ("", "something", 1.0),
        ("Don't worry", "dont worry", 0.0),
    ],
)
def test_word_error_rate_counts_wrong_words(said: str, heard: str, rate: float) -> None:
    """Case, punctuation and figures do not count; each wrong, missing or added word does."""
    assert word_error_rate(said, heard) == pytest.approx(rate)


def test_a_sentence_is_found_inside_a_longer_text() -> None:
    """What was said before and after does not matter."""
    heard = "hello this is harbour dental the dentist is doctor brown shall we go on"

    assert share_heard("The dentist is Doctor Brown.", heard) == 1.0
    assert share_heard("The dentist is Doctor Green.", heard) == pytest.approx(0.8)
    assert share_heard("Our fax machine is broken today.", heard) < 0.4
    assert share_heard("Anything", "") == 0.0


def test_silence_is_told_from_speech() -> None:
    """Line noise is silence; its length does not count."""
    noise = np.random.default_rng(1).integers(-40, 40, RATE, dtype=np.int16)

    assert speech_seconds(noise, RATE) == 0.0
    assert first_sound_ms(noise, RATE) is None
    assert speech_seconds(np.concatenate([noise, tone(600), noise]), RATE) == pytest.approx(0.6, abs=0.04)
    assert first_sound_ms(np.concatenate([silence(300), tone(100)]), RATE) == 300


def test_speech_is_cut_at_pauses() -> None:
    """Short pauses belong to a sentence, long ones part two."""
    audio = np.concatenate([tone(400), silence(200), tone(400), silence(800), tone(300)])

    assert stretches(audio, RATE) == [(0, 1000), (1800, 2100)]


def test_speech_without_a_pause_is_cut_where_an_ear_ends() -> None:
    """Nobody breathes: stretches stay as long as the recogniser's window."""
    pieces = stretches(tone(5000), RATE, longest_ms=2000)

    assert [end - start for start, end in pieces] == [2000, 2000, 1000]


def test_no_audio_is_no_speech() -> None:
    """An empty file is silent, not an error."""
    assert speech_seconds(silence(0), RATE) == 0.0
    assert stretches(silence(0), RATE) == []
