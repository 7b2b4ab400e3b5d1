"""The metrics page tells what the service did."""

from __future__ import annotations

import asyncio
import time

from trunkline.observe.loop_lag import watch_loop_lag
from trunkline.observe.metrics import Metrics


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_calls_are_counted_live_and_by_their_end() -> None:
    """Live calls go up and down; the ended ones are told apart by reason."""
    metrics = Metrics()
    metrics.call_started()
    metrics.call_started()
    metrics.call_ended("busy")

    assert sample(metrics, "trunkline_calls_live") == 1
    assert sample(metrics, "trunkline_calls_total", end_reason="busy") == 1


def test_each_stage_of_a_turn_is_a_series() -> None:
    """Every `_ms` field of a turn is observed in seconds; nulls and other fields are not."""
    metrics = Metrics()
    metrics.turn_heard({"turn": 3, "speech_end_ms": 9000, "first_audio_ms": 420, "final_text_ms": None})

    assert sample(metrics, "trunkline_turn_stage_seconds_sum", stage="first_audio") == 0.42
    assert sample(metrics, "trunkline_turn_stage_seconds_count", stage="final_text") is None
    assert sample(metrics, "trunkline_turn_stage_seconds_count", stage="speech_end") is None


def test_two_services_in_one_process_do_not_share_counts() -> None:
    """Each service has its own registry."""
    first, second = Metrics(), Metrics()
    first.media_frames(received=50, sent=49)

    assert sample(first, "trunkline_media_frames_total", direction="received") == 50
    assert sample(second, "trunkline_media_frames_total", direction="received") is None


def test_page_is_prometheus_text() -> None:
    """The page carries our series and the process's own."""
    metrics = Metrics()
    metrics.barge_in_stopped(180)
    metrics.engine_waited(0.02)
    page = metrics.page().decode()

    assert "trunkline_barge_in_stop_seconds_sum 0.18" in page
    assert "trunkline_engine_queue_seconds_count 1.0" in page
    assert "process_resident_memory_bytes" in page


async def test_a_blocked_loop_is_reported_as_lag() -> None:
    """Work that holds the loop shows up as lag of about that length."""
    readings: list[float] = []
    watcher = asyncio.create_task(watch_loop_lag(readings.append, period_s=0.01), name="loop lag")
    await asyncio.sleep(0.005)

    time.sleep(0.3)
    await asyncio.sleep(0.05)
    watcher.cancel()

    assert max(readings) > 0.2
