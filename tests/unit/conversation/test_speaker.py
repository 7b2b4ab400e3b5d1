"""The speaker alone: bursts, marks, stops, and channels that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.unit.conversation.stage import FRAME_S, FakeChannel
from tests.unit.conversation.virtual_time import LoopClock, run_virtual

from trunkline.audio.formats import SLIN_8K
from trunkline.conversation.phrases import PhraseCache
from trunkline.conversation.speaker import Speaker
from trunkline.conversation.tasks import OwnedTasks
from trunkline.conversation.utterance import Utterance


class Booth:
    """A speaker, its channel, and what it reports."""

    def __init__(self, queue_ahead_ms: int = 160) -> None:
        self.tasks = OwnedTasks("test")
        self.speaker = Speaker(
            SLIN_8K, queue_ahead_ms, clock=LoopClock(), spawn=self.tasks.spawn, listener=self
        )
        self.news: list[tuple[str, str]] = []
        self.recorded: list[tuple[float, int]] = []
        self.sink: Any = self.speaker
        self.channel = FakeChannel()
        self.connect(self.channel)

    def connect(self, channel: FakeChannel) -> None:
        self.channel = channel
        channel.sink = self.speaker
        self.speaker.attach(channel)

    def on_sending(self, utterance: Utterance) -> None:
        self.news.append(("sending", utterance.id))

    def on_playing(self, utterance: Utterance) -> None:
        self.news.append(("playing", utterance.id))

    def on_played(self, frames: bytes, at_s: float) -> None:
        self.recorded.append((at_s, len(frames)))

    def on_finished(self, utterance: Utterance) -> None:
        self.news.append(("finished", utterance.id))

    def on_silent(self) -> None:
        self.news.append(("silent", ""))

    def values(self) -> list[int]:
        return [value for _, value in self.channel.played]

    async def close(self) -> None:
        await self.tasks.end()
        await self.channel.close()


def utterance(name: str, value: int, seconds: float, *, closed: bool = True) -> Utterance:
    made = Utterance(name, SLIN_8K)
    made.begin("one two three four five")
    made.add(np.full(round(8000 * seconds), value, np.int16))
    made.end()
    if closed:
        made.close()
    return made


def play(scene: Callable[[Booth], Any], queue_ahead_ms: int = 160) -> None:
    async def run() -> None:
        booth = Booth(queue_ahead_ms)
        try:
            await scene(booth)
        finally:
            await booth.close()

    run_virtual(run())


def test_news_come_in_order() -> None:
    """Sent, played, finished; the last frame is filled up with silence."""

    async def scene(booth: Booth) -> None:
        booth.speaker.play(utterance("a", 7, 0.99))
        await asyncio.sleep(2)

        assert booth.news == [("sending", "a"), ("playing", "a"), ("finished", "a")]
        assert booth.values() == [7] * 50
        assert sum(size for _, size in booth.recorded) == 50 * 320

    play(scene)


@pytest.mark.parametrize("ahead_ms", [40, 160, 400])
def test_queue_stays_below_its_limit_and_never_runs_dry(ahead_ms: int) -> None:
    """Whatever the setting."""

    async def scene(booth: Booth) -> None:
        booth.speaker.play(utterance("a", 7, 3))
        await asyncio.sleep(4)

        times = [at for at, _ in booth.channel.played]
        assert times[-1] - times[0] == pytest.approx((len(times) - 1) * FRAME_S, abs=1e-6)
        assert booth.channel.longest_queue <= ahead_ms / 20 + 1

    play(scene, ahead_ms)


def test_what_follows_a_stop_is_not_held_up_by_what_was_flushed() -> None:
    """The new sound comes as soon as the flush is confirmed, and at full depth."""

    async def scene(booth: Booth) -> None:
        booth.speaker.play(utterance("a", 7, 3))
        await asyncio.sleep(1)
        booth.speaker.stop()
        stopped = asyncio.get_running_loop().time()
        booth.speaker.play(utterance("b", 9, 1))
        await asyncio.sleep(0.03)
        assert booth.channel.longest_queue <= 9
        assert sum(1 for each in booth.channel.queue if isinstance(each, bytes)) >= 4
        await asyncio.sleep(2)

        first = next(at for at, value in booth.channel.played if value == 9)
        assert first - stopped <= 0.05
        assert booth.values().count(9) == 50
        assert booth.news[2:] == [("silent", ""), ("sending", "b"), ("playing", "b"), ("finished", "b")]

    play(scene)


def test_stop_and_play_again_plays_everything_once() -> None:
    """To within the frame that was on its way."""

    async def scene(booth: Booth) -> None:
        said = utterance("a", 7, 3)
        booth.speaker.play(said)
        for _ in range(4):
            await asyncio.sleep(0.333)
            booth.speaker.stop()
            await asyncio.sleep(0.2)
            assert not said.is_closed or said.was_heard
            booth.speaker.play(said)
        await asyncio.sleep(3)

        assert 150 <= len(booth.values()) <= 150 + 4 * 2
        assert said.heard_text() == "one two three four five"

    play(scene)


def test_stop_before_anything_was_sent_is_silent_at_once() -> None:
    """There is nothing to flush."""

    async def scene(booth: Booth) -> None:
        booth.speaker.play(Utterance("a", SLIN_8K))
        await asyncio.sleep(0.5)
        booth.speaker.stop()

        assert booth.news == [("silent", "")]

    play(scene)


def test_sound_that_comes_slowly_is_played_as_it_comes() -> None:
    """A voice slower than speech leaves gaps, and loses nothing."""

    async def scene(booth: Booth) -> None:
        said = utterance("a", 7, 0.1, closed=False)
        booth.speaker.play(said)
        for _ in range(5):
            await asyncio.sleep(0.5)
            said.add(np.full(800, 7, np.int16))
        said.end()
        said.close()
        await asyncio.sleep(1)

        assert booth.values() == [7] * 30
        assert booth.news[-1] == ("finished", "a")

    play(scene)


def test_channel_that_is_lost_between_two_bursts_is_replaced() -> None:
    """Nothing is reported twice as finished, and the rest comes on the new channel."""

    async def scene(booth: Booth) -> None:
        booth.speaker.play(utterance("a", 7, 2))
        await asyncio.sleep(0.5)
        old = booth.channel
        old.is_gone = True
        await asyncio.sleep(0.5)
        await old.close()
        booth.speaker.lost()
        booth.connect(FakeChannel())
        await asyncio.sleep(3)

        assert len(old.played) + len(booth.channel.played) >= 99
        assert booth.news.count(("finished", "a")) == 1

    play(scene)


def test_phrases_are_kept_within_the_limit_oldest_use_first_to_go() -> None:
    """Sound by voice, text and rate."""
    cache = PhraseCache(limit_bytes=2000)
    sound = np.ones(400, np.int16)
    cache.put("v", "a", 8000, [sound])
    cache.put("v", "b", 8000, [sound])
    assert cache.get("v", "a", 8000) is not None
    cache.put("v", "c", 8000, [sound])

    assert cache.get("v", "b", 8000) is None
    assert cache.get("v", "a", 8000) is not None
    assert cache.get("v", "a", 16000) is None
    cache.put("v", "huge", 8000, [np.ones(4000, np.int16)])
    assert cache.get("v", "huge", 8000) is None
