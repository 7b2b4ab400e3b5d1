"""What the service counts and measures, in Prometheus' words. One `Metrics` a service, with a registry of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_TURN_BUCKETS_S: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
_STOP_BUCKETS_S: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0)
_NO_STAGE: Final = frozenset({"speech_end_ms", "barge_in_stop_ms"})
_LAG_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
_WAIT_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counters of one service. Every method takes microseconds and is called on the event loop."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.registry = registry
        self.calls_live = Gauge("trunkline_calls_live", "Calls that have not ended.", registry=registry)
        self._ended = Counter(
            "trunkline_calls", "Calls that ended, by reason.", ["end_reason"], registry=registry
        )
        self._turns = Histogram(
            "trunkline_turn_stage_seconds",
            "From the end of the caller's speech to each stage of the answer.",
            ["stage"],
            buckets=_TURN_BUCKETS_S,
            registry=registry,
        )
        self._barge_in = Histogram(
            "trunkline_barge_in_stop_seconds",
            "From the caller's voice to the assistant's silence.",
            buckets=_STOP_BUCKETS_S,
            registry=registry,
        )
        self._frames = Counter("trunkline_media_frames", "Frames of 20 ms.", ["direction"], registry=registry)
        self._lag = Histogram(
            "trunkline_loop_lag_seconds",
            "How late the event loop runs.",
            buckets=_LAG_BUCKETS_S,
            registry=registry,
        )
        self._lag_now = Gauge(
            "trunkline_loop_lag_last_seconds", "The newest reading of the loop's lag.", registry=registry
        )
        self._executor_wait = Histogram(
            "trunkline_engine_queue_seconds",
            "How long work waited for a model thread.",
            buckets=_WAIT_BUCKETS_S,
            registry=registry,
        )
        self.engine_queue = Gauge(
            "trunkline_engine_queue_length", "Jobs that wait for a model thread.", registry=registry
        )

    def call_started(self) -> None:
        """A call was stored and is about to be dialled."""
        self.calls_live.inc()

    def call_ended(self, end_reason: str) -> None:
        """A call reached its terminal state."""
        self.calls_live.dec()
        self._ended.labels(end_reason).inc()

    def turn_heard(self, latency: Mapping[str, Any]) -> None:
        """One turn's record: every field that ends in `_ms` is a stage, but those of `_NO_STAGE`; nulls are skipped."""
        for field, value in latency.items():
            if field.endswith("_ms") and field not in _NO_STAGE and isinstance(value, int | float):
                self._turns.labels(field.removesuffix("_ms")).observe(value / 1000)

    def barge_in_stopped(self, stop_ms: float) -> None:
        """The assistant fell silent so long after the caller began to speak."""
        self._barge_in.observe(stop_ms / 1000)

    def media_frames(self, received: int = 0, sent: int = 0) -> None:
        """Frames counted since the last report; callers report in batches, not frame by frame."""
        if received:
            self._frames.labels("received").inc(received)
        if sent:
            self._frames.labels("sent").inc(sent)

    def loop_lagged(self, seconds: float) -> None:
        """One reading of the loop's lag."""
        self._lag.observe(seconds)
        self._lag_now.set(seconds)

    def engine_waited(self, seconds: float) -> None:
        """One job's wait for a model thread."""
        self._executor_wait.observe(seconds)

    def page(self) -> bytes:
        """The whole, as Prometheus reads it; see `CONTENT_TYPE`."""
        return generate_latest(self.registry)
