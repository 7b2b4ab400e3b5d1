"""The pure parts of the embedded speech engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.engines.embedded.byte_level import load_vocabulary
from trunkline.engines.embedded.log_mel import log_mel, mel_filters
from trunkline.engines.embedded.speech_shape import pause_ms, sentences, to_pcm, trimmed
from trunkline.engines.embedded.utterance import UtteranceBuffer
from trunkline.engines.embedded.whisper_guard import Decoded, spoken_text

RATE_HZ = 8_000
FRAME = 160


# --- the guard --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decoded", "believed"),
    [
        (Decoded("Goodbye.", -0.7, 0.05), "Goodbye."),
        (Decoded("5.", -0.8, 0.1), "5."),
        (Decoded("you", -1.2, 0.95), ""),
        (Decoded("You", -0.9, 0.9), ""),
        (Decoded("Thank you.", -0.4, 0.05), "Thank you."),
        (Decoded("Be Be Be Be Be Be Be", -0.17, 0.82), ""),
        (Decoded("I want to go. I want to go. I want to go. I want to go.", -0.2, 0.1), ""),
        (Decoded("My number is 5 5 5 5 5 5", -0.3, 0.1), "My number is 5 5 5 5 5 5"),
        (Decoded("Hello there. Okay okay okay okay okay okay", -0.3, 0.1), "Hello there"),
        (Decoded("[BLANK_AUDIO]", -0.1, 0.2), ""),
        (Decoded("(upbeat music) Hello.", -0.3, 0.2), "Hello."),
        (Decoded("Mumble mumble", -1.8, 0.2), ""),
        (Decoded("No no no.", -0.5, 0.1), "No no no."),
        (Decoded("...", -0.2, 0.1), ""),
        (Decoded("", 0.0, 0.0), ""),
    ],
)
def test_what_was_made_up_is_left_out(decoded: Decoded, believed: str) -> None:
    """Ghost words, loops and sound descriptions go; real words, repeated digits included, stay."""
    assert spoken_text(decoded) == believed


# --- the utterance buffer ---------------------------------------------------------------------------------------------


def frames(buffer: UtteranceBuffer, ms: int, level: int) -> None:
    for _ in range(ms // 20):
        buffer.push(np.full(FRAME, level, np.int16))


def test_only_the_preroll_is_kept_while_nobody_speaks() -> None:
    """An hour of silence takes no more room than two seconds."""
    buffer = UtteranceBuffer(RATE_HZ)
    frames(buffer, 60_000, 5)

    assert len(buffer.audio(0, buffer.end)) <= 2 * RATE_HZ + FRAME


def test_an_utterance_begins_with_its_preroll() -> None:
    """What was said before the detector was sure is part of it."""
    buffer = UtteranceBuffer(RATE_HZ)
    frames(buffer, 2_000, 1)
    frames(buffer, 200, 1_000)
    buffer.start(300)
    frames(buffer, 100, 2_000)
    assert buffer.begin is not None
    audio = buffer.audio(buffer.begin, buffer.end)

    assert len(audio) == buffer.samples(400)
    assert list(audio[[0, 1_000, 3_000]]) == [1, 1_000, 2_000]


def test_quiet_is_told_from_speech() -> None:
    """Quiet is far below the utterance's loudest frame."""
    buffer = UtteranceBuffer(RATE_HZ)
    buffer.start(0)
    frames(buffer, 400, 3_000)
    spoken_to = buffer.end
    frames(buffer, 100, 40)

    assert buffer.quiet_since(spoken_to)
    assert not buffer.quiet_since(spoken_to - FRAME)


def test_a_long_utterance_is_cut_in_a_gap() -> None:
    """After seven seconds at the last gap between words; a short one is never cut."""
    buffer = UtteranceBuffer(RATE_HZ)
    buffer.start(0)
    frames(buffer, 5_000, 3_000)
    frames(buffer, 300, 0)
    assert buffer.cut() is None
    frames(buffer, 2_000, 3_000)
    at = buffer.cut()
    assert at is not None

    assert buffer.samples(5_000) < at < buffer.samples(5_300)
    buffer.continue_from(at)
    assert buffer.begin == at
    assert len(buffer.audio(at, buffer.end)) == buffer.end - at
    assert buffer.cut() is None


def test_without_a_gap_it_is_cut_where_it_is_quietest() -> None:
    """Memory stays bounded however long somebody talks without drawing breath."""
    buffer = UtteranceBuffer(RATE_HZ)
    buffer.start(0)
    frames(buffer, 12_000, 3_000)
    frames(buffer, 100, 1_000)
    frames(buffer, 2_000, 3_000)
    at = buffer.cut()
    assert at is not None

    assert buffer.samples(12_000) <= at <= buffer.samples(12_120)


