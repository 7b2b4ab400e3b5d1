"""The tables against the standard's own words, and against an independent codec (libsndfile)."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.formats import ALAW_8K, SLIN_8K, SLIN_16K, ULAW_8K
from trunkline.audio.g711 import decode_alaw, decode_ulaw, decoder, encode_alaw, encode_ulaw, encoder, silence

CODES = bytes(range(256))
SAMPLES = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)


def libsndfile(data: bytes, subtype: str) -> np.ndarray:
    samples, _ = soundfile.read(
        io.BytesIO(data), samplerate=8000, channels=1, format="RAW", subtype=subtype, dtype="int16"
    )
    return samples


@pytest.mark.parametrize(("decode", "subtype"), [(decode_ulaw, "ULAW"), (decode_alaw, "ALAW")])
def test_every_code_decodes_as_an_independent_codec_does(decode, subtype):
    """All 256 codes of both laws."""
    assert decode(CODES).tolist() == libsndfile(CODES, subtype).tolist()


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [
        ("ulaw", 0xFF, 0),
        ("ulaw", 0x7F, 0),
        ("ulaw", 0x80, 32124),
        ("ulaw", 0x00, -32124),
        ("alaw", 0xD5, 8),
        ("alaw", 0x55, -8),
        ("alaw", 0xAA, 32256),
        ("alaw", 0x2A, -32256),
    ],
)
def test_the_ends_of_the_scale_are_the_standards(law, code, sample):
    """Silence and full scale, in 16-bit scale."""
    decode = {"ulaw": decode_ulaw, "alaw": decode_alaw}[law]

    assert decode(bytes([code]))[0] == sample


@pytest.mark.parametrize(("encode", "decode"), [(encode_ulaw, decode_ulaw), (encode_alaw, decode_alaw)])
def test_a_decoded_code_encodes_to_itself(encode, decode):
    """No drift however often a stretch is decoded and encoded (mu-law's negative zero becomes the positive one)."""
    once = encode(decode(CODES))

    assert decode(once).tolist() == decode(CODES).tolist()
    assert [code for code, back in zip(CODES, once, strict=True) if code != back] in ([], [0x7F])


@pytest.mark.parametrize(("encode", "decode"), [(encode_ulaw, decode_ulaw), (encode_alaw, decode_alaw)])
def test_every_sample_keeps_within_half_its_step(encode, decode):
    """All 65 536 samples: the error is at most half of the quantiser's step there, bits below the law's own scale and clipping aside."""
    back = decode(encode(SAMPLES)).astype(np.int32)
    values = np.unique(decode(CODES).astype(np.int32))
    step = np.diff(values)
    around = [
        step[np.clip(np.searchsorted(values, SAMPLES) - 1 + beside, 0, len(step) - 1)]
        for beside in (-1, 0, 1)
    ]
    widest = np.max(around, axis=0)
    inside = np.abs(SAMPLES.astype(np.int32)) <= values[-1]

    assert np.all(np.abs(back - SAMPLES)[inside] <= widest[inside] // 2 + 4)


@pytest.mark.parametrize(("encode", "decode"), [(encode_ulaw, decode_ulaw), (encode_alaw, decode_alaw)])
def test_louder_never_becomes_softer(encode, decode):
    """Encoding keeps the order of samples."""
    assert np.all(np.diff(decode(encode(SAMPLES)).astype(np.int32)) >= 0)


def reference_ulaw(sample: int) -> int:
    """G.711 table 2a by its decision values, one sample at a time."""
    value = sample >> 2
    sign, magnitude = (0x80, ~value) if value < 0 else (0, value)
    magnitude = min(magnitude, 8158) + 33
    segment = next(s for s in range(8) if magnitude < 64 << s)
    return ~(sign | segment << 4 | (magnitude >> (segment + 1)) & 15) & 0xFF


def reference_alaw(sample: int) -> int:
    """G.711 table 1a by its decision values, one sample at a time."""
    value = sample >> 3
    sign, magnitude = (0, ~value) if value < 0 else (0x80, value)
    segment = next(s for s in range(8) if magnitude < 32 << s)
    return (sign | segment << 4 | (magnitude >> max(segment, 1)) & 15) ^ 0x55


@given(st.integers(-32768, 32767))
def test_each_code_is_the_one_that_the_decision_values_give(sample):
    """A table-free reading of the standard agrees."""
    one = np.array([sample], np.int16)

    assert (encode_ulaw(one)[0], encode_alaw(one)[0]) == (reference_ulaw(sample), reference_alaw(sample))


@pytest.mark.parametrize("audio", [ULAW_8K, ALAW_8K, SLIN_8K, SLIN_16K])
def test_a_format_has_both_ways(audio):
    """A frame has the right number of samples, and comes back byte by byte."""
    frame = encoder(audio)((np.sin(np.arange(audio.frame_samples)) * 8000).astype(np.int16))

    assert len(frame) == audio.frame_bytes
    assert encoder(audio)(decoder(audio)(frame)) == frame


@pytest.mark.parametrize("audio", [ULAW_8K, ALAW_8K, SLIN_16K])
def test_silence_is_silent(audio):
    """At most the smallest step of the law."""
    assert np.abs(decoder(audio)(silence(audio, 2 * audio.frame_bytes))).max() <= 8
