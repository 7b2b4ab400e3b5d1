from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.audio.resample import Resampler, resample_whole

PAIRS = [
    (8000, 16000),
    (16000, 8000),
    (24000, 8000),
    (24000, 16000),
    (16000, 24000),
    (48000, 8000),
    (22050, 8000),
    (22050, 16000),
    (8000, 48000),
]


def tone(rate_hz: int, hz: float, seconds: float = 0.5, level: float = 10000) -> np.ndarray:
    return (np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz) * level).astype(np.int16)


def level_db(samples: np.ndarray) -> float:
    """The middle of a stretch, relative to a tone of level 10000."""
    middle = samples[len(samples) // 5 : -len(samples) // 5].astype(float)
    return 20 * np.log10(np.sqrt(np.mean(middle**2)) / (10000 / np.sqrt(2)) + 1e-6)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_telephone_tone_keeps_its_level_and_its_place(from_hz, to_hz):
    """A whole stretch comes out with the sound where it was, sample by sample."""
    converted = resample_whole(tone(from_hz, 1000), from_hz, to_hz)
    wanted = tone(to_hz, 1000)

    assert len(converted) == len(wanted)
    middle = slice(to_hz // 20, -to_hz // 20)
    assert np.abs(converted[middle].astype(int) - wanted[middle]).max() < 12


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_stream_comes_out_later_by_the_delay_it_names(from_hz, to_hz):
    """At most 2 ms at telephone rates."""
    stream = Resampler(from_hz, to_hz)
    converted = stream.push(tone(from_hz, 1000))
    shift = stream.delay_ms * to_hz / 1000
    wanted = np.sin(2 * np.pi * 1000 * (np.arange(len(converted)) - shift) / to_hz) * 10000

    assert stream.delay_ms <= 2.0
    middle = slice(to_hz // 20, -to_hz // 20)
    assert np.abs(converted[middle] - wanted[middle]).max() < 12


@pytest.mark.parametrize(
    ("from_hz", "to_hz", "hz"),
    [
        (24000, 8000, 4400),
        (24000, 8000, 7000),
        (16000, 8000, 5000),
        (22050, 8000, 4500),
        (48000, 16000, 9000),
    ],
)
def test_what_the_lower_rate_cannot_carry_is_gone(from_hz, to_hz, hz):
    """60 dB down, so that nothing folds back into the voice."""
    assert level_db(resample_whole(tone(from_hz, hz), from_hz, to_hz)) < -60
    assert level_db(Resampler(from_hz, to_hz).push(tone(from_hz, hz))) < -60


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
@pytest.mark.parametrize("hz", [300, 3000])
def test_the_voice_band_is_flat(from_hz, to_hz, hz):
    """Half a decibel at most, streaming."""
    assert abs(level_db(Resampler(from_hz, to_hz).push(tone(from_hz, hz)))) < 0.5


@given(st.sampled_from(PAIRS), st.lists(st.integers(0, 700), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_however_a_stream_is_cut_the_same_comes_out(pair, cuts):
    """Frames of any size, empty ones included; and exactly as many samples as the ratio gives, rounded up."""
    noise = np.random.default_rng(1).integers(-9000, 9000, sum(cuts)).astype(np.int16)
    stream, at, pieces = Resampler(*pair), 0, []
    for size in cuts:
        pieces.append(stream.push(noise[at : at + size]))
        at += size
    joined = np.concatenate(pieces)
    at_once = Resampler(*pair).push(noise)

    assert len(joined) == len(at_once) == -(-sum(cuts) * pair[1] // pair[0])
    assert np.abs(joined.astype(int) - at_once).max(initial=0) <= 1


def test_the_end_of_a_stream_is_drained():
    """The last sound comes out, and the stream is as new."""
    stream = Resampler(24000, 8000)
    click = np.zeros(480, np.int16)
    click[-1] = 30000

    out = np.concatenate((stream.push(click), stream.finish()))
    assert int(np.abs(out).argmax()) == pytest.approx(480 / 3 + 16, abs=1)
    assert not stream.push(np.zeros(480, np.int16)).any()


def test_full_scale_clips_and_never_wraps():
    """A square wave overshoots at its edges; it must not turn over."""
    square = np.where(np.arange(800) // 40 % 2 == 0, 32767, -32768).astype(np.int16)
    out = resample_whole(square, 8000, 16000)

    assert out.max() == 32767
    assert np.all((out[10:70] > 20000) & (out[10:70] <= 32767))


def test_equal_rates_pass_through():
    """No filter, no delay."""
    stream, sound = Resampler(8000, 8000), tone(8000, 440)

    assert stream.delay_ms == 0.0
    assert stream.push(sound) is sound
    assert len(stream.finish()) == 0
    assert resample_whole(sound, 8000, 8000) is sound


def test_nothing_in_is_nothing_out():
    """An empty stretch stays empty."""
    assert len(resample_whole(np.zeros(0, np.int16), 24000, 8000)) == 0
