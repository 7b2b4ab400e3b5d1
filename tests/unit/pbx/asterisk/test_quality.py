"""RTP statistics as figures."""

from __future__ import annotations

from trunkline.pbx.asterisk.quality import leg_quality
from trunkline.pbx.port import LegQuality


def test_seconds_become_milliseconds_and_what_is_missing_is_unknown():
    """Asterisk gives counts and seconds."""
    statistics = {
        "rxcount": 50,
        "txcount": 49,
        "rxploss": 1,
        "rxjitter": 0.0025,
        "rtt": 0.02,
        "txjitter": -1.0,
    }

    assert leg_quality(statistics, codec="ulaw") == LegQuality(
        codec="ulaw", rx_packets=50, tx_packets=49, rx_lost=1, rx_jitter_ms=2.5, rtt_ms=20.0
    )
