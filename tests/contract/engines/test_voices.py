"""What every voice promises."""

from __future__ import annotations

import asyncio
import shutil
import time
from itertools import pairwise

import numpy as np
import psutil
import pytest
from engines_kit import loop_lag

from trunkline.core.errors import InvalidField, UpstreamError
from trunkline.engines.embedded.espeak import Espeak
from trunkline.engines.embedded.hibari import Hibari
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.port import TextToSpeech

pytestmark = pytest.mark.engines
TEXT = "Good morning, this is Harbour Dental. How can I help you today?"


@pytest.fixture(params=["hibari", "espeak"])
async def voice(request: pytest.FixtureRequest, executor: ModelExecutor) -> TextToSpeech:
    if request.param == "espeak":
        assert shutil.which("espeak-ng"), "espeak-ng is not installed; make test installs it"
    voice = Hibari(executor) if request.param == "hibari" else Espeak("en")
    await voice.warm_up()
    return voice


async def spoken(voice: TextToSpeech, text: str, rate_hz: int) -> list[np.ndarray]:
    return [chunk async for chunk in voice.speak(text, rate_hz)]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
async def test_speech_is_int16_at_the_asked_rate(voice: TextToSpeech, rate_hz: int) -> None:
    """Samples come at the leg's own rate, in chunks, loud enough for a telephone and never clipped flat."""
    pcm = np.concatenate(chunks := await spoken(voice, TEXT, rate_hz))

    assert {chunk.dtype for chunk in chunks} == {np.dtype(np.int16)}
    assert 3.0 < len(pcm) / rate_hz < 7.0
    assert 6_000 < np.abs(pcm.astype(np.int32)).max() < 32_767
    assert np.mean(np.abs(pcm.astype(np.int32)) > 32_000) < 0.001


async def test_speech_begins_without_silence(voice: TextToSpeech) -> None:
    """The caller does not wait for silence: the voice is there within 100 ms of audio."""
    pcm = np.concatenate(await spoken(voice, "Thank you.", 8_000)).astype(np.int32)

    assert np.argmax(np.abs(pcm) > 300) < 800


async def test_chunks_join_without_a_click(voice: TextToSpeech) -> None:
    """No step between neighbouring samples at the border of two chunks is bigger than within speech."""
    chunks = [chunk.astype(np.int32) for chunk in await spoken(voice, TEXT, 8_000)]
    inside = max(int(np.abs(np.diff(chunk)).max()) for chunk in chunks)
    borders = [abs(int(right[0]) - int(left[-1])) for left, right in pairwise(chunks)]

    assert len(chunks) >= 2
    assert max(borders) <= inside


async def test_nothing_to_say_is_no_audio(voice: TextToSpeech) -> None:
    """Blanks are spoken as nothing, without an error."""
    pcm = [chunk for chunk in await spoken(voice, "  ", 8_000) if np.abs(chunk).max() > 100]

    assert pcm == []


async def test_stopping_early_frees_everything(voice: TextToSpeech) -> None:
    """A barge-in closes the iterator: no process and no job stays."""
    stream = voice.speak(TEXT * 20, 8_000)
    await anext(stream)
    since = time.perf_counter()
    await stream.aclose()

    assert time.perf_counter() - since < 1.0
    assert [child.name() for child in psutil.Process().children() if "espeak" in child.name()] == []


async def test_ten_callers_are_spoken_to_while_the_loop_runs_on(voice: TextToSpeech) -> None:
    """Speech is made off the event loop: frames of other calls go out meanwhile."""
    async with loop_lag() as lags:
        await asyncio.gather(*(spoken(voice, f"{TEXT} Caller number {n}.", 8_000) for n in range(10)))

    assert lags
    assert float(np.median(lags)) < 25


async def test_a_voice_that_is_not_there_is_not_downloaded(executor: ModelExecutor) -> None:
    """A service does not fetch voices in the middle of a call; it says what to do."""
    with pytest.raises(UpstreamError, match="not on this machine"):
        await Hibari(executor, "emma-of-nowhere").warm_up()


async def test_a_language_that_espeak_lacks_is_an_error() -> None:
    """An unknown voice is told, not spoken in another language."""
    with pytest.raises(UpstreamError, match="can't be used"):
        await spoken(Espeak("xx-klingon"), TEXT, 8_000)


@pytest.mark.parametrize("name", ["../../etc/passwd", "-f", "", "en gb", "x" * 60])
def test_a_voice_is_a_name_and_no_file(name: str) -> None:
    """What an assistant names goes into a command line: only names pass."""
    with pytest.raises(InvalidField, match="voice_id"):
        Espeak(name)


async def test_another_speed_is_the_same_model(executor: ModelExecutor) -> None:
    """Faster speech is shorter, and loads nothing again."""
    voice = Hibari(executor)
    usual = sum(map(len, await spoken(voice, TEXT, 8_000)))
    jobs = executor.counts.done
    fast = sum(map(len, await spoken(voice.at_speed(1.5), TEXT, 8_000)))

    assert fast < 0.85 * usual
    assert executor.counts.done == jobs + 2  # sentences, no loading


async def test_espeak_missing_is_told_in_words() -> None:
    """Without the program the error says how to get it."""
    with pytest.raises(UpstreamError, match="apt install"):
        await Espeak("en", program="espeak-not-here").warm_up()
    with pytest.raises(UpstreamError, match="apt install"):
        await spoken(Espeak("en", program="espeak-not-here"), TEXT, 8_000)
