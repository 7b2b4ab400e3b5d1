"""What a stretch of audio is. Sizes are computed from rate, ptime and width here, and written nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

PTIME_MS: Final = 20
"""Packet time of every leg: one frame in milliseconds."""


class Encoding(StrEnum):
    """How samples are written on the wire, by Asterisk's names."""

    ULAW = "ulaw"
    ALAW = "alaw"
    SLIN = "slin"


_BYTES_PER_SAMPLE = {Encoding.ULAW: 1, Encoding.ALAW: 1, Encoding.SLIN: 2}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An encoding at a sample rate, mono.

    Attributes:
        encoding: G.711 mu-law or A-law, or signed linear 16-bit little-endian.
        rate_hz: samples a second; G.711 is always 8000.
        bytes_per_sample: 1 for G.711, 2 for signed linear.
        frame_samples: samples in one frame of 20 ms.
        frame_bytes: bytes in one frame of 20 ms.
    """

    encoding: Encoding
    rate_hz: int
    bytes_per_sample: int = field(init=False, repr=False, compare=False)
    frame_samples: int = field(init=False, repr=False, compare=False)
    frame_bytes: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Computed once, as every frame of every call asks for them.
        samples = self.rate_hz * PTIME_MS // 1000
        object.__setattr__(self, "bytes_per_sample", _BYTES_PER_SAMPLE[self.encoding])
        object.__setattr__(self, "frame_samples", samples)
        object.__setattr__(self, "frame_bytes", samples * self.bytes_per_sample)

    def duration_ms(self, size_bytes: int) -> float:
        """How long so many bytes sound."""
        return size_bytes * 1000 / (self.rate_hz * self.bytes_per_sample)

    def size_bytes(self, duration_ms: float) -> int:
        """Bytes of so many milliseconds, cut to whole samples."""
        return int(duration_ms * self.rate_hz / 1000) * self.bytes_per_sample

    @property
    def asterisk_name(self) -> str:
        """`ulaw`, `alaw`, `slin` (8 kHz) or `slin16` (16 kHz)."""
        if self.encoding is Encoding.SLIN and self.rate_hz != 8000:
            return f"slin{self.rate_hz // 1000}"
        return self.encoding.value


ULAW_8K: Final = AudioFormat(Encoding.ULAW, 8000)
ALAW_8K: Final = AudioFormat(Encoding.ALAW, 8000)
SLIN_8K: Final = AudioFormat(Encoding.SLIN, 8000)
SLIN_16K: Final = AudioFormat(Encoding.SLIN, 16000)
