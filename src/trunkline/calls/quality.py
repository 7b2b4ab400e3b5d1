"""How a call sounded, from what RTP told. Pure.

MOS by the simplified E-model of ITU-T G.107 (default R0 93.2) for G.711 with packet-loss concealment (Bpl 25.1, ITU-T G.113
appendix I) and its Annex B map from R to MOS.
"""

from __future__ import annotations

from typing import Any

from trunkline.pbx.port import LegQuality

_R0 = 93.2
_BPL = 25.1
_FIXED_DELAY_MS = (
    60.0  # packetisation, jitter buffer and the PBX, where only the network's round trip is measured
)


def mean_opinion_score(loss_percent: float, one_way_delay_ms: float) -> float:
    """1.0 (bad) to about 4.4 (as good as G.711 gets)."""
    delay_impairment = 0.024 * one_way_delay_ms + max(0.0, 0.11 * (one_way_delay_ms - 177.3))
    loss_impairment = 95 * loss_percent / (loss_percent + _BPL)
    r = min(100.0, max(0.0, _R0 - delay_impairment - loss_impairment))
    mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6
    return round(max(1.0, mos), 2)


def as_media(quality: LegQuality | None, codec: str) -> dict[str, Any]:
    """The Call's `media` object: worse of the two directions, nulls where the PBX told nothing."""
    if quality is None:
        return {"codec": codec, "jitter_ms": None, "loss_percent": None, "rtt_ms": None, "mos": None}
    loss = max(_percent(quality.rx_lost, quality.rx_packets), _percent(quality.tx_lost, quality.tx_packets))
    jitters = [jitter for jitter in (quality.rx_jitter_ms, quality.tx_jitter_ms) if jitter is not None]
    return {
        "codec": quality.codec or codec,
        "jitter_ms": round(max(jitters), 2) if jitters else None,
        "loss_percent": round(loss, 2),
        "rtt_ms": quality.rtt_ms,
        "mos": mean_opinion_score(loss, _FIXED_DELAY_MS + (quality.rtt_ms or 0.0) / 2),
        "packets_received": quality.rx_packets,
        "packets_sent": quality.tx_packets,
    }


def _percent(lost: int | None, packets: int | None) -> float:
    if not packets or not lost or lost < 0:
        return 0.0
    return 100.0 * lost / (packets + lost)
