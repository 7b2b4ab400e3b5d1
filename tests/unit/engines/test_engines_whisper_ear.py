"""One ear's decisions, with a scripted model: what is decoded when, what is told, what is kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from trunkline.engines.embedded.whisper_ear import KEEP_AFTER_FINISH_MS, WhisperEar
from trunkline.engines.embedded.whisper_guard import Decoded
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.port import Pcm, Transcript

RATE_HZ = 8_000


class ScriptedModel:
    """Hears one word for each 500 ms of loud samples, named by their level; can be held back, and can fail."""

    def __init__(self) -> None:
        self.decoded_ms: list[int] = []
        self.fails = False
        self.free = threading.Event()
        self.free.set()

    def transcribe(self, pcm: Pcm, rate_hz: int, prompt: Sequence[int]) -> Decoded:
        assert self.free.wait(10)
        if self.fails:
            raise RuntimeError("out of memory")
        self.decoded_ms.append(len(pcm) * 1000 // rate_hz)
        levels = pcm[:: rate_hz // 2]
        # The guard takes a word that is said again and again for a loop, so each has a number.
        return Decoded(
            " ".join(f"word{level}-{n}" for n, level in enumerate(levels) if level > 100), -0.3, 0.1
        )


class Sink:
    def __init__(self) -> None:
        self.told: list[Transcript] = []
        self.failed: list[tuple[int, Exception]] = []

    def on_transcript(self, transcript: Transcript) -> None:
        self.told.append(transcript)

    def on_transcription_failed(self, utterance: int, error: Exception) -> None:
        self.failed.append((utterance, error))

    def finals(self) -> list[list[str]]:
        """The words of each final, without their numbers."""
        return [[word[:8] for word in each.text.split()] for each in self.told if each.is_final]


class Ear:
    """An ear with its script and its listener."""

    def __init__(self) -> None:
        self.model = ScriptedModel()
        self.sink = Sink()
        self.executor = ModelExecutor(2)
        self.ear = WhisperEar(self.model, self.executor, RATE_HZ, self.sink, [])  # type: ignore[arg-type]

    async def hear(self, ms: int, level: int) -> None:
        """Pushes audio, and lets what it causes happen after each 100 ms."""
        for n in range(ms // 20):
            self.ear.push(np.full(160, level, np.int16))
            if n % 5 == 4:
                await self.settle()

    async def settle(self) -> None:
        """Waits until nothing is being decoded any more, unless the model is held back."""
        for _ in range(200):
            await asyncio.sleep(0.001)
            if not self.model.free.is_set() or not any(
                "whisper" in task.get_name() for task in asyncio.all_tasks()
            ):
                return


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.model.free.set()
    ear.executor.shutdown()


async def test_partials_grow_and_the_quiet_one_is_the_final(ear: Ear) -> None:
    """Every 400 ms a partial, one more when it falls quiet, and `finish` needs no decoding."""
    ear.ear.start(3, 0)
    await ear.hear(1_100, 2_000)
    await ear.hear(200, 0)
    decodings = len(ear.model.decoded_ms)
    ear.ear.finish(3)
    await ear.settle()

    assert decodings == 3
    assert len(ear.model.decoded_ms) == decodings
    assert [each.is_final for each in ear.sink.told] == [False] * 3 + [True]
    assert ear.sink.finals() == [["word2000", "word2000", "word2000"]]


async def test_speech_after_the_last_partial_is_decoded(ear: Ear) -> None:
    """A final holds everything up to `finish`."""
    ear.ear.start(1, 0)
    await ear.hear(500, 2_000)
    for _ in range(30):
        ear.ear.push(np.full(160, 3_000, np.int16))
    ear.ear.finish(1)
    await ear.settle()

    assert ear.sink.finals() == [["word2000", "word3000", "word3000"]]


async def test_silence_is_not_decoded_again_and_again(ear: Ear) -> None:
    """A long pause within an utterance costs nothing."""
    ear.ear.start(1, 0)
    await ear.hear(800, 2_000)
    await ear.hear(200, 0)
    decodings = len(ear.model.decoded_ms)
    await ear.hear(3_000, 0)

    assert len(ear.model.decoded_ms) == decodings


async def test_partials_wait_while_the_executor_is_busy(ear: Ear) -> None:
    """A partial is skipped rather than queued."""
    ear.model.free.clear()
    ear.ear.start(1, 0)
    await ear.hear(2_000, 2_000)
    ear.model.free.set()
    await ear.settle()

    assert len(ear.model.decoded_ms) == 1
    assert ear.executor.counts.longest_wait_s == 0


async def test_a_failed_decoding_is_told_once(ear: Ear) -> None:
    """The utterance gets no transcript, and the reason names the engine, not the words."""
    ear.model.fails = True
    ear.ear.start(5, 0)
    await ear.hear(600, 2_000)
    ear.ear.finish(5)
    await ear.settle()
    (utterance, error), *others = ear.sink.failed

    assert (utterance, others, ear.sink.told) == (5, [], [])
    assert str(error) == "whisper: decoding failed (RuntimeError)."


async def test_a_finished_utterance_is_kept_as_text_only(ear: Ear) -> None:
    """While the assistant speaks for long, the audio goes; if the caller goes on after all, the first words are still there."""
    ear.ear.start(1, 0)
    await ear.hear(1_000, 2_000)
    ear.ear.finish(1)
    await ear.settle()
    await ear.hear(KEEP_AFTER_FINISH_MS + 500, 0)
    kept_samples = ear.ear._audio.end - (ear.ear._audio._dropped_to)
    ear.ear.resume(1)
    await ear.hear(600, 4_000)
    ear.ear.finish(1)
    await ear.settle()

    assert kept_samples <= 2 * RATE_HZ + 160
    assert ear.sink.finals()[-1][:3] == ["word2000", "word2000", "word4000"]


async def test_a_new_utterance_forgets_the_old_one(ear: Ear) -> None:
    """`start` while a final is still being made: that final never comes."""
    ear.ear.start(1, 0)
    await ear.hear(200, 2_000)
    ear.model.free.clear()
    ear.ear.finish(1)
    await asyncio.sleep(0.01)
    ear.ear.start(2, 0)
    ear.model.free.set()
    await ear.hear(600, 5_000)
    ear.ear.finish(2)
    await ear.settle()

    assert {each.utterance for each in ear.sink.told} == {2}
    assert ear.sink.finals() == [["word5000", "word5000"]]


async def test_calls_for_another_utterance_are_ignored(ear: Ear) -> None:
    """A late `finish` or `resume` of an older utterance does not touch the present one."""
    ear.ear.start(2, 0)
    ear.ear.finish(1)
    ear.ear.resume(1)
    await ear.hear(600, 2_000)
    ear.ear.finish(2)
    await ear.settle()

    assert ear.sink.finals() == [["word2000", "word2000"]]


async def test_a_long_utterance_is_understood_in_segments(ear: Ear) -> None:
    """After a gap the front is done with for good: no decoding is longer than a segment, and no word is lost."""
    ear.ear.start(1, 0)
    for level in (2_000, 3_000, 4_000):
        await ear.hear(5_000, level)
        await ear.hear(500, 0)
    ear.ear.finish(1)
    await ear.settle()
    words = ear.sink.finals()[-1]

    assert max(ear.model.decoded_ms) < 12_000
    assert all(9 <= words.count(f"word{level}") <= 11 for level in (2_000, 3_000, 4_000))
    assert words == sorted(words)


async def test_closing_leaves_no_task(ear: Ear) -> None:
    """In the middle of a decoding, and twice."""
    ear.ear.start(1, 0)
    ear.model.free.clear()
    for _ in range(30):
        ear.ear.push(np.full(160, 2_000, np.int16))
    ear.ear.finish(1)
    await asyncio.sleep(0.01)
    await ear.ear.close()
    await ear.ear.close()

    assert not any("whisper" in task.get_name() for task in asyncio.all_tasks())
    assert ear.sink.told == []
