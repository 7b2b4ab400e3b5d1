"""One call's ear on whisper: partials while the caller speaks, and early finals.

A final costs one decoding (some 100 ms). Most are faster: when the caller falls quiet a decoding starts at once, so that the text is there, or nearly,
by the time the pause is long enough to be called one. It becomes the final when nothing but quiet came after it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from trunkline.core.errors import TrunklineError, UpstreamError
from trunkline.engines.embedded.utterance import UtteranceBuffer
from trunkline.engines.embedded.whisper_guard import Decoded, spoken_text
from trunkline.engines.embedded.whisper_model import WhisperModel
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.port import Pcm, Transcript, TranscriptSink

log = structlog.get_logger()
T = TypeVar("T")

PARTIAL_EVERY_MS = 400
QUIET_MS = 100
"""So much quiet after speech starts a decoding that may become the final."""
QUIET_EVERY_MS = 200
"""Such decodings are at least this far apart: words have gaps, too."""
KEEP_AFTER_FINISH_MS = 10_000
"""How long the audio of a finished utterance is kept in case it is resumed; later only its text is."""
RESUME_PREROLL_MS = 300


@dataclass(frozen=True, slots=True)
class _Understood:
    """All of an utterance up to the sample `end`."""

    end: int
    text: str
    confidence: float
    decode_ms: float


class WhisperEar:
    """Implements `Transcription`. At most one partial, one final and one segment are decoded at a time."""

    def __init__(
        self,
        model: WhisperModel,
        executor: ModelExecutor,
        rate_hz: int,
        sink: TranscriptSink,
        prompt: list[int],
    ) -> None:
        self._model = model
        self._executor = executor
        self._sink = sink
        self._prompt = prompt
        self._audio = UtteranceBuffer(rate_hz)
        self._utterance: int | None = None
        self._is_listening = False
        self._segments: list[str] = []
        self._last: _Understood | None = None
        self._asked_end = 0
        self._finished_end = 0
        self._partial: asyncio.Task[_Understood] | None = None
        self._segment: asyncio.Task[None] | None = None
        self._final: asyncio.Task[None] | None = None

    def push(self, frame: Pcm) -> None:
        """Keeps the frame; starts a partial where one is due."""
        self._audio.push(frame)
        if self._utterance is None:
            return
        if not self._is_listening:
            self._forget_finished_audio()
        elif self._segment is None and (at := self._audio.cut()) is not None:
            self._segment = _named(self._cut_off(at), "segment")
        elif self._segment is None and self._has_news(QUIET_EVERY_MS):
            self._maybe_decode()

    def start(self, utterance: int, preroll_ms: int) -> None:
        """Begins an utterance; what was left of the one before is forgotten."""
        self._cancel_work()
        self._audio.start(preroll_ms)
        self._utterance, self._is_listening = utterance, True
        self._segments, self._last = [], None
        self._asked_end = self._audio.begin or 0

    def finish(self, utterance: int) -> None:
        """Gives the final: at once where the last decoding already holds all that was said."""
        if utterance != self._utterance:
            return
        self._is_listening = False
        self._finished_end = self._audio.end
        _cancel(self._final)
        self._final = _named(self._finish(utterance, self._finished_end), "final")

    def resume(self, utterance: int) -> None:
        """Goes on with the same utterance; a final that is not out yet is not given."""
        if utterance != self._utterance:
            return
        _cancel(self._final)
        self._final = None
        if self._audio.begin is None:
            self._audio.start(RESUME_PREROLL_MS)
        self._is_listening = True

    async def close(self) -> None:
        """Stops all decoding and forgets the audio."""
        tasks = [task for task in (self._partial, self._segment, self._final) if task is not None]
        self._cancel_work()
        self._utterance = None
        self._audio.stop()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- partials -----------------------------------------------------------------------------------------------------

    def _has_news(self, ms: float) -> bool:
        """Something was said since the last decoding was asked for, that long ago at least."""
        is_due = self._audio.end - self._asked_end >= self._audio.samples(ms)
        return is_due and not self._audio.quiet_since(self._asked_end)

    def _maybe_decode(self) -> None:
        """When the caller fell quiet, at once: it may be the final. Else a partial, where nothing waits for the executor."""
        is_quiet = self._audio.quiet_since(self._audio.end - self._audio.samples(QUIET_MS))
        if is_quiet and not self._executor.is_full:
            _cancel(self._partial)
        elif (
            is_quiet
            or self._partial is not None
            or self._executor.is_busy
            or not self._has_news(PARTIAL_EVERY_MS)
        ):
            return
        self._asked_end = self._audio.end
        self._partial = _named(self._understand(self._asked_end, urgent=is_quiet), "partial")
        self._partial.add_done_callback(self._on_partial)

    def _on_partial(self, task: asyncio.Task[_Understood]) -> None:
        """Keeps and tells a partial that was neither cancelled nor overtaken."""
        if self._partial is not task:
            return
        self._partial = None
        if task.cancelled() or task.exception() is not None:
            return  # the final tries again, and tells
        self._last = task.result()
        if self._is_listening and self._last.text:
            self._tell(self._last, is_final=False)

    # --- finals -------------------------------------------------------------------------------------------------------

    async def _finish(self, utterance: int, end: int) -> None:
        try:
            understood = await self._all_of(end)
        except TrunklineError as error:
            log.warning("transcription failed", error=error.message)
            self._sink.on_transcription_failed(utterance, error)
            return
        except Exception as error:
            log.exception("transcription failed")
            self._sink.on_transcription_failed(utterance, error)
            return
        self._last = understood
        self._tell(understood, is_final=True)

    async def _all_of(self, end: int) -> _Understood:
        """The utterance up to `end`: by a decoding that ran already or runs, else by a new one."""
        running = self._partial
        if running is not None and self._audio.quiet_since(self._asked_end):
            await asyncio.wait([running])
            if not running.cancelled() and running.exception() is None:
                return running.result()
        if self._segment is not None:
            await asyncio.wait([self._segment])
        last = self._last
        if (
            last is not None
            and self._audio.begin is not None
            and last.end >= self._audio.begin
            and self._audio.quiet_since(last.end)
        ):
            return last
        return await self._understand(end, urgent=True)

    # --- decoding -----------------------------------------------------------------------------------------------------

    async def _understand(self, end: int, *, urgent: bool) -> _Understood:
        decoded, decode_ms = await self._decode(self._audio.begin or 0, end, urgent=urgent)
        text = " ".join(part for part in (*self._segments, spoken_text(decoded)) if part)
        return _Understood(end, text, math.exp(decoded.avg_logprob), decode_ms)

    async def _cut_off(self, at: int) -> None:
        """Understands the front of a long utterance for good, so that audio and decoding time stay bounded."""
        try:
            if self._partial is not None:
                await asyncio.wait([self._partial])
            last = self._last
            if (
                last is not None
                and last.end >= (self._audio.begin or 0)
                and self._audio.quiet_between(last.end, at)
            ):
                self._segments = [last.text]
            else:
                decoded, _ = await self._decode(self._audio.begin or 0, at, urgent=True)
                self._segments.append(spoken_text(decoded))
        except TrunklineError as error:
            log.warning("a part of a long utterance was lost", error=error.message)
        finally:
            self._segment = None
        self._audio.continue_from(at)

    async def _decode(self, begin: int, end: int, *, urgent: bool) -> tuple[Decoded, float]:
        pcm = self._audio.audio(begin, end)
        run = self._executor.run if urgent else self._executor.run_patiently
        since = time.perf_counter()
        try:
            decoded = await run(self._model.transcribe, pcm, self._audio.rate_hz, self._prompt)
        except (RuntimeError, ValueError) as error:
            raise UpstreamError(
                f"whisper: decoding failed ({type(error).__name__}).", code="transcription_failed"
            ) from error
        return decoded, (time.perf_counter() - since) * 1000

    def _tell(self, understood: _Understood, *, is_final: bool) -> None:
        if self._utterance is not None:
            confidence = understood.confidence if understood.text else 0.0
            self._sink.on_transcript(
                Transcript(
                    self._utterance,
                    understood.text,
                    is_final,
                    round(confidence, 3),
                    round(understood.decode_ms, 1),
                )
            )

    # --- keeping little -----------------------------------------------------------------------------------------------

    def _forget_finished_audio(self) -> None:
        """Some time after the final its text stands for the audio."""
        is_old = self._audio.end - self._finished_end > self._audio.samples(KEEP_AFTER_FINISH_MS)
        if is_old and self._audio.begin is not None and (self._final is None or self._final.done()):
            self._segments = [self._last.text] if self._last is not None else []
            self._last = None
            self._audio.stop()

    def _cancel_work(self) -> None:
        for task in (self._partial, self._segment, self._final):
            _cancel(task)
        self._partial = self._segment = self._final = None
        self._is_listening = False


def _named(work: Coroutine[Any, Any, T], kind: str) -> asyncio.Task[T]:
    return asyncio.get_running_loop().create_task(work, name=f"whisper {kind}")


def _cancel(task: asyncio.Task[Any] | None) -> None:
    if task is not None:
        task.cancel()
