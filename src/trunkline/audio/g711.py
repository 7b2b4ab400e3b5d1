"""G.711 both ways by table: one indexing a frame. Pure.

The tables are built from the standard's own rules (ITU-T G.711 on 14-bit mu-law and 13-bit A-law samples, rounded as in
ITU-T G.191), so that decoding is exact and encoding picks the code whose interval holds the sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.formats import AudioFormat, Encoding

Samples = NDArray[np.int16]

_LE16: Final = np.dtype("<i2")
_ULAW_BIAS: Final = 33  # 14-bit scale
_ULAW_CLIP: Final = 8158  # 14-bit scale: 8191 less the bias
_SIGN: Final = 0x80
_ALAW_INVERTED_BITS: Final = 0x55


def _ulaw_codes() -> NDArray[np.uint8]:
    """The mu-law code of every 16-bit sample, indexed by the sample as an unsigned number."""
    linear = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2
    # A negative sample is inverted bit by bit, as the mu-law interval of -1 and of 0 differ by the sign alone.
    magnitude = np.minimum(np.where(linear < 0, ~linear, linear), _ULAW_CLIP) + _ULAW_BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    wire: NDArray[np.int32] = ~np.where(linear < 0, code | _SIGN, code) & 0xFF
    return wire.astype(np.uint8)


def _ulaw_values() -> Samples:
    """The sample of every mu-law code, in 16-bit scale."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    segment, step = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((2 * step + _ULAW_BIAS) << segment) - _ULAW_BIAS) << 2
    return np.where(code & _SIGN, -magnitude, magnitude).astype(np.int16)


def _alaw_codes() -> NDArray[np.uint8]:
    """The A-law code of every 16-bit sample, indexed by the sample as an unsigned number."""
    linear = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32) >> 3
    magnitude = np.where(linear < 0, ~linear, linear)
    segment = np.where(magnitude < 32, 0, np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    # In A-law the sign bit is set for positive samples.
    return (np.where(linear < 0, code, code | _SIGN) ^ _ALAW_INVERTED_BITS).astype(np.uint8)


def _alaw_values() -> Samples:
    """The sample of every A-law code, in 16-bit scale: the middle of its interval."""
    code = np.arange(256, dtype=np.int32) ^ _ALAW_INVERTED_BITS
    segment, step = (code >> 4) & 0x07, code & 0x0F
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0)) << 3
    return np.where(code & _SIGN, magnitude, -magnitude).astype(np.int16)


_ULAW_CODES: Final = _ulaw_codes()
_ULAW_VALUES: Final = _ulaw_values()
_ALAW_CODES: Final = _alaw_codes()
_ALAW_VALUES: Final = _alaw_values()


def decode_ulaw(codes: bytes) -> Samples:
    """Mu-law bytes as 16-bit samples."""
    return _ULAW_VALUES.take(np.frombuffer(codes, np.uint8))


def encode_ulaw(samples: Samples) -> bytes:
    """16-bit samples as mu-law bytes."""
    return _ULAW_CODES.take(samples.view(np.uint16)).tobytes()


def decode_alaw(codes: bytes) -> Samples:
    """A-law bytes as 16-bit samples."""
    return _ALAW_VALUES.take(np.frombuffer(codes, np.uint8))


def encode_alaw(samples: Samples) -> bytes:
    """16-bit samples as A-law bytes."""
    return _ALAW_CODES.take(samples.view(np.uint16)).tobytes()


def decode_slin(data: bytes) -> Samples:
    """Little-endian 16-bit bytes as samples; read-only, as it looks into `data`."""
    return np.frombuffer(data, _LE16).astype(np.int16, copy=False)


def encode_slin(samples: Samples) -> bytes:
    """Samples as little-endian 16-bit bytes."""
    return samples.astype(_LE16, copy=False).tobytes()


def decoder(audio: AudioFormat) -> Callable[[bytes], Samples]:
    """What turns the bytes of a format into samples at its rate."""
    return {Encoding.ULAW: decode_ulaw, Encoding.ALAW: decode_alaw, Encoding.SLIN: decode_slin}[
        audio.encoding
    ]


def encoder(audio: AudioFormat) -> Callable[[Samples], bytes]:
    """What turns samples at a format's rate into its bytes."""
    return {Encoding.ULAW: encode_ulaw, Encoding.ALAW: encode_alaw, Encoding.SLIN: encode_slin}[
        audio.encoding
    ]


def silence(audio: AudioFormat, size_bytes: int) -> bytes:
    """So many bytes of silence in a format."""
    samples = np.zeros(size_bytes // audio.bytes_per_sample, np.int16)
    return encoder(audio)(samples)
