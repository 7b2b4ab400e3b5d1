from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.voice_activity import (
    SpeechPaused,
    SpeechResumed,
    SpeechSegmenter,
    SpeechStarted,
    VoiceSettings,
    WebRtcDetector,
)


def run(segmenter: SpeechSegmenter, scores: str, start_ms: float = 0.0) -> list:
    """Scores by letter, 20 ms each: `#` speech (0.9), `+` likely (0.6), `-` a soft end (0.4), `.` silence."""
    value = {"#": 0.9, "+": 0.6, "-": 0.4, ".": 0.0}
    events = []
    for number, letter in enumerate(scores, 1):
        events += segmenter.push(value[letter], start_ms + number * 20.0)
    return events


@pytest.mark.parametrize(
    ("scores", "events"),
    [
        ("........", []),
        ("..##....", []),  # a click
        ("..###", [SpeechStarted(100.0, 60 + 160)]),
        ("..#.##.##", [SpeechStarted(180.0, 100 + 160)]),  # evidence fades at the rate at which it came
        ("..#.#.#.#.#.", []),  # half of it is noise
        ("###..........", [SpeechStarted(60.0, 220), SpeechPaused(260.0, 60.0)]),
        ("###---..........", [SpeechStarted(60.0, 220), SpeechPaused(320.0, 120.0)]),  # soft ends are speech
        ("---------", []),  # but begin none
        ("###..........#..........", [SpeechStarted(60.0, 220), SpeechPaused(260.0, 60.0)]),
        (
            "###..........##",
            [SpeechStarted(60.0, 220), SpeechPaused(260.0, 60.0), SpeechResumed(300.0, 40 + 160)],
        ),
        (
            "###.........#..........",
            [SpeechStarted(60.0, 220), SpeechPaused(460.0, 260.0)],
        ),  # no pause of 200 ms until then
    ],
)
def test_a_stream_of_scores_is_cut_as_the_settings_say(scores, events):
    """Start 60 ms, pause 200 ms, resume 40 ms, pad 160 ms."""
    assert run(SpeechSegmenter(), scores) == events


def test_the_bar_is_higher_while_the_assistant_speaks():
    """What would be speech in silence is not enough to barge in."""
    segmenter = SpeechSegmenter()
    segmenter.assistant_speaks(speaking=True)
    assert run(segmenter, "++++++") == []

    assert run(segmenter, "###", 200.0) == [SpeechStarted(260.0, 220)]

    segmenter.finish()
    segmenter.assistant_speaks(speaking=False)
    assert run(segmenter, "+++", 400.0) == [SpeechStarted(460.0, 220)]


def test_a_finished_turn_makes_the_next_speech_a_start():
    """Without `finish` it would be the same turn, resumed."""
    segmenter = SpeechSegmenter()
    run(segmenter, "###..........")
    segmenter.finish()
    assert not segmenter.is_in_turn

    assert run(segmenter, "###", 1000.0) == [SpeechStarted(1060.0, 220)]
    assert segmenter.is_speaking


def test_a_pause_is_told_without_frames():
    """Phones that send nothing in silence still pause."""
    segmenter = SpeechSegmenter()
    run(segmenter, "###")

    assert segmenter.passed(259.0) == []
    assert segmenter.passed(260.0) == [SpeechPaused(260.0, 60.0)]
    assert segmenter.passed(300.0) == []
    assert segmenter.is_in_turn
    assert not segmenter.is_speaking


@pytest.mark.parametrize(
    "wrong",
    [
        {"keep_threshold": 0.6},
        {"barge_in_threshold": 0.4},
        {"start_threshold": 0.0},
        {"start_ms": 0},
        {"pad_ms": -1},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong):
    """A keep threshold over the start threshold would flutter."""
    with pytest.raises(ValueError, match="must"):
        VoiceSettings(**wrong)


@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from(["finish", "speaks", "quiet"])), max_size=300))
def test_starts_pauses_and_resumptions_always_alternate(inputs):
    """A start only out of a turn, a pause only in speech, a resumption only in a pause; since and preroll make sense."""
    segmenter, state, now = SpeechSegmenter(), "quiet", 0.0
    for item in inputs:
        if item == "finish":
            segmenter.finish()
            state = "quiet"
        elif isinstance(item, str):
            segmenter.assistant_speaks(speaking=item == "speaks")
        else:
            now += 20.0
            for event in segmenter.push(item, now):
                match event:
                    case SpeechStarted():
                        assert state == "quiet"
                        assert event.preroll_ms >= 60
                        state = "speaking"
                    case SpeechPaused():
                        assert state == "speaking"
                        assert event.at_ms - event.since_ms >= 200
                        state = "paused"
                    case SpeechResumed():
                        assert state == "paused"
                        state = "speaking"
        assert segmenter.is_speaking == (state == "speaking")
        assert segmenter.is_in_turn == (state != "quiet")


def voice(rate_hz: int, seconds: float) -> np.ndarray:
    """A vowel-like buzz: harmonics of 120 Hz under formants, with a syllable's rise and fall."""
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    formants = [(500, 120), (1500, 180), (2500, 250)]
    sound = sum(
        sum(np.exp(-(((f - centre) / width) ** 2)) for centre, width in formants) * np.sin(2 * np.pi * f * t)
        for f in range(120, 3500, 120)
    )
    sound = sound * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    return (sound / np.abs(sound).max() * 12000).astype(np.int16)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_the_detector_without_a_model_tells_a_voice_from_silence(rate_hz):
    """Scores rise on a buzz with formants and are zero on silence; a reset forgets."""
    detector, step = WebRtcDetector(rate_hz), rate_hz // 50
    quiet = np.zeros(step, np.int16)
    sound = voice(rate_hz, 1.0)

    assert [detector.push(quiet) for _ in range(10)] == [0.0] * 10
    scores = [detector.push(sound[at : at + step]) for at in range(0, len(sound), step)]
    assert np.mean(scores) > 0.8
    detector.reset()
    assert detector.push(quiet) == 0.0


def test_the_detector_takes_only_its_rates_and_frames():
    """Anything else would be scored as noise."""
    with pytest.raises(ValueError, match="8000 or 16000"):
        WebRtcDetector(24000)
    with pytest.raises(ValueError, match="20 ms"):
        WebRtcDetector(8000).push(np.zeros(80, np.int16))
