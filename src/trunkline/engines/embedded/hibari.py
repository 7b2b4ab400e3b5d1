"""Text to speech on this machine: hibari-tts, an English voice that speaks 100 times faster than it is listened to."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trunkline.audio.resample import resample_whole
from trunkline.core.errors import UpstreamError
from trunkline.engines.embedded.speech_shape import to_pcm, trimmed
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.port import Pcm

DEFAULT_VOICE = "heart"
_GAIN = 1.7
"""The voice peaks at about 0.35 of full scale; this brings it to the level of telephone speech."""
_SEED = 1
"""The same text always sounds the same, so that a phrase that was kept is no other."""


@dataclass(slots=True)
class _Shared:
    """What a voice has in common at every speed."""

    model: Any = None
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hibari:
    """A voice, shared by all calls of the process.

    Args:
        executor: where sentences are synthesised.
        voice: `heart` is in the package; others must have been put into hibari's own cache folder by hand.
        speed: 0.5 (slow) to 2.0 (fast).
    """

    def __init__(self, executor: ModelExecutor, voice: str = DEFAULT_VOICE, speed: float = 1.0) -> None:
        self._executor = executor
        self._voice = voice
        self._speed = speed
        self._shared = _Shared()

    def at_speed(self, speed: float) -> Hibari:
        """The same voice at another speed; the model is shared."""
        other = Hibari(self._executor, self._voice, speed)
        other._shared = self._shared
        return other

    @property
    def name(self) -> str:
        """`hibari/<voice>`, and the speed where it is not natural: what sounds otherwise has another name."""
        return f"hibari/{self._voice}" if self._speed == 1 else f"hibari/{self._voice}@{self._speed:g}"

    async def warm_up(self) -> None:
        """Loads the voice and speaks a word, so that the first call does not wait for it.

        Raises:
            UpstreamError: the package or the voice is not there.
        """
        await self._loaded()

    async def speak(self, text: str, rate_hz: int) -> AsyncIterator[Pcm]:
        """Streams the text, a sentence at a time: some 15 ms to the first, trimmed of the silence in front of it.

        Raises:
            UpstreamError: the voice is not there, or a sentence can't be synthesised.
        """
        model = await self._loaded()
        for sentence in model.split_sentences(text):
            pcm = await self._executor.run(self._synthesise, model, sentence, rate_hz)
            if len(pcm):
                yield pcm

    async def _loaded(self) -> Any:
        shared = self._shared
        async with shared.loading:
            if shared.model is None:
                shared.model = await self._executor.run(self._load)
        return shared.model

    def _load(self) -> Any:
        try:
            hibari = importlib.import_module("hibari")
            # The library would download a voice it does not have; a service must not do that in a call.
            path = importlib.import_module("hibari.voices").voice_path(self._voice, download_missing=False)
            model = hibari.Hibari(voice=self._voice, model=path, threads=1)
        except (ImportError, OSError, ValueError) as error:
            raise UpstreamError(
                f"hibari: the voice {self._voice!r} is not on this machine; pip install 'trunkline[engines]' brings {DEFAULT_VOICE!r}.",
                code="engine_not_installed",
            ) from error
        self._synthesise(model, "Warming up, 1 2 3.", 8_000)
        return model

    def _synthesise(self, model: Any, sentence: str, rate_hz: int) -> Pcm:
        try:
            parts = list(model.stream(sentence, self._speed, _SEED))
        except Exception as error:  # onnxruntime's errors have no base of their own
            raise UpstreamError(
                f"hibari: a sentence can't be spoken ({type(error).__name__}).", code="speech_failed"
            ) from error
        if not parts:
            return np.zeros(0, np.int16)
        wave = trimmed(np.concatenate(parts), model.sample_rate, sentence)
        return resample_whole(to_pcm(wave, _GAIN), model.sample_rate, rate_hz)
