"""Speech to text on this machine: whisper tiny.en (or any CTranslate2 whisper), shared by all calls of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trunkline.engines.embedded.whisper_ear import WhisperEar
from trunkline.engines.embedded.whisper_model import WhisperModel, packaged_folder
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.port import Transcription, TranscriptSink

_RATES_HZ = (8_000, 16_000)


class Whisper:
    """A recogniser shared by all calls of the process.

    Args:
        executor: where decodings run.
        folder: a CTranslate2 whisper model; None takes the packaged tiny.en.
    """

    def __init__(self, executor: ModelExecutor, folder: Path | None = None) -> None:
        self._executor = executor
        self._folder = folder
        self._model: WhisperModel | None = None
        self._loading = asyncio.Lock()

    @property
    def name(self) -> str:
        """`whisper/` and the model's folder, or `tiny.en`."""
        return f"whisper/{self._folder.name if self._folder else 'tiny.en'}"

    async def warm_up(self) -> None:
        """Loads the model and runs it once.

        Raises:
            UpstreamError: it is not installed or can't be read.
        """
        await self._loaded()

    async def _loaded(self) -> WhisperModel:
        async with self._loading:
            if self._model is None:
                self._model = await self._executor.run(self._load)
        return self._model

    def _load(self) -> WhisperModel:
        model = WhisperModel(self._folder or packaged_folder(), self._executor.threads)
        model.transcribe(np.zeros(800, np.int16), 8_000, model.prompt("en", ()))
        return model

    async def open(
        self, rate_hz: int, sink: TranscriptSink, *, language: str = "en", hints: Sequence[str] = ()
    ) -> Transcription:
        """An ear for one call at 8000 or 16000 Hz.

        Raises:
            UpstreamError: the model can't be loaded, or does not know the language.
            ValueError: another rate.
        """
        if rate_hz not in _RATES_HZ:
            raise ValueError(f"whisper listens at 8000 or 16000 Hz, not at {rate_hz}")
        model = await self._loaded()
        return WhisperEar(model, self._executor, rate_hz, sink, model.prompt(language, hints))