@given(
    st.lists(st.tuples(st.sampled_from(["speak", "hush", "start", "stop"]), st.integers(1, 60)), max_size=30)
)
def test_positions_never_lie(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, the end counts every sample, and the audio between two held positions is as long as they are apart."""
    buffer = UtteranceBuffer(RATE_HZ)
    pushed = 0
    for step, count in steps:
        match step:
            case "speak" | "hush":
                frames(buffer, count * 20, 2_000 if step == "speak" else 0)
                pushed += count * FRAME
            case "start":
                buffer.start(count * 10)
            case _:
                buffer.stop()
        if buffer.begin is not None and (at := buffer.cut()) is not None:
            buffer.continue_from(at)
        assert buffer.end == pushed
        if buffer.begin is not None:
            assert len(buffer.audio(buffer.begin, buffer.end)) == buffer.end - buffer.begin
            assert buffer.end - buffer.begin <= buffer.samples(16_000)


# --- features and vocabulary ------------------------------------------------------------------------------------------


def test_8_khz_gives_the_same_features_as_16_khz() -> None:
    """A sound below 4 kHz looks the same at both rates, without resampling."""
    seconds = 2.0
    narrow = (np.sin(2 * np.pi * 700 * np.arange(int(8_000 * seconds)) / 8_000) * 9_000).astype(np.int16)
    wide = (np.sin(2 * np.pi * 700 * np.arange(int(16_000 * seconds)) / 16_000) * 9_000).astype(np.int16)
    one, other = (log_mel(pcm, rate, 1_200, 80) for pcm, rate in ((narrow, 8_000), (wide, 16_000)))

    assert one.shape == (80, 1_200)
    assert one.dtype == np.float32
    assert float(np.abs(one[:, 5:190] - other[:, 5:190]).mean()) < 0.02
    assert int(one[:, 100].argmax()) == int(other[:, 100].argmax())


def test_features_span_two_at_most_and_pad_with_silence() -> None:
    """Whisper's scale: the loudest 8 decades, and nothing after the audio's end."""
    noise = (np.random.default_rng(3).standard_normal(8_000) * 3_000).astype(np.int16)
    features = log_mel(noise, 8_000, 1_200, 80)

    assert float(features.max() - features.min()) <= 2.0 + 1e-5
    assert np.ptp(features[:, 110:]) == 0


def test_mel_filters_have_unit_area() -> None:
    """Slaney's: every triangle is as big as the others; 80 of them over 201 bins."""
    filters = mel_filters(80)
    areas = filters.sum(axis=1) * 40

    assert filters.shape == (80, 201)
    assert np.all(np.abs(areas[20:] - 1) < 0.1)


def test_a_vocabulary_reads_and_writes_words(tmp_path: Path) -> None:
    """Bytes are letters of an alphabet of their own; merges make words of them; special tokens are not text."""
    (tmp_path / "vocabulary.txt").write_text(
        "h\ne\n\u0120\n\u00c3\n\u00a9\n\u0120h\n\u0120he\n<|endoftext|>\n"
    )
    (tmp_path / "tokenizer.json").write_text('{"model": {"merges": ["\u0120 h", ["\u0120h", "e"]]}}')
    vocabulary = load_vocabulary(tmp_path)

    assert vocabulary.encode("he") == [6]
    assert vocabulary.decode([6, 3, 4, 7]) == "he\u00e9"
    assert vocabulary.decode([3]) == "\ufffd"


# --- shaping speech ---------------------------------------------------------------------------------------------------


def test_silence_around_a_sentence_becomes_a_fitting_pause() -> None:
    """The front is cut, the end gets the pause of its mark."""
    rate_hz = 24_000
    wave = np.concatenate((np.zeros(7_200), 0.3 * np.ones(24_000), np.zeros(12_000))).astype(np.float32)
    spoken = trimmed(wave, rate_hz, "Hello.")

    assert len(spoken) == pytest.approx(24_000 + rate_hz * (0.015 + 0.280), abs=rate_hz * 0.006)
    assert np.abs(spoken[: rate_hz // 40]).max() > 0.2
    assert len(trimmed(np.zeros(1_000, np.float32), rate_hz, "Hello.")) == 0


def test_pauses_follow_the_last_mark() -> None:
    """A full stop is longer than a comma, quotes do not hide it."""
    assert pause_ms('"Yes."') == pause_ms("Yes.") > pause_ms("Yes,") > pause_ms("Yes") > 0


def test_loud_samples_are_clipped_not_wrapped() -> None:
    """Overshoot ends at the limit with its sign."""
    assert to_pcm(np.array([2.0, -2.0, 0.5], np.float32)).tolist() == [32_767, -32_768, 16_383]


def test_sentences_are_cut_after_their_marks() -> None:
    """Nothing is lost but blanks."""
    assert sentences(" One. Two! Three? four ") == ["One.", "Two!", "Three?", "four"]
