"""Human speech with known words, word errors, and a watch on the event loop."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import soundfile

# By the folder the package owns: the link `en` beside it is made only where Asterisk's own packages are.
SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
WORDS_OF_SOUNDS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")


def prompt(name: str) -> np.ndarray:
    """One prompt as 8 kHz samples, whole frames."""
    pcm, rate_hz = soundfile.read(SOUNDS / f"{name}.wav", dtype="int16")
    assert rate_hz == 8_000
    return pcm[: len(pcm) // 160 * 160]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower().replace("-", " "))


def word_errors(said: list[str], heard: list[str]) -> int:
    """Least number of words to insert, delete or replace."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


@asynccontextmanager
async def loop_lag() -> AsyncIterator[list[float]]:
    """The event loop's lateness in milliseconds, sampled every 5 ms while the body runs."""
    lags: list[float] = []

    async def sample() -> None:
        while True:
            since = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append((time.perf_counter() - since - 0.005) * 1000)

    task = asyncio.create_task(sample(), name="loop lag")
    try:
        yield lags
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
