"""The ear of one call: opened with patience, told where utterances begin and end, and caught up when it was late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from trunkline.core.clock import Clock
from trunkline.core.errors import UpstreamError
from trunkline.engines.port import SpeechToText, Transcription, TranscriptSink

_log = structlog.get_logger()
_OPEN_LIMIT_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 8.0
_CLOSE_LIMIT_S: Final = 2.0


class Ear:
    """A `Transcription` that may still be on its way."""

    def __init__(
        self,
        ears: SpeechToText,
        rate_hz: int,
        language: str,
        *,
        hints: Sequence[str],
        sink: TranscriptSink,
        clock: Clock,
        on_failed: Callable[[str, Exception], None],
    ) -> None:
        self._ears = ears
        self._rate_hz = rate_hz
        self._language = language
        self._hints = hints
        self._sink = sink
        self._clock = clock
        self._on_failed = on_failed
        self._transcription: Transcription | None = None
        self._missed: tuple[int, float] | None = (
            None  # an utterance that began before we could hear, and when
        )
        self._missed_end = False
        self.is_wanted = False

    async def open(self) -> Transcription:
        """Tries until it works; each failure is reported, and the pauses grow."""
        self.is_wanted = True
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async with asyncio.timeout(_OPEN_LIMIT_S):
                    self._transcription = await self._ears.open(
                        self._rate_hz, self._sink, language=self._language
                    )
            except (UpstreamError, TimeoutError) as error:
                self._on_failed("ears", error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return self._transcription

    def catch_up(self) -> None:
        """Called once the ear has been given the audio kept for it: hears the utterance that began meanwhile."""
        if self._missed is None:
            return
        (utterance, since_s), self._missed = self._missed, None
        self.start(utterance, round((self._clock.monotonic() - since_s) * 1000))
        if self._missed_end:
            self.finish(utterance)

    def start(self, utterance: int, preroll_ms: int) -> None:
        """An utterance began `preroll_ms` before now."""
        if self._transcription is not None:
            self._transcription.start(utterance, preroll_ms)
        else:
            self._missed = (utterance, self._clock.monotonic() - preroll_ms / 1000)
            self._missed_end = False

    def resume(self, utterance: int) -> None:
        """It goes on."""
        self._missed_end = False
        if self._transcription is not None:
            self._transcription.resume(utterance)

    def finish(self, utterance: int) -> None:
        """It paused."""
        self._missed_end = True
        if self._transcription is not None:
            self._transcription.finish(utterance)

    async def close(self) -> None:
        """Never raises."""
        transcription, self._transcription = self._transcription, None
        if transcription is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await transcription.close()
        except Exception as error:  # noqa: BLE001 (nothing to do about it any more)
            _log.warning("ear not closed", error=str(error))
