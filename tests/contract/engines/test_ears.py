"""What every recogniser promises, and how well whisper understands people on the telephone."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from engines_kit import loop_lag, prompt, word_errors, words

from trunkline.audio.formats import ULAW_8K
from trunkline.audio.g711 import decoder, encoder
from trunkline.audio.resample import resample_whole
from trunkline.core.errors import UpstreamError
from trunkline.engines.embedded.whisper import Whisper
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.port import SpeechToText, Transcript, Transcription

pytestmark = pytest.mark.engines

PROMPTS = (
    "activated", "agent-newlocation", "agent-pass", "all-circuits-busy-now", "auth-incorrect", "call-forwarding", "call-waiting",
    "cannot-complete-as-dialed", "conf-getpin", "conf-invalidpin", "dir-nomatch", "pls-hold-while-try", "queue-thankyou",
    "vm-goodbye", "vm-intro", "vm-nobodyavail", "vm-theperson",
)  # fmt: skip


class Listener:
    """Keeps what is told; `final` waits for the next final or failure."""

    def __init__(self) -> None:
        self.partials: list[Transcript] = []
        self.finals: list[Transcript] = []
        self.failures: list[Exception] = []
        self._told = asyncio.Event()

    def on_transcript(self, transcript: Transcript) -> None:
        (self.finals if transcript.is_final else self.partials).append(transcript)
        if transcript.is_final:
            self._told.set()

    def on_transcription_failed(self, utterance: int, error: Exception) -> None:
        self.failures.append(error)
        self._told.set()

    async def final(self) -> Transcript:
        async with asyncio.timeout(20):
            await self._told.wait()
        self._told.clear()
        assert not self.failures
        return self.finals[-1]


@pytest.fixture
async def ears(executor: ModelExecutor) -> SpeechToText:
    ears = Whisper(executor)
    await ears.warm_up()
    return ears


def on_the_telephone(pcm: np.ndarray) -> np.ndarray:
    return decoder(ULAW_8K)(encoder(ULAW_8K)(pcm))


def feed(ear: Transcription, pcm: np.ndarray, frame: int = 160) -> None:
    for at in range(0, len(pcm) - frame + 1, frame):
        ear.push(pcm[at : at + frame])


async def feed_in_real_time(ear: Transcription, pcm: np.ndarray, *, speed: float = 1.0) -> None:
    due = time.perf_counter()
    for at in range(0, len(pcm) - 159, 160):
        ear.push(pcm[at : at + 160])
        due += 0.02 / speed
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def understood(ears: SpeechToText, pcm: np.ndarray, rate_hz: int = 8_000) -> str:
    listener = Listener()
    ear = await ears.open(rate_hz, listener)
    feed(ear, np.zeros(rate_hz // 2, np.int16), rate_hz // 50)
    ear.start(1, 200)
    feed(ear, pcm, rate_hz // 50)
    ear.finish(1)
    final = await listener.final()
    await ear.close()
    return final.text


async def test_human_prompts_are_understood(ears: SpeechToText, human_prompts: dict[str, str]) -> None:
    """People on a mu-law line at 8 kHz: at most one word in ten is wrong."""
    errors = total = 0
    for name in PROMPTS:
        said = words(human_prompts[name])
        heard = words(await understood(ears, on_the_telephone(prompt(name))))
        errors += word_errors(said, heard)
        total += len(said)

    assert total > 80
    assert errors / total < 0.10


async def test_wideband_is_understood_as_well(ears: SpeechToText, human_prompts: dict[str, str]) -> None:
    """The same at 16 kHz."""
    name = "agent-newlocation"
    heard = words(await understood(ears, resample_whole(prompt(name), 8_000, 16_000), 16_000))

    assert word_errors(words(human_prompts[name]), heard) <= 1


async def test_partials_come_while_the_caller_speaks(ears: SpeechToText) -> None:
    """Words are told before the sentence ends, then one final, and nothing after it."""
    listener = Listener()
    ear = await ears.open(8_000, listener)
    ear.start(7, 0)
    await feed_in_real_time(ear, prompt("auth-incorrect"))
    told_before = len(listener.partials)
    ear.finish(7)
    final = await listener.final()
    partials = len(listener.partials)
    await feed_in_real_time(ear, np.zeros(8_000, np.int16), speed=4)
    await ear.close()

    assert told_before >= 2
    assert {each.utterance for each in listener.partials} == {7}
    assert "password" in final.text.lower()
    assert (len(listener.finals), len(listener.partials)) == (1, partials)


async def test_a_final_after_a_pause_is_there_already(ears: SpeechToText, executor: ModelExecutor) -> None:
    """While the pause is still being heard out the text is made: the final needs no decoding of its own."""
    listener = Listener()
    ear = await ears.open(8_000, listener)
    ear.start(1, 0)
    await feed_in_real_time(ear, np.concatenate((prompt("vm-goodbye"), np.zeros(4_000, np.int16))))
    jobs = executor.counts.done
    ear.finish(1)
    final = await listener.final()
    await ear.close()

    assert words(final.text) == ["goodbye"]
    assert executor.counts.done <= jobs + 1


async def test_going_on_gives_a_final_of_the_whole(ears: SpeechToText) -> None:
    """`resume` within a turn: the second final covers both halves."""
    listener = Listener()
    ear = await ears.open(8_000, listener)
    ear.start(1, 0)
    feed(ear, prompt("auth-thankyou"))
    ear.finish(1)
    first = await listener.final()
    feed(ear, np.zeros(4_000, np.int16))
    ear.resume(1)
    feed(ear, prompt("vm-goodbye"))
    ear.finish(1)
    second = await listener.final()
    await ear.close()

    assert words(first.text) == ["thank", "you"]
    assert words(second.text) == ["thank", "you", "goodbye"]


async def test_resume_before_the_final_supersedes_it(ears: SpeechToText) -> None:
    """A final that was not out yet when the caller went on is never given."""
    listener = Listener()
    ear = await ears.open(8_000, listener)
    ear.start(1, 0)
    feed(ear, prompt("auth-thankyou"))
    ear.finish(1)
    ear.resume(1)
    feed(ear, prompt("vm-goodbye"))
    ear.finish(1)
    await listener.final()
    await asyncio.sleep(0.3)
    await ear.close()

    assert [words(each.text) for each in listener.finals] == [["thank", "you", "goodbye"]]


async def test_a_minute_without_a_pause_is_understood_in_bounded_memory(
    ears: SpeechToText, human_prompts: dict[str, str]
) -> None:
    """A caller who reads a long text is understood to the end, and the ear keeps seconds of audio, not minutes."""
    names = ("basic-pbx-ivr-main", "cannot-complete-as-dialed", "basic-pbx-ivr-main")
    listener = Listener()
    ear = await ears.open(8_000, listener)
    ear.start(1, 0)
    kept = 0
    for name in names:
        pcm = prompt(name)
        for at in range(0, len(pcm), 4_000):
            await feed_in_real_time(ear, pcm[at : at + 4_000], speed=6)
            kept = max(kept, ear._audio.end - (ear._audio.begin or 0))  # what it holds
    ear.finish(1)
    final = await listener.final()
    await ear.close()
    said = [word for name in names for word in words(human_prompts[name])]

    assert word_errors(said, words(final.text)) / len(said) < 0.35
    assert kept / 8_000 < 30


@pytest.mark.parametrize("noise", ["silence", "hiss", "tone", "hum"])
async def test_where_nobody_spoke_nothing_is_heard(ears: SpeechToText, noise: str) -> None:
    """Whisper makes words up for noise; the guard leaves them out."""
    at = np.arange(3 * 8_000) / 8_000
    signals = {
        "silence": np.zeros(len(at)),
        "hiss": np.random.default_rng(1).standard_normal(len(at)) * 200,
        "tone": np.sin(2 * np.pi * 1_000 * at) * 8_000,
        "hum": np.sin(2 * np.pi * 100 * at) * 500,
    }

    assert await understood(ears, signals[noise].astype(np.int16)) == ""


async def test_closing_in_the_middle_ends_everything(ears: SpeechToText) -> None:
    """A call that ends while it is being understood leaves no task and tells nothing more."""
    listener = Listener()
    ear = await ears.open(8_000, listener)
    before = asyncio.all_tasks()
    ear.start(1, 0)
    feed(ear, prompt("auth-incorrect"))
    ear.finish(1)
    await ear.close()
    await ear.close()
    await asyncio.sleep(0.2)

    assert listener.finals == []
    assert asyncio.all_tasks() <= before


async def test_eight_callers_are_understood_while_the_loop_runs_on(ears: SpeechToText) -> None:
    """Decoding is off the event loop: frames of other calls go out meanwhile, and every caller gets a final."""
    async with loop_lag() as lags:
        texts = await asyncio.gather(*(understood(ears, prompt("agent-newlocation")) for _ in range(8)))

    assert all("extension" in text for text in texts)
    assert float(np.median(lags)) < 25


async def test_another_language_is_refused_in_words(ears: SpeechToText) -> None:
    """The packaged model understands English; a Dutch assistant is told, not misheard."""
    with pytest.raises(UpstreamError, match="'nl'"):
        await ears.open(8_000, Listener(), language="nl")


async def test_hints_are_taken(ears: SpeechToText) -> None:
    """Words to expect change nothing about what is plainly said."""
    listener = Listener()
    ear = await ears.open(8_000, listener, hints=("Trunkline", "extension"))
    ear.start(1, 0)
    feed(ear, prompt("agent-newlocation"))
    ear.finish(1)
    final = await listener.final()
    await ear.close()

    assert "extension" in final.text
