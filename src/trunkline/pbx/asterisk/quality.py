"""RTP statistics as the port's figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trunkline.pbx.port import LegQuality


def leg_quality(statistics: Mapping[str, Any], *, codec: str | None) -> LegQuality:
    """Reads the answer of `GET /channels/{id}/rtp_statistics`; Asterisk gives times in seconds."""
    return LegQuality(
        codec=codec,
        rx_packets=_count(statistics, "rxcount"),
        tx_packets=_count(statistics, "txcount"),
        rx_lost=_count(statistics, "rxploss"),
        tx_lost=_count(statistics, "txploss"),
        rx_jitter_ms=_ms(statistics, "rxjitter"),
        tx_jitter_ms=_ms(statistics, "txjitter"),
        rtt_ms=_ms(statistics, "rtt"),
    )


def _count(statistics: Mapping[str, Any], name: str) -> int | None:
    value = statistics.get(name)
    return value if isinstance(value, int) and value >= 0 else None


def _ms(statistics: Mapping[str, Any], name: str) -> float | None:
    value = statistics.get(name)
    return value * 1000 if isinstance(value, int | float) and value >= 0 else None
